// Sealed bundles: what a cache directory holds for one deployment, listed by digest and signed. Whoever has one of the
// keys' public half can use such a directory wherever it lies and whoever may write to it: what is not on the list, or
// is not as it says, does not count.
//
//   seal.json      {"schema":1,"created":"<time>","expires":"<time>","archs":["sm_90a",...],"nvrtc":["<build>",...],
//                   "manifests":["<sha256>",...],"files":{"<path below the directory>":"<sha256 of the whole file>"}}
//   seal.json.sig  who signed it, in role "seal" (signature.hpp)
//
// On disk: "expires" may be absent; lists are sorted; the files are those of jit/, blobs/, refs/ and tuned/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "registry/format/utc_time.hpp"
#include "registry/trust/signature.hpp"
#include "runtime/base/directory.hpp"

namespace quern {

inline constexpr const char *kSealFile = "seal.json";
inline constexpr const char *kSealSignatures = "seal.json.sig";
inline constexpr size_t kMaxSealBytes = 32 << 20;

struct Seal {
  int64_t created = 0;                       // seconds since 1970
  int64_t expires = 0;                       // 0: never
  std::set<std::string> archs;               // that the entries are for
  std::set<std::string> nvrtc;               // builds that compiled them
  std::set<std::string> manifests;           // digests of packages; each is among the files, as a blob
  std::map<std::string, std::string> files;  // sha256 by path

  // The digest that a file must have; null if the seal does not name it.
  const std::string *digest_of(const std::string &path) const;
  bool allows_entry(const std::string &file, const std::string &sha256) const;  // "<request>.<build>.qkc"
  bool allows_blob(const std::string &sha256) const;
  bool allows_manifest(const std::string &sha256) const { return manifests.count(sha256) != 0; }
};

// Throws QUERN_CORRUPT; `what` names the file.
Seal parse_seal(std::string_view document, const std::string &what);
// The same seal gives the same bytes.
std::string write_seal(const Seal &seal);

// The seal of a directory, signed by one of the keys. Throws QUERN_NOT_FOUND if there is none, QUERN_UNTRUSTED if it is
// not signed by any of them, QUERN_OUTDATED if it has expired, QUERN_CORRUPT if what they signed is no seal.
Seal load_seal(const Directory &directory, const std::vector<PublicKey> &keys, const Clock &clock);

// A file of a sealed directory, hashed once; nothing if it is not what the seal names, and `problem` says why unless
// neither has it.
std::optional<std::vector<uint8_t>> read_sealed(const Directory &directory, const Seal &seal, const std::string &path,
                                                size_t limit, std::string &problem);

}  // namespace quern

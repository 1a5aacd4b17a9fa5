// Blobs: bytes under the name of their SHA-256 (manifests, signatures, sources), and refs, which say which manifest a
// version of a kernel was when it was last resolved, so that it is found without a network. A blob is verified at each
// read; one whose bytes are wrong is set aside and counts as absent. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/cache/cache.hpp"
#include "registry/format/blob_path.hpp"

namespace quern {

inline constexpr size_t kMaxBlobBytes = 4 << 20;

struct Ref {
  std::string id;  // "acme/mxfp4-gemm"
  int version = 0;
  std::string manifest;  // its digest
};

struct CachedPackage {
  Ref ref;
  int files = 0;  // in the cache, the manifest included
  int64_t bytes = 0;
  int64_t resolved = 0;  // when the ref was written
};

class BlobStore {
 public:
  // Over the cache's directories, which must outlive it: the one that may be written, then the read-only ones.
  explicit BlobStore(Cache &cache) : cache_(cache) {}

  // Nothing if no layer has it whole, or it is larger than `limit`.
  std::optional<std::string> read(const std::string &sha256, size_t limit = kMaxBlobBytes);
  // True if it is in a layer afterwards; else `problem`, if given, says why it could not be kept, and the caller has
  // the bytes all the same. Throws QUERN_CORRUPT if they are not what the digest says.
  bool put(const std::string &sha256, std::string_view bytes, std::string *problem = nullptr);

  std::optional<std::string> ref(const std::string &id, int version);
  bool set_ref(const std::string &id, int version, const std::string &manifest, std::string *problem = nullptr);
  // A manifest's .sig file, kept beside the refs: it proves itself, so it needs no digest.
  std::optional<std::string> signatures(const std::string &id, const std::string &manifest);
  bool keep_signatures(const std::string &id, const std::string &manifest, std::string_view signatures,
                       std::string *problem = nullptr);
  // All refs of all layers; of two for one version the first layer's.
  std::vector<Ref> refs();
  // What the refs lead to.
  std::vector<CachedPackage> packages();

 private:
  bool keep(const std::string &path, std::string_view bytes, std::string *problem, unsigned mode = 0600);

  Cache &cache_;
};

// "refs/acme/mxfp4-gemm/v1".
std::string ref_path(const std::string &id, int version);
// What lies beside it: "v1", and "<manifest>.sig". Any other name is of a later Quern, or nobody's.
bool is_version_file(std::string_view name);
bool is_signatures_file(std::string_view name);

// Every digest that a manifest's text names: what is to be kept along with it. Nothing of a text that is no JSON.
std::vector<std::string> digests_in(std::string_view manifest);

}  // namespace quern

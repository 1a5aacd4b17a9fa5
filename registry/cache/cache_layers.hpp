// The directories of a cache: one that may be written, and read-only ones below it that are searched after it.
//
//   CACHEDIR.TAG  VERSION  index.sqlite3
//   jit/ab/<request>.<nvrtc build>.qkc   entries (cache_entry.hpp); ab = the request's first two digits
//   blobs/ab/<sha256>                    manifests, signatures, sources (blob_store.hpp)
//   refs/<owner>/<name>/v<N>             which manifest a version was last
//   roots/<name>.json                    what is kept from being pruned (cache_roots.hpp)
//   tuned/                               what tuning found
//   trust/<registry>/                    the registry's metadata that was accepted last
//   locks/<request>.lock                 held while somebody compiles it
//   seal.json  seal.json.sig             what counts, where only what is sealed does (seal.hpp)
//   tmp/                                 files being written
//   quarantine/                          files whose contents were not what their name says
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "registry/cache/seal.hpp"
#include "runtime/base/directory.hpp"

namespace quern {

// Opens a directory of this layout. Throws QUERN_IO_ERROR saying why it is not used: it belongs to somebody else,
// everybody may write to it, or its layout is of another version.
Directory open_layer(const std::filesystem::path &path, bool durable = true);

// Makes what is missing of the layout. Throws QUERN_IO_ERROR where it cannot be written.
void make_layout(const std::filesystem::path &path, bool durable);

// Who may seal; no keys: directories need no seal.
struct SealRules {
  std::vector<PublicKey> keys;
  Clock clock = system_seconds;
};

struct CacheLayer {
  Directory directory;
  std::optional<Seal> seal;  // where one is asked for
};

// As above, and with its seal if there are keys; then throws as load_seal() too.
CacheLayer open_layer(const std::filesystem::path &path, bool durable, const SealRules &rules);

class CacheLayers {
 public:
  // Directories that cannot be used are passed over; refused() says why.
  CacheLayers(const std::vector<std::filesystem::path> &paths, const SealRules &rules);

  const std::vector<CacheLayer> &layers() const { return layers_; }
  const std::vector<std::string> &refused() const { return refused_; }

 private:
  std::vector<CacheLayer> layers_;
  std::vector<std::string> refused_;
};

}  // namespace quern

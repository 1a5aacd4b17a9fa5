#include "runtime/hub/keep_prefetched.hpp"

#include <ctime>

#include "registry/cache/blob_store.hpp"
#include "registry/cache/sealing.hpp"

namespace quern {

void keep_prefetched(const Directory &directory, const std::vector<std::shared_ptr<const Package>> &packages,
                     std::set<std::string> entries, const Keeping &keeping) {
  SealRequest request;
  for (const auto &package : packages) {
    if (package->identity.empty()) continue;  // it did not come from a registry: the cache has none of its files
    request.manifests.insert(package->identity);
    request.refs.insert(ref_path(package->manifest.id, package->manifest.version).substr(std::size("refs/") - 1));
  }
  request.entries = std::move(entries);
  if (!keeping.root.empty()) write_root(directory, {keeping.root, request.manifests, request.entries});
  if (!keeping.seal_key) return;
  for (const std::string &file : directory.names("tuned")) request.tuned.insert(file);
  const int64_t now = std::time(nullptr);
  if (keeping.seal_days > 0) request.expires = now + keeping.seal_days * 86400;
  publish_seal(directory, make_seal(directory, request, now), *keeping.seal_key);
}

}  // namespace quern

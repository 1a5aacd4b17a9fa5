#include "runtime/keep_prefetched.hpp"

namespace quern {

void keep_prefetched(const Directory &directory, const std::vector<std::shared_ptr<const Package>> &packages,
                     std::set<std::string> entries, const Keeping &keeping) {
  CacheRoot root;
  for (const auto &package : packages) {
    if (!package->identity.empty()) root.manifests.insert(package->identity);  // others have no files in the cache
  }
  root.entries = std::move(entries);
  if (!keeping.root.empty()) {
    root.name = keeping.root;
    write_root(directory, root);
  }
}

}  // namespace quern

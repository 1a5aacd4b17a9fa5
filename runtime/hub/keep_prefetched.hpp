// After prefetching: a root, so that nothing of it is pruned, and a seal, so that nothing else is loaded.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "registry/cache/cache_roots.hpp"
#include "registry/package/package.hpp"
#include "registry/trust/signature.hpp"

namespace quern {

struct Keeping {
  std::string root;  // "": none
  std::optional<SecretKey> seal_key;
  int64_t seal_days = 0;  // 0: for ever

  bool wanted() const { return !root.empty() || seal_key.has_value(); }
};

// `entries` are files of the cache, which is `directory`. Throws QUERN_IO_ERROR, and QUERN_NOT_FOUND for a seal of what
// lies in another layer.
void keep_prefetched(const Directory &directory, const std::vector<std::shared_ptr<const Package>> &packages,
                     std::set<std::string> entries, const Keeping &keeping);

}  // namespace quern

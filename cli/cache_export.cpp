// `quern cache export KEY -o FILE`: the machine code of an entry, for cuobjdump and the like; `cache path`.
#include <cstdio>
#include <fstream>

#include "cli/cache_entries.hpp"
#include "cli/failure.hpp"
#include "cli/quantity.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {

ExitCode run_cache_export(const GlobalOptions &global, const CacheExportOptions &options) {
  const host::Hub hub = open_hub(global);
  CacheSelection selection;
  selection.filters = {"key=" + options.key};
  const std::vector<CacheEntry> found = select_entries(hub, selection);
  if (found.empty())
    fail(kNothingMatched, "no cache entry's key begins with '", options.key, "'; see 'quern cache ls'");
  for (const CacheEntry &entry : found) {
    if (entry.key != found.front().key) {
      fail(kUsage, "'", options.key, "' is the beginning of several keys; give more digits");
    }
  }
  const std::string code = hub.cached_code(found.front().key.c_str(), found.front().nvrtc.c_str());
  std::ofstream out(options.output, std::ios::binary | std::ios::trunc);
  out.write(code.data(), static_cast<std::streamsize>(code.size()));
  if (!out.flush()) {
    std::remove(options.output.c_str());
    fail(kFailed, "cannot write ", options.output, "; check the permissions and the free space");
  }
  if (global.json) {
    print_json({{"key", found.front().key},
                {"kernel", found.front().kernel},
                {"output", options.output},
                {"size_bytes", code.size()}});
  } else {
    print(text(found.front().kernel, " for ", found.front().target, ", ",
               format_bytes(static_cast<int64_t>(code.size())), " to ", options.output, "\n"));
  }
  return kDone;
}

ExitCode run_cache_path(const GlobalOptions &global) {
  const host::Hub hub = open_hub(global);
  const quern_hub_info info = hub.info();
  if (!*info.cache_dir) fail(kNothingMatched, "there is no cache directory (", info.cache_state, "); pass --cache-dir");
  if (global.json) {
    print_json({{"path", info.cache_dir}, {"state", info.cache_state}});
  } else {
    print(text(info.cache_dir, "\n"));
  }
  return kDone;
}

}  // namespace quern::cli

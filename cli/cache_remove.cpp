// `quern cache rm`: entries by key or by filter.
#include <algorithm>

#include "cli/cache_entries.hpp"
#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/quantity.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {

ExitCode run_cache_remove(const GlobalOptions &global, const CacheRemoveOptions &options) {
  if (options.keys.empty() && options.filters.empty()) {
    fail(kUsage, "rm wants keys, or filters as -f 'used>30d'; 'quern cache clear' removes all");
  }
  for (const std::string &key : options.keys) {
    const bool digits =
        std::all_of(key.begin(), key.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    if (key.size() < 6 || key.size() > 64 || !digits) {
      fail(kUsage, "'", key, "' is no key; give at least 6 of an entry's hexadecimal digits");
    }
  }
  CacheSelection selection;
  selection.filters = options.filters;
  check_selection(selection);
  const host::Hub hub = open_hub(global);
  std::vector<CacheEntry> doomed;
  for (CacheEntry &entry : select_entries(hub, selection)) {
    const bool named =
        options.keys.empty() || std::any_of(options.keys.begin(), options.keys.end(),
                                            [&](const std::string &key) { return entry.key.starts_with(key); });
    if (named && (!entry.rooted || options.rooted)) doomed.push_back(std::move(entry));
  }
  int64_t removed = 0, bytes = 0, kept = 0;
  if (!doomed.empty() && !options.dry_run) {
    confirm(text("delete ", counted(static_cast<int64_t>(doomed.size()), total_bytes(doomed))), options.yes);
    for (const CacheEntry &entry : doomed) {
      check_interrupt();
      const quern_cache_prune_result result = hub.remove_cached(entry.key.c_str(), entry.nvrtc.c_str(), options.rooted);
      removed += result.removed;
      bytes += result.removed_bytes;
      kept += result.kept;
    }
  }
  if (global.json) {
    print_json({{"dry_run", options.dry_run},
                {"removed", removed},
                {"removed_bytes", bytes},
                {"kept", kept},
                {"entries", entries_json(doomed)}});
  } else if (doomed.empty()) {
    print("Nothing to delete.\n");
  } else if (options.dry_run) {
    print(entries_text(doomed) + "About to delete " +
          counted(static_cast<int64_t>(doomed.size()), total_bytes(doomed)) + ".\nDry run: no files were deleted.\n");
  } else {
    print(text("Deleted ", removed, removed == 1 ? " entry" : " entries", "; freed ", format_bytes(bytes),
               kept > 0 ? text("; kept ", kept, " in use") : "", ".\n"));
  }
  return kDone;
}

}  // namespace quern::cli

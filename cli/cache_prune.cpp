// `quern cache prune` and `clear`: by rule, and all.
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/cache_entries.hpp"
#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/quantity.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

quern_cache_prune_options prune_options(const CachePruneOptions &options) {
  quern_cache_prune_options prune = QUERN_CACHE_PRUNE_OPTIONS_INIT;
  if (!options.max_size.empty()) {
    const auto bytes = parse_bytes(options.max_size);
    if (!bytes) fail(kUsage, "--max-size '", options.max_size, "' is no size; write it like 5GiB or 500MB");
    // To the library 0 means no limit; who asks for 0 wants nothing kept.
    prune.max_bytes = std::max<int64_t>(*bytes, 1);
  }
  if (!options.older_than.empty()) {
    const auto seconds = parse_seconds(options.older_than);
    if (!seconds || *seconds == 0)
      fail(kUsage, "--older-than '", options.older_than, "' is no time; write it like 30d or 12h");
    prune.older_than_s = *seconds;
  }
  if (!options.arch.empty()) prune.target = options.arch.c_str();
  if (!options.kernel.empty()) prune.kernel = options.kernel.c_str();
  prune.all = options.all ? 1 : 0;
  return prune;
}

struct Pruned {
  quern_cache_prune_result result;
  std::vector<CacheEntry> entries;
};

Pruned prune(const host::Hub &hub, quern_cache_prune_options options, bool dry_run) {
  Pruned pruned{};
  options.dry_run = dry_run ? 1 : 0;
  pruned.result = hub.prune_cache(options, [&](const quern_cache_entry &entry) {
    check_interrupt();
    pruned.entries.emplace_back(entry);
  });
  return pruned;
}

void show(const GlobalOptions &global, const Pruned &pruned, bool dry_run) {
  const quern_cache_prune_result &result = pruned.result;
  if (global.json) {
    print_json({{"dry_run", dry_run},
                {"removed", result.removed},
                {"removed_bytes", result.removed_bytes},
                {"kept", result.kept},
                {"kept_bytes", result.kept_bytes},
                {"temporary_files", result.temporary_files},
                {"blobs", result.blobs},
                {"blob_bytes", result.blob_bytes},
                {"quarantined", result.quarantined},
                {"entries", entries_json(pruned.entries)}});
    return;
  }
  std::string also;
  const auto add = [&](int64_t count, const char *what) {
    if (count > 0) also += text(", ", count, what);
  };
  add(result.blobs, " files of packages");
  add(result.quarantined, " files set aside");
  add(result.temporary_files, " temporary files");
  print((pruned.entries.empty() ? "" : entries_text(pruned.entries)) + (dry_run ? "would remove " : "removed ") +
        counted(result.removed, result.removed_bytes) + also + "; kept " + counted(result.kept, result.kept_bytes) +
        "\n");
}

}  // namespace

// At a terminal a person is asked once; a script that prunes by rule has said what it wants.
ExitCode run_cache_prune(const GlobalOptions &global, const CachePruneOptions &options) {
  const quern_cache_prune_options rules = prune_options(options);
  const host::Hub hub = open_hub(global);
  if (!options.dry_run && !options.yes && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1) {
    const Pruned planned = prune(hub, rules, true);
    if (planned.result.removed > 0) {
      std::fputs(entries_text(planned.entries).c_str(), stderr);
      confirm("remove " + counted(planned.result.removed, planned.result.removed_bytes), false);
    }
  }
  show(global, prune(hub, rules, options.dry_run), options.dry_run);
  return kDone;
}

ExitCode run_cache_clear(const GlobalOptions &global, const CacheClearOptions &options) {
  quern_cache_prune_options rules = QUERN_CACHE_PRUNE_OPTIONS_INIT;
  rules.clear = 1;
  const host::Hub hub = open_hub(global);
  if (!options.dry_run) {
    const Pruned planned = prune(hub, rules, true);
    confirm("delete " + counted(planned.result.removed, planned.result.removed_bytes) + " and " +
                text(planned.result.blobs, " files of packages"),
            options.yes);
  }
  show(global, prune(hub, rules, options.dry_run), options.dry_run);
  return kDone;
}

}  // namespace quern::cli

// `quern cache scan`, `prune` and `path`.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/quantity.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

struct Entry {
  std::string key, kernel, target, types, nvrtc, digest;
  int64_t size_bytes, created, last_used, hits;
  int32_t compile_ms;
  quern_entry_state state;

  explicit Entry(const quern_cache_entry &entry)
      : key(entry.key),
        kernel(entry.kernel),
        target(entry.target),
        types(entry.types),
        nvrtc(entry.nvrtc),
        digest(entry.digest),
        size_bytes(entry.size_bytes),
        created(entry.created),
        last_used(entry.last_used),
        hits(entry.hits),
        compile_ms(entry.compile_ms),
        state(entry.state) {}
};

const char *state_name(quern_entry_state state) {
  switch (state) {
    case QUERN_ENTRY_GOOD:
      return "good";
    case QUERN_ENTRY_STALE:
      return "stale";
    default:
      return "corrupt";
  }
}

Json time_json(int64_t seconds) { return seconds > 0 ? Json(format_time(seconds)) : Json(nullptr); }

Json entry_json(const Entry &entry) {
  return {{"key", entry.key},
          {"kernel", entry.kernel},
          {"target", entry.target},
          {"types", entry.types},
          {"nvrtc", entry.nvrtc},
          {"digest", entry.digest},
          {"size_bytes", entry.size_bytes},
          {"created", time_json(entry.created)},
          {"last_used", time_json(entry.last_used)},
          {"hits", entry.hits},
          {"compile_ms", entry.compile_ms},
          {"state", state_name(entry.state)}};
}

Json entries_json(const std::vector<Entry> &entries) {
  Json json = Json::array();
  for (const Entry &entry : entries) json.push_back(entry_json(entry));
  return json;
}

std::string entries_text(const std::vector<Entry> &entries) {
  Table table({"key", "kernel", "target", "types", ">size", "used", ">hits", "state"});
  const int64_t now = std::time(nullptr);
  for (const Entry &entry : entries) {
    table.add({entry.key.substr(0, 12), entry.kernel, entry.target, entry.types, format_bytes(entry.size_bytes),
               entry.last_used > 0 ? format_age(now - entry.last_used) : "never", text(entry.hits),
               state_name(entry.state)});
  }
  return table.text();
}

int64_t total_bytes(const std::vector<Entry> &entries) {
  int64_t bytes = 0;
  for (const Entry &entry : entries) bytes += entry.size_bytes;
  return bytes;
}

std::string counted(int64_t entries, int64_t bytes) {
  return text(entries, entries == 1 ? " entry, " : " entries, ", format_bytes(bytes));
}

bool matches(const Entry &entry, const std::string &filter) {
  const auto has = [&](const std::string &value) { return value.find(filter) != std::string::npos; };
  return filter == state_name(entry.state) || has(entry.kernel) || has(entry.types) || entry.target == filter ||
         entry.key.starts_with(filter);
}

// At a terminal a person is asked once; a script has said what it wants.
bool confirmed(const quern_cache_prune_result &plan) {
  std::fprintf(stderr, "remove %s? [y/N] ", counted(plan.removed, plan.removed_bytes).c_str());
  char answer[8] = {};
  return std::fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

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

}  // namespace

ExitCode run_cache_scan(const GlobalOptions &global, const CacheScanOptions &options) {
  const host::Hub hub = open_hub(global);
  std::vector<Entry> entries;
  hub.scan_cache([&](const quern_cache_entry &entry) {
    check_interrupt();
    Entry copy(entry);
    if (options.filter.empty() || matches(copy, options.filter)) entries.push_back(std::move(copy));
  });
  if (entries.empty() && !options.filter.empty()) {
    fail(kNothingMatched, "no cache entry matches '", options.filter, "'; 'quern cache scan' lists all");
  }
  std::stable_sort(entries.begin(), entries.end(), [&](const Entry &a, const Entry &b) {
    if (options.sort == "size") return a.size_bytes > b.size_bytes;
    if (options.sort == "created") return a.created > b.created;
    return a.last_used > b.last_used;
  });
  const std::string directory = hub.info().cache_dir;
  const auto count = static_cast<int64_t>(entries.size());
  if (global.json) {
    print_json({{"path", directory},
                {"entries", entries_json(entries)},
                {"count", count},
                {"size_bytes", total_bytes(entries)}});
  } else {
    const std::string listed = entries.empty() ? "" : entries_text(entries);
    print(listed + counted(count, total_bytes(entries)) + " in " + directory + "\n");
  }
  return kDone;
}

ExitCode run_cache_prune(const GlobalOptions &global, const CachePruneOptions &options) {
  quern_cache_prune_options prune = prune_options(options);
  const host::Hub hub = open_hub(global);
  const bool ask = !options.dry_run && !options.yes && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
  if (ask) {
    prune.dry_run = 1;
    std::vector<Entry> planned;
    const auto plan = hub.prune_cache(prune, [&](const quern_cache_entry &entry) { planned.emplace_back(entry); });
    if (plan.removed > 0) {
      std::fputs(entries_text(planned).c_str(), stderr);
      if (!confirmed(plan)) fail(kFailed, "nothing was removed");
    }
  }
  prune.dry_run = options.dry_run ? 1 : 0;
  std::vector<Entry> removed;
  const auto result = hub.prune_cache(prune, [&](const quern_cache_entry &entry) {
    check_interrupt();
    removed.emplace_back(entry);
  });
  if (global.json) {
    print_json({{"dry_run", options.dry_run},
                {"removed", result.removed},
                {"removed_bytes", result.removed_bytes},
                {"kept", result.kept},
                {"kept_bytes", result.kept_bytes},
                {"temporary_files", result.temporary_files},
                {"entries", entries_json(removed)}});
  } else {
    print((removed.empty() ? "" : entries_text(removed)) + (options.dry_run ? "would remove " : "removed ") +
          counted(result.removed, result.removed_bytes) + "; kept " + counted(result.kept, result.kept_bytes) + "\n");
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

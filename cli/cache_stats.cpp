// `quern cache stats`: what the cache has been good for, over all processes.
#include "cli/cache_entries.hpp"
#include "cli/failure.hpp"
#include "cli/quantity.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {

ExitCode run_cache_stats(const GlobalOptions &global, const CacheStatsOptions &options) {
  const host::Hub hub = open_hub(global);
  const quern_cache_stats stats = hub.cache_stats();
  if (options.zero) hub.zero_cache_stats();
  const int64_t asked = stats.hits + stats.misses;
  if (global.json) {
    print_json({{"hits", stats.hits},
                {"misses", stats.misses},
                {"compiles", stats.compiles},
                {"compile_ms", stats.compile_ms},
                {"saved_ms", stats.saved_ms},
                {"corrupt", stats.corrupt},
                {"evicted", stats.evicted},
                {"evicted_bytes", stats.evicted_bytes},
                {"since", time_json(stats.since)},
                {"zeroed", options.zero}});
    return kDone;
  }
  const auto line = [](const char *name, const std::string &value) { return text(name, value, "\n"); };
  std::string out = line("hits        ",
                         text(stats.hits, asked > 0 ? text(" of ", asked, " (", 100 * stats.hits / asked, " %)") : ""));
  out += line("misses      ", text(stats.misses));
  out += line("compiles    ", text(stats.compiles, ", ", format_milliseconds(stats.compile_ms)));
  out += line("saved       ", format_milliseconds(stats.saved_ms));
  out += line("corrupt     ", text(stats.corrupt));
  out += line("evicted     ", counted(stats.evicted, stats.evicted_bytes));
  out += line("since       ", stats.since > 0 ? format_time(stats.since) : "the cache was made");
  if (options.zero) out += "Statistics zeroed.\n";
  print(out);
  return kDone;
}

}  // namespace quern::cli

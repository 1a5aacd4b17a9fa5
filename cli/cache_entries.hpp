// The entries of the cache as the cache verbs choose, order and show them.
#pragma once

#include <quern/quern.hpp>
#include <string>
#include <vector>

#include "cli/output.hpp"

namespace quern::cli {

struct CacheEntry {
  std::string key, kernel, target, types, nvrtc, digest;
  int64_t size_bytes, created, last_used, hits;
  int32_t compile_ms;
  quern_entry_state state;
  bool rooted;

  explicit CacheEntry(const quern_cache_entry &entry);
};

// What is said on the command line: each filter is a word (part of a kernel's name, a target, a state, the beginning of
// a key) or KEY OP VALUE: size>1MB, used>30d, created<2h, hits=0, target=sm_90a, state=stale, kernel=quern/*, types=,
// nvrtc=, key=, rooted=yes. sort is size, used, created, hits or name, with :asc or :desc. Throw Failure.
struct CacheSelection {
  std::vector<std::string> filters;
  std::string sort = "used";
  int64_t limit = 0;  // 0: all
};

void check_selection(const CacheSelection &selection);
std::vector<CacheEntry> select_entries(const host::Hub &hub, const CacheSelection &selection);

std::string entries_text(const std::vector<CacheEntry> &entries);
Json entries_json(const std::vector<CacheEntry> &entries);
int64_t total_bytes(const std::vector<CacheEntry> &entries);
std::string counted(int64_t entries, int64_t bytes);  // "3 entries, 1.5 MiB"

Json time_json(int64_t seconds);     // null for none
std::string age_text(int64_t time);  // "3 d ago", "never"

// Asks at a terminal. Elsewhere a verb that destroys wants -y; throws Failure saying so.
void confirm(const std::string &question, bool yes);

}  // namespace quern::cli

#include "cli/cache_entries.hpp"

#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <tuple>

#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/quantity.hpp"
#include "cli/table.hpp"

namespace quern::cli {
namespace {

constexpr const char *kOperators[] = {">=", "<=", "!=", "=", ">", "<"};  // the longer first

struct Filter {
  std::string key, op, value;  // a plain word has no op
  int64_t number = 0;          // of the keys that are numbers
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

bool is_age(const std::string &key) { return key == "used" || key == "created"; }
bool is_number(const std::string &key) { return is_age(key) || key == "size" || key == "hits"; }

Filter parse_filter(const std::string &text) {
  const size_t at = text.find_first_of("=<>!");
  if (at == std::string::npos) return {"", "", text, 0};
  Filter filter;
  filter.key = text.substr(0, at);
  for (const char *op : kOperators) {
    if (text.compare(at, std::string(op).size(), op) != 0) continue;
    filter.op = op;
    break;
  }
  if (filter.op.empty()) fail(kUsage, "'", text, "' is no filter; write it like 'size>1MB' or 'state=stale'");
  filter.value = text.substr(at + filter.op.size());
  static const char *const kTexts[] = {"target", "state", "kernel", "types", "nvrtc", "key", "rooted", "digest"};
  const bool known =
      is_number(filter.key) || std::find(std::begin(kTexts), std::end(kTexts), filter.key) != std::end(kTexts);
  if (!known) {
    fail(kUsage, "'", text, "': no entry has a '", filter.key,
         "'; use size, used, created, hits, target, state, kernel, types, nvrtc, key, digest or rooted");
  }
  if (is_number(filter.key)) {
    const auto number = is_age(filter.key) ? parse_seconds(filter.value) : parse_bytes(filter.value);
    if (!number) {
      fail(kUsage, "'", text, "': '", filter.value, "' is no ",
           is_age(filter.key) ? "time; write it like 30d or 12h" : "number; write it like 5MB or 10");
    }
    filter.number = *number;
  } else if (filter.op != "=" && filter.op != "!=") {
    fail(kUsage, "'", text, "': a ", filter.key, " is not ordered; use = or !=");
  }
  return filter;
}

bool holds(int64_t left, const std::string &op, int64_t right) {
  if (op == "=") return left == right;
  if (op == "!=") return left != right;
  if (op == ">") return left > right;
  if (op == "<") return left < right;
  return op == ">=" ? left >= right : left <= right;
}

std::string text_of(const CacheEntry &entry, const std::string &key) {
  if (key == "target") return entry.target;
  if (key == "state") return state_name(entry.state);
  if (key == "kernel") return entry.kernel;
  if (key == "types") return entry.types;
  if (key == "nvrtc") return entry.nvrtc;
  if (key == "digest") return entry.digest;
  return entry.rooted ? "yes" : "no";
}

bool matches(const CacheEntry &entry, const Filter &filter, int64_t now) {
  if (filter.op.empty()) {
    const auto has = [&](const std::string &value) { return value.find(filter.value) != std::string::npos; };
    return filter.value == state_name(entry.state) || has(entry.kernel) || has(entry.types) ||
           entry.target == filter.value || entry.key.starts_with(filter.value);
  }
  if (filter.key == "size") return holds(entry.size_bytes, filter.op, filter.number);
  if (filter.key == "hits") return holds(entry.hits, filter.op, filter.number);
  if (filter.key == "used") return holds(now - entry.last_used, filter.op, filter.number);
  if (filter.key == "created") return holds(now - entry.created, filter.op, filter.number);
  const bool same = filter.key == "key" ? entry.key.starts_with(filter.value)
                                        : ::fnmatch(filter.value.c_str(), text_of(entry, filter.key).c_str(), 0) == 0;
  return same == (filter.op == "=");
}

// The column and whether the largest comes first.
std::pair<std::string, bool> parse_sort(const std::string &text) {
  const size_t colon = text.find(':');
  const std::string key = text.substr(0, colon), order = colon == std::string::npos ? "" : text.substr(colon + 1);
  static const char *const kKeys[] = {"size", "used", "created", "hits", "name"};
  if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys) ||
      (colon != std::string::npos && order != "asc" && order != "desc")) {
    fail(kUsage, "--sort '", text, "' is not known; use size, used, created, hits or name, with :asc or :desc");
  }
  return {key, order.empty() ? key != "name" : order == "desc"};
}

Json entry_json(const CacheEntry &entry) {
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
          {"state", state_name(entry.state)},
          {"rooted", entry.rooted}};
}

}  // namespace

CacheEntry::CacheEntry(const quern_cache_entry &entry)
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
      state(entry.state),
      rooted(entry.rooted != 0) {}

Json time_json(int64_t seconds) { return seconds > 0 ? Json(format_time(seconds)) : Json(nullptr); }

std::string age_text(int64_t time) { return time > 0 ? format_age(std::time(nullptr) - time) : "never"; }

void check_selection(const CacheSelection &selection) {
  for (const std::string &filter : selection.filters) parse_filter(filter);
  parse_sort(selection.sort);
}

std::vector<CacheEntry> select_entries(const host::Hub &hub, const CacheSelection &selection) {
  std::vector<Filter> filters;
  for (const std::string &text : selection.filters) filters.push_back(parse_filter(text));
  const auto [key, descending] = parse_sort(selection.sort);
  const int64_t now = std::time(nullptr);
  std::vector<CacheEntry> entries;
  hub.scan_cache([&](const quern_cache_entry &entry) {
    check_interrupt();
    CacheEntry copy(entry);
    const bool all =
        std::all_of(filters.begin(), filters.end(), [&](const Filter &filter) { return matches(copy, filter, now); });
    if (all) entries.push_back(std::move(copy));
  });
  const auto before = [&, by = key](const CacheEntry &a, const CacheEntry &b) {
    if (by == "size") return a.size_bytes < b.size_bytes;
    if (by == "created") return a.created < b.created;
    if (by == "hits") return a.hits < b.hits;
    if (by == "name") return std::tie(a.kernel, a.target, a.types) < std::tie(b.kernel, b.target, b.types);
    return a.last_used < b.last_used;
  };
  std::stable_sort(entries.begin(), entries.end(), [&, down = descending](const CacheEntry &a, const CacheEntry &b) {
    return down ? before(b, a) : before(a, b);
  });
  if (selection.limit > 0 && entries.size() > static_cast<size_t>(selection.limit)) {
    entries.erase(entries.begin() + selection.limit, entries.end());
  }
  return entries;
}

std::string entries_text(const std::vector<CacheEntry> &entries) {
  Table table({"key", "kernel", "target", "types", ">size", "used", ">hits", "state"});
  for (const CacheEntry &entry : entries) {
    table.add({entry.key.substr(0, 12), entry.kernel, entry.target, entry.types, format_bytes(entry.size_bytes),
               age_text(entry.last_used), text(entry.hits),
               text(state_name(entry.state), entry.rooted ? ", rooted" : "")});
  }
  return table.text();
}

Json entries_json(const std::vector<CacheEntry> &entries) {
  Json json = Json::array();
  for (const CacheEntry &entry : entries) json.push_back(entry_json(entry));
  return json;
}

int64_t total_bytes(const std::vector<CacheEntry> &entries) {
  int64_t bytes = 0;
  for (const CacheEntry &entry : entries) bytes += entry.size_bytes;
  return bytes;
}

std::string counted(int64_t entries, int64_t bytes) {
  return text(entries, entries == 1 ? " entry, " : " entries, ", format_bytes(bytes));
}

void confirm(const std::string &question, bool yes) {
  if (yes) return;
  if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
    fail(kUsage, "nobody is there to be asked whether to ", question, "; pass -y, or --dry-run to see what would go");
  }
  std::fprintf(stderr, "%s? [y/N] ", question.c_str());
  char answer[8] = {};
  if (!std::fgets(answer, sizeof answer, stdin) || (answer[0] != 'y' && answer[0] != 'Y')) {
    fail(kFailed, "nothing was removed");
  }
}

}  // namespace quern::cli

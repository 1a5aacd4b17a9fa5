// The C ABI: the cache on disk.
#include "runtime/c_border.hpp"

using namespace quern;

namespace {

quern_cache_entry to_c(const CacheRow &row) {
  const CacheEntry &entry = row.entry;
  quern_cache_entry out{};
  out.struct_size = sizeof out;
  out.key = entry.request.c_str();
  out.kernel = entry.kernel.c_str();
  out.target = entry.target.c_str();
  out.types = entry.types.c_str();
  out.nvrtc = entry.nvrtc.c_str();
  out.digest = entry.digest.c_str();
  out.size_bytes = row.size;
  out.created = entry.created;
  out.last_used = row.use.last_used;
  out.hits = row.use.hits;
  out.compile_ms = entry.compile_ms;
  out.state = row.state == EntryState::kGood    ? QUERN_ENTRY_GOOD
              : row.state == EntryState::kStale ? QUERN_ENTRY_STALE
                                                : QUERN_ENTRY_CORRUPT;
  return out;
}

}  // namespace

quern_status quern_cache_scan(quern_hub *hub, quern_cache_visitor visit, void *user) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    need(visit, "visit");
    if (opened.cache().mode() == CacheMode::kOff) fail(QUERN_NOT_FOUND, "there is no cache: ", opened.cache().state());
    for (const CacheRow &row : opened.cache().scan(opened.package_digests())) visit_or_stop(visit, user, to_c(row));
  });
}

quern_status quern_cache_prune(quern_hub *hub, const quern_cache_prune_options *options,
                               quern_cache_prune_result *result) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    quern_cache_prune_options read = QUERN_CACHE_PRUNE_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    if (read.max_bytes < 0 || read.older_than_s < 0) {
      fail(QUERN_INVALID_ARGUMENT, "max_bytes is ", read.max_bytes, " and older_than_s ", read.older_than_s,
           "; neither may be negative");
    }
    if (result != nullptr) write_struct(result, quern_cache_prune_result{}, "result");
    PruneRules rules;
    rules.max_bytes = read.max_bytes;
    rules.older_than_s = read.older_than_s;
    if (read.target != nullptr && *read.target != '\0') rules.target = parse_target(read.target).name();
    if (read.kernel != nullptr) rules.package = read.kernel;
    rules.all = read.all != 0;
    rules.dry_run = read.dry_run != 0;
    const PruneResult done = opened.cache().prune(rules, opened.package_digests(), [&](const CacheRow &row) {
      const quern_cache_entry entry = to_c(row);
      return read.visit == nullptr || read.visit(read.user, &entry) == 0;
    });
    quern_cache_prune_result out = QUERN_CACHE_PRUNE_RESULT_INIT;
    out.removed = done.removed;
    out.removed_bytes = done.removed_bytes;
    out.kept = done.kept;
    out.kept_bytes = done.kept_bytes;
    out.temporary_files = done.temporary_files;
    if (result != nullptr) write_struct(result, out, "result");
  });
}

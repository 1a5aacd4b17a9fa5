// The C ABI: entries of the cache on disk.
#include "runtime/base/sha256.hpp"
#include "runtime/c_api/border.hpp"

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
  out.rooted = row.rooted ? 1 : 0;
  return out;
}

quern_cache_prune_result to_c(const PruneResult &done) {
  quern_cache_prune_result out = QUERN_CACHE_PRUNE_RESULT_INIT;
  out.removed = done.removed;
  out.removed_bytes = done.removed_bytes;
  out.kept = done.kept;
  out.kept_bytes = done.kept_bytes;
  out.temporary_files = done.temporary_files;
  out.blobs = done.blobs;
  out.blob_bytes = done.blob_bytes;
  out.quarantined = done.quarantined;
  return out;
}

std::string need_key(const char *key) {
  need(key, "key");
  if (!is_hex_digest(key)) fail(QUERN_INVALID_ARGUMENT, "key is \"", key, "\"; use the 64 hex digits of an entry");
  return key;
}

}  // namespace

quern_status quern_cache_scan(quern_hub *hub, quern_cache_visitor visit, void *user) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    need(visit, "visit");
    opened.cache().need();
    for (const CacheRow &row : opened.cache().scan(opened.packages().digests())) visit_or_stop(visit, user, to_c(row));
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
    rules.clear = read.clear != 0;
    if (rules.clear && !(rules.target.empty() && rules.package.empty())) {
      fail(QUERN_INVALID_ARGUMENT, "clear is 1 beside a target or kernel; use all with those");
    }
    rules.dry_run = read.dry_run != 0;
    const PruneResult done = opened.cache().prune(rules, opened.packages().digests(), [&](const CacheRow &row) {
      const quern_cache_entry entry = to_c(row);
      return read.visit == nullptr || read.visit(read.user, &entry) == 0;
    });
    if (result != nullptr) write_struct(result, to_c(done), "result");
  });
}

quern_status quern_cache_remove(quern_hub *hub, const char *key, const char *nvrtc, int32_t rooted_too,
                                quern_cache_prune_result *result) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    const std::string request = need_key(key);
    if (result != nullptr) write_struct(result, quern_cache_prune_result{}, "result");
    const PruneResult done = opened.cache().remove(request, nvrtc == nullptr ? "" : nvrtc, rooted_too != 0);
    if (done.removed + done.kept == 0) fail(QUERN_NOT_FOUND, "the cache has no entry ", request, "; see cache scan");
    if (result != nullptr) write_struct(result, to_c(done), "result");
  });
}

quern_status quern_cache_code(quern_hub *hub, const char *key, const char *nvrtc, void *code, size_t *bytes) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    const std::string request = need_key(key);
    need(bytes, "bytes");
    const std::optional<CacheEntry> entry = opened.cache().load(request, nvrtc == nullptr ? "" : nvrtc);
    if (!entry) fail(QUERN_NOT_FOUND, "the cache has no sound entry ", request, "; see cache scan");
    const size_t room = *bytes;
    *bytes = entry->code.size();
    if (code == nullptr) return;
    if (room < entry->code.size()) {
      fail(QUERN_BUFFER_TOO_SMALL, "the code has ", entry->code.size(), " bytes and code only ", room);
    }
    std::memcpy(code, entry->code.data(), entry->code.size());
  });
}

// Scan, prune and remove: the parts of the cache that look at every entry.
#include <algorithm>
#include <ctime>

#include "registry/cache/blob_store.hpp"
#include "registry/cache/cache.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr int64_t kTemporaryAgeSeconds = 3600;
constexpr int64_t kFetchSeconds = 3600;  // a blob is written before the ref that needs it

// A signature is known by its shape: nothing that is kept says which manifest it belongs to.
bool looks_like_a_signature(const std::string &bytes) {
  return bytes.size() >= 194 && bytes.size() % 194 == 0 && bytes[64] == ' ' && bytes[193] == '\n' &&
         is_hex_digest(bytes.substr(0, 64));
}

}  // namespace

// What is not named as an entry is not ours to judge or remove.
std::vector<EntryFile> Cache::entry_files(const Directory &layer) const {
  std::vector<EntryFile> found;
  for (const std::string &shard : layer.names("jit")) {
    for (std::string &file : layer.names("jit/" + shard)) {
      if (!is_entry_file_name(file) || file.substr(0, 2) != shard) continue;
      if (const auto identity = layer.identify(entry_path(file))) found.push_back({std::move(file), *identity});
    }
  }
  return found;
}

std::vector<CacheRow> Cache::scan(const std::set<std::string> &digests) {
  flush_uses();
  std::vector<CacheRow> rows;
  if (!main_) return rows;
  const CacheRoots roots = read_roots(*main_);
  std::map<std::string, EntryUse> known = index_->uses();
  for (EntryFile &found : entry_files(*main_)) {
    CacheRow row;
    row.file = std::move(found.file);
    row.identity = found.identity;
    row.size = found.identity.size;
    row.rooted = roots.keeps_entry(row.file);
    auto bytes = read(*main_layer_, entry_path(row.file), kMaxEntryBytes);
    if (!bytes && !main_->identify(entry_path(row.file))) continue;  // removed under us
    std::optional<CacheEntry> entry;
    if (bytes) entry = decode_entry(std::move(*bytes));
    if (entry && entry_file_name(entry->request, entry->nvrtc) == row.file) {
      row.entry = std::move(*entry);
      row.entry.code.clear();
      row.state = digests.count(row.entry.digest) != 0 ? EntryState::kGood : EntryState::kStale;
    } else {
      row.state = EntryState::kCorrupt;
      row.entry.request = row.file.substr(0, 64);
      row.entry.nvrtc = build_in(row.file);
    }
    const auto use = known.find(row.file);
    if (use != known.end()) {
      row.use = use->second;
      known.erase(use);
    } else {  // a rebuilt index knows no uses; the file's age stands in
      row.use.last_used = row.identity.modified();
      index_->put(row.file, row.size, row.use.last_used);
    }
    rows.push_back(std::move(row));
  }
  std::vector<std::string> gone;
  for (const auto &[file, use] : known) {
    if (!main_->identify(entry_path(file))) gone.push_back(file);
  }
  index_->remove(gone);
  std::sort(rows.begin(), rows.end(), [](const CacheRow &a, const CacheRow &b) {
    return a.use.last_used != b.use.last_used ? a.use.last_used > b.use.last_used : a.file < b.file;
  });
  return rows;
}

PruneResult Cache::prune(const PruneRules &rules, const std::set<std::string> &digests,
                         const std::function<bool(const CacheRow &)> &removed) {
  if (!main_) fail(QUERN_NOT_FOUND, trouble());
  if (!rules.dry_run) need_writable("prune");
  const CacheRoots roots = read_roots(*main_);
  if (!roots.known())
    fail(QUERN_CORRUPT, "nothing is pruned, for what is to be kept cannot be told: ", roots.damaged[0]);
  PruneResult result;
  std::vector<std::string> gone;
  const int64_t now = std::time(nullptr);
  const bool everything = rules.target.empty() && rules.package.empty();
  for (const CacheRow &row : scan(digests)) {  // most recently used first, so that max_bytes keeps those
    const bool selected = (rules.target.empty() || row.entry.target == rules.target) &&
                          (rules.package.empty() || row.entry.kernel.rfind(rules.package + ":", 0) == 0);
    const bool doomed = (row.state == EntryState::kCorrupt && (selected || everything)) ||
                        (!row.rooted && selected &&
                         (row.state == EntryState::kStale || rules.all || rules.clear ||
                          (rules.older_than_s > 0 && now - row.use.last_used > rules.older_than_s) ||
                          (rules.max_bytes > 0 && result.kept_bytes + row.size > rules.max_bytes)));
    if (!doomed || (!rules.dry_run && !remove_entry(row.file, row.identity))) {
      ++result.kept;
      result.kept_bytes += row.size;
      continue;
    }
    ++result.removed;
    result.removed_bytes += row.size;
    if (!rules.dry_run) gone.push_back(row.file);
    if (!removed(row)) {
      index_->remove(gone);
      fail(QUERN_CANCELLED, "prune was stopped by its callback after ", result.removed, " entries");
    }
  }
  index_->remove(gone);
  if (everything) {
    prune_blobs(rules, roots, result);
    result.quarantined = prune_quarantine(rules.dry_run, 0);
    if (rules.clear && !rules.dry_run) prune_all_else(roots);
  }
  result.temporary_files = prune_temporary_files(rules.dry_run);
  return result;
}

PruneResult Cache::remove(const std::string &request, const std::string &nvrtc, bool rooted_too) {
  if (!main_) fail(QUERN_NOT_FOUND, trouble());
  need_writable("remove entries");
  const CacheRoots roots = read_roots(*main_);
  PruneResult result;
  std::vector<std::string> gone;
  for (const std::string &file : main_->names("jit/" + request.substr(0, 2))) {
    if (file.rfind(request + ".", 0) != 0 || !file.ends_with(kEntrySuffix)) continue;
    if (!nvrtc.empty() && file != entry_file_name(request, nvrtc)) continue;
    const auto identity = main_->identify(entry_path(file));
    if (!identity) continue;
    if ((roots.keeps_entry(file) && !rooted_too) || !remove_entry(file, *identity)) {
      ++result.kept;
      result.kept_bytes += identity->size;
      continue;
    }
    ++result.removed;
    result.removed_bytes += identity->size;
    gone.push_back(file);
  }
  index_->remove(gone);
  return result;
}

// False if somebody is just compiling it or it changed under us. Loaded code lives in memory, so readers are not
// harmed.
bool Cache::remove_entry(const std::string &file, const FileIdentity &identity) {
  const std::string request = file.substr(0, 64);
  const std::optional<FileLock> held = lock(request, std::chrono::milliseconds(0));
  if (!held || !main_->remove(entry_path(file), &identity)) return false;
  main_->remove("locks/" + request + ".lock");  // while locked: see FileLock::acquire_at
  return true;
}

// What no ref and no root leads to. A manifest leads to the files that it names.
void Cache::prune_blobs(const PruneRules &rules, const CacheRoots &roots, PruneResult &result) {
  BlobStore store(*this);
  std::set<std::string> needed;
  const auto need = [&](const std::string &manifest) {
    needed.insert(manifest);
    if (const auto bytes = store.read(manifest)) {
      for (std::string &digest : digests_in(*bytes)) needed.insert(std::move(digest));
    }
  };
  for (const CacheRoot &root : roots.roots) {
    for (const std::string &manifest : root.manifests) need(manifest);
  }
  if (!rules.clear) {
    for (const Ref &ref : store.refs()) need(ref.manifest);
  }
  const int64_t now = std::time(nullptr);
  for (const std::string &shard : main_->names("blobs")) {
    for (const std::string &name : main_->names("blobs/" + shard)) {
      if (!is_hex_digest(name) || name.substr(0, 2) != shard || needed.count(name) != 0) continue;
      const auto identity = main_->identify(blob_path(name));
      if (!identity || !identity->regular) continue;
      const int64_t age = now - identity->modified();
      if (!rules.clear && age >= 0 && age < kFetchSeconds) continue;
      const auto bytes = main_->read_text(blob_path(name), kMaxBlobBytes);
      if (bytes && looks_like_a_signature(*bytes) && (!rules.clear || !roots.roots.empty())) continue;
      if (!rules.dry_run && !main_->remove(blob_path(name), &*identity)) continue;
      ++result.blobs;
      result.blob_bytes += identity->size;
    }
  }
}

int64_t Cache::prune_quarantine(bool dry_run, int64_t older_than_s) {
  int64_t count = 0;
  const int64_t now = std::time(nullptr);
  for (const std::string &name : main_->names("quarantine")) {
    const std::string file = "quarantine/" + name;
    const auto identity = main_->identify(file);
    if (!identity || identity->folder || now - identity->modified() < older_than_s) continue;
    if (dry_run || main_->remove(file, &*identity)) ++count;
  }
  return count;
}

// Refs, signatures and tuning of a cache that is cleared. Roots stay with what they keep, and so do the times of the
// last accepted metadata of registries: forgetting those would let an old registry pass for a new one.
void Cache::prune_all_else(const CacheRoots &roots) {
  for (const Ref &ref : BlobStore(*this).refs()) main_->remove(ref_path(ref.id, ref.version));
  for (const std::string &owner : main_->names("refs")) {
    for (const std::string &name : main_->names("refs/" + owner)) {
      const std::string folder = "refs/" + owner + "/" + name;
      for (const std::string &file : main_->names(folder)) {
        if (is_signatures_file(file) && !roots.keeps_manifest(file.substr(0, 64))) main_->remove(folder + "/" + file);
      }
      main_->remove_folder(folder);
    }
    main_->remove_folder("refs/" + owner);
  }
  for (const std::string &name : main_->names("tuned")) {
    if (name.size() == 69 && is_hex_digest(name.substr(0, 64))) main_->remove("tuned/" + name);
  }
}

// What writers that died left behind. A living writer holds a lock on its file.
int64_t Cache::prune_temporary_files(bool dry_run) {
  int64_t count = 0;
  for (const std::string &name : main_->names("tmp")) {
    const std::string file = "tmp/" + name;
    const auto identity = main_->identify(file);
    if (!identity || !identity->regular || std::time(nullptr) - identity->modified() < kTemporaryAgeSeconds) continue;
    if (main_->is_locked(file)) continue;
    if (dry_run || main_->remove(file, &*identity)) ++count;
  }
  return count;
}

}  // namespace quern

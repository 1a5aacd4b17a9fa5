// Scan and prune: the parts of the cache that look at every entry.
#include <algorithm>
#include <ctime>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/cache.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTemporaryAgeSeconds = 3600;

int64_t modified(const struct stat &status) { return static_cast<int64_t>(status.st_mtime); }

}  // namespace

std::vector<CacheRow> Cache::scan(const std::set<std::string> &digests) {
  flush_uses();
  std::vector<CacheRow> rows;
  if (mode_ == CacheMode::kOff) return rows;
  std::map<std::string, EntryUse> known = index_->uses();
  std::error_code ignored;
  for (const fs::directory_entry &shard : fs::directory_iterator(directory_ / "jit", ignored)) {
    if (!shard.is_directory(ignored)) continue;
    for (const fs::directory_entry &item : fs::directory_iterator(shard.path(), ignored)) {
      CacheRow row;
      row.file = item.path().filename().string();
      // What is not named as an entry is not ours to judge or remove.
      if (row.file.size() < 64 + 6 || !is_hex_digest(row.file.substr(0, 64)) || !row.file.ends_with(kEntrySuffix))
        continue;
      struct stat status {};
      if (::lstat(item.path().c_str(), &status) != 0) continue;  // removed under us
      row.size = static_cast<int64_t>(status.st_size);
      const auto bytes = read_file(item.path(), kMaxEntryBytes);
      std::optional<CacheEntry> entry;
      if (bytes) entry = decode_entry(*bytes);
      if (entry && entry_file_name(entry->request, entry->nvrtc) == row.file) {
        row.entry = std::move(*entry);
        row.entry.code.clear();
        row.state = digests.count(row.entry.digest) != 0 ? EntryState::kGood : EntryState::kStale;
      } else {
        row.state = EntryState::kCorrupt;
        row.entry.request = row.file.substr(0, 64);
        row.entry.nvrtc = row.file.substr(65, row.file.size() - 69);
      }
      const auto use = known.find(row.file);
      if (use != known.end()) {
        row.use = use->second;
        known.erase(use);
      } else {  // a rebuilt index knows no uses; the file's age stands in
        row.use.last_used = modified(status);
        index_->put(row.file, row.size, row.use.last_used);
      }
      rows.push_back(std::move(row));
    }
  }
  for (const auto &[file, use] : known) index_->remove(file);
  std::sort(rows.begin(), rows.end(), [](const CacheRow &a, const CacheRow &b) {
    return a.use.last_used != b.use.last_used ? a.use.last_used > b.use.last_used : a.file < b.file;
  });
  return rows;
}

PruneResult Cache::prune(const PruneRules &rules, const std::set<std::string> &digests,
                         const std::function<bool(const CacheRow &)> &removed) {
  if (mode_ == CacheMode::kOff) fail(QUERN_NOT_FOUND, "there is no cache: ", state());
  if (mode_ == CacheMode::kReadOnly && !rules.dry_run) fail(QUERN_IO_ERROR, "cannot prune: the cache is ", state());
  PruneResult result;
  const int64_t now = std::time(nullptr);
  const std::vector<CacheRow> rows = scan(digests);
  for (const CacheRow &row : rows) {  // most recently used first, so that max_bytes keeps those
    const bool selected = (rules.target.empty() || row.entry.target == rules.target) &&
                          (rules.package.empty() || row.entry.kernel.rfind(rules.package + ":", 0) == 0);
    const bool everything = rules.target.empty() && rules.package.empty();
    const bool doomed = (row.state == EntryState::kCorrupt && (selected || everything)) ||
                        (selected && (row.state == EntryState::kStale || rules.all ||
                                      (rules.older_than_s > 0 && now - row.use.last_used > rules.older_than_s) ||
                                      (rules.max_bytes > 0 && result.kept_bytes + row.size > rules.max_bytes)));
    if (!doomed || (!rules.dry_run && !remove_entry(row))) {
      ++result.kept;
      result.kept_bytes += row.size;
      continue;
    }
    ++result.removed;
    result.removed_bytes += row.size;
    if (!removed(row)) fail(QUERN_CANCELLED, "prune was stopped by its callback after ", result.removed, " entries");
  }
  result.temporary_files = prune_temporary_files(rules.dry_run);
  return result;
}

// False if somebody is just compiling it or it changed under us. Loaded code lives in memory, so readers are not
// harmed.
bool Cache::remove_entry(const CacheRow &row) {
  const std::optional<FileLock> held = lock(row.entry.request, std::chrono::milliseconds(0));
  struct stat status {};
  const fs::path path = entry_path(row.file);
  if (!held || ::lstat(path.c_str(), &status) != 0 || status.st_size != row.size || ::unlink(path.c_str()) != 0)
    return false;
  ::unlink((directory_ / "locks" / (row.entry.request + ".lock")).c_str());  // while locked: see FileLock::acquire
  index_->remove(row.file);
  return true;
}

// What writers that died left behind. A living writer holds a lock on its file.
int64_t Cache::prune_temporary_files(bool dry_run) {
  int64_t count = 0;
  std::error_code ignored;
  for (const fs::directory_entry &item : fs::directory_iterator(directory_ / "tmp", ignored)) {
    const FileDescriptor fd(::open(item.path().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (std::time(nullptr) - modified(status) < kTemporaryAgeSeconds) continue;
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (dry_run || ::unlink(item.path().c_str()) == 0) ++count;
  }
  return count;
}

}  // namespace quern

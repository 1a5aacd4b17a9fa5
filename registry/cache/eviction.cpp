// Keeping the cache below its limits without being asked: after a publish, now and then, the least recently used
// first. What a root keeps, what is being compiled and what was just written stay.
#include <algorithm>
#include <ctime>

#include "registry/cache/cache.hpp"
#include "runtime/base/error.hpp"

namespace quern {
namespace {

constexpr int64_t kHour = 3600, kDay = 24 * kHour;
constexpr int64_t kQuarantineSeconds = 7 * kDay;

}  // namespace

void Cache::evict_if_due(const std::string &published, int64_t bytes) noexcept {
  if (settings_.max_bytes <= 0 && settings_.max_age_s <= 0) return;
  try {
    {
      const std::lock_guard lock(mutex_);
      const auto now = std::chrono::steady_clock::now();
      published_bytes_ += bytes;
      const bool much = settings_.max_bytes > 0 && published_bytes_ > settings_.max_bytes / 10;
      if (now < next_check_ && !much) return;
      next_check_ = now + settings_.between_checks;
      published_bytes_ = 0;
    }
    evict(published);
  } catch (const std::exception &) {  // the entry is published; that it is too much is the next process's to mend
  }
}

// A clock that jumped must not empty the cache. So age counts only where the last look was between an hour and two
// days ago: after a jump, or a long rest, the first look only takes note of the time.
bool Cache::age_is_due(int64_t now) {
  if (settings_.max_age_s <= 0 || !index_->usable()) return false;
  const std::optional<int64_t> last = index_->time_of("aged");
  if (last && now >= *last && now - *last < kHour) return false;
  index_->put_time("aged", now);
  return last && now > *last && now - *last <= 2 * kDay;
}

void Cache::evict(const std::string &published) {
  const int64_t now = std::time(nullptr);
  const bool by_age = age_is_due(now);
  // The index knows the sum at once. Where it is lost, missed something, or was not
  // compared with the files for a day, they are counted.
  const std::optional<int64_t> walked = index_->time_of("walked");
  const bool trusted = index_->usable() && !index_is_behind_ && walked && now >= *walked && now - *walked < kDay;
  if (!by_age && trusted && (settings_.max_bytes <= 0 || index_->total_bytes() <= settings_.max_bytes)) return;
  const auto held = main_->lock("locks/evict.lock", std::chrono::milliseconds(0));
  if (!held) return;  // somebody is at it
  const CacheRoots roots = read_roots(*main_);
  if (!roots.known()) return;
  flush_uses();
  std::map<std::string, EntryUse> uses = index_->uses();
  struct Candidate {
    EntryFile entry;
    int64_t used;
  };
  std::vector<Candidate> candidates;
  int64_t total = 0;
  bool behind = false;
  for (EntryFile &entry : entry_files(*main_)) {
    total += entry.identity.size;
    const auto use = uses.find(entry.file);
    if (use == uses.end() && !index_->put(entry.file, entry.identity.size, entry.identity.modified())) behind = true;
    // A stamp from a clock that ran ahead is no reason to be kept for ever.
    const int64_t used = std::min(now, use == uses.end() ? entry.identity.modified() : use->second.last_used);
    if (use != uses.end()) uses.erase(use);
    candidates.push_back({std::move(entry), used});
  }
  index_is_behind_ = behind;
  std::vector<std::string> gone;
  for (const auto &[file, use] : uses) {
    if (!main_->identify(entry_path(file))) gone.push_back(file);  // another may have published it since the listing
  }
  index_->put_time("walked", now);
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate &a, const Candidate &b) { return a.used < b.used; });
  const int64_t enough = settings_.max_bytes > 0 && total > settings_.max_bytes
                             ? settings_.max_bytes - settings_.max_bytes / 5
                             : INT64_MAX;
  for (const Candidate &candidate : candidates) {
    const bool old = by_age && now - candidate.used > settings_.max_age_s;
    if (total <= enough && !old) break;
    const std::string &file = candidate.entry.file;
    if (file == published || roots.keeps_entry(file) || !remove_entry(file, candidate.entry.identity)) continue;
    total -= candidate.entry.identity.size;
    gone.push_back(file);
    ++evicted_;
    count("evicted");
    count("evicted_bytes", candidate.entry.identity.size);
  }
  index_->remove(gone);
  prune_temporary_files(false);
  prune_quarantine(false, kQuarantineSeconds);
}

}  // namespace quern

// The cache of compiled kernels on disk.
//
//   CACHEDIR.TAG  VERSION  index.sqlite3
//   jit/ab/<request>.<nvrtc build>.qkc   entries (cache_entry.hpp); ab = the request's first two digits
//   locks/<request>.lock                 held while somebody compiles it
//   tmp/                                 files being written
//
// An entry is found by its name alone and verified by its hash at each load; a damaged one is a miss. Several processes
// may use one cache at once. Thread-safe.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "registry/cache_entry.hpp"
#include "registry/cache_index.hpp"
#include "runtime/base/file.hpp"

namespace quern {

enum class CacheMode { kReadWrite, kReadOnly, kOff };
enum class EntryState { kGood, kStale, kCorrupt };

struct CacheRow {
  CacheEntry entry;  // without its code; of a corrupt one only request and nvrtc, from the file's name
  std::string file;
  int64_t size = 0;
  EntryUse use;
  EntryState state = EntryState::kGood;
};

struct PruneRules {
  int64_t max_bytes = 0;     // 0: no limit
  int64_t older_than_s = 0;  // 0: no limit
  std::string target;        // "": all
  std::string package;       // "": all
  bool all = false;
  bool dry_run = false;
};

struct PruneResult {
  int64_t removed = 0, removed_bytes = 0;
  int64_t kept = 0, kept_bytes = 0;
  int64_t temporary_files = 0;
};

class Cache {
 public:
  // A directory that cannot be used as asked is used as far as it can be; state() says why. "" is no cache.
  Cache(std::filesystem::path directory, CacheMode mode);
  ~Cache();

  CacheMode mode() const { return mode_; }
  const std::filesystem::path &directory() const { return directory_; }
  std::string state() const;  // "read-write", "read-only: ...", "off: ..."

  // The entry for a request as compiled by this build of NVRTC; by any, the newest first, if `nvrtc` is "".
  std::optional<CacheEntry> load(const std::string &request, const std::string &nvrtc);
  // Whether there is a file for the request, of any build; its contents are not looked at.
  bool holds(const std::string &request) const;
  // True if it is on disk afterwards. A failure to write is no failure of the caller: `problem` says what it was.
  bool publish(const CacheEntry &entry, std::string &problem);
  // Held while compiling, so that one process does it for all. Nothing if there is no cache to write to or time ran
  // out.
  std::optional<FileLock> lock(const std::string &request, std::chrono::milliseconds patience);

  int64_t corrupt_seen() const { return corrupt_seen_; }
  CacheIndex *index() { return index_.get(); }

  // All entries, read and verified, most recently used first. `digests` are those of the packages known now.
  std::vector<CacheRow> scan(const std::set<std::string> &digests);
  // `removed` is called for each victim and returns false to stop.
  PruneResult prune(const PruneRules &rules, const std::set<std::string> &digests,
                    const std::function<bool(const CacheRow &)> &removed);

 private:
  std::filesystem::path entry_path(const std::string &file) const;
  std::optional<CacheEntry> load_file(const std::string &file, const std::string &request);
  void count_use(const std::string &file);
  bool remove_entry(const CacheRow &row);
  int64_t prune_temporary_files(bool dry_run);
  void flush_uses();

  std::filesystem::path directory_;
  CacheMode mode_;
  std::string reason_;
  std::unique_ptr<CacheIndex> index_;
  std::atomic<int64_t> corrupt_seen_{0};
  std::mutex mutex_;                      // guards what follows
  std::map<std::string, EntryUse> uses_;  // not yet written to the index
  std::set<std::string> damaged_;         // files already counted, since one miss looks twice
};

}  // namespace quern

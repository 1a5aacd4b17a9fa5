// The cache of compiled kernels on disk (cache_layers.hpp shows the layout). An entry is found by its name alone and
// verified by its hash at each load; a damaged one is set aside and is a miss. Several processes may use one cache at
// once. Nothing that goes wrong with it fails a call. Where only what is sealed counts, nothing is written, and what
// the seal does not name as it is counts as absent. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "registry/cache/cache_entry.hpp"
#include "registry/cache/cache_index.hpp"
#include "registry/cache/cache_layers.hpp"
#include "registry/cache/cache_roots.hpp"

namespace quern {

enum class CacheMode { kReadWrite, kReadOnly, kOff };
enum class EntryState { kGood, kStale, kCorrupt };

struct CacheSettings {
  std::filesystem::path directory;
  CacheMode mode = CacheMode::kReadWrite;
  std::vector<std::filesystem::path> lower;  // read-only, searched after the directory
  int64_t max_bytes = 0;                     // of entries; 0: no limit
  int64_t max_age_s = 0;                     // since an entry's last use; 0: no limit
  bool durable = true;                       // sync what is written
  std::filesystem::path runtime_dir;         // for the index of a cache on a network file system
  std::chrono::milliseconds between_checks{10000};
  std::vector<PublicKey> seal_keys;  // if not empty: only directories that one of them sealed are used, and not written
  Clock clock = system_seconds;      // for the expiry of seals
};

struct CacheRow {
  CacheEntry entry;  // without its code; of a corrupt one only request and nvrtc, from the file's name
  std::string file;
  int64_t size = 0;
  EntryUse use;
  EntryState state = EntryState::kGood;
  bool rooted = false;  // a root keeps it
  FileIdentity identity;
};

struct PruneRules {
  int64_t max_bytes = 0;     // 0: no limit
  int64_t older_than_s = 0;  // 0: no limit
  std::string target;        // "": all
  std::string package;       // "": all
  bool all = false;          // every entry selected
  bool clear = false;        // and packages, refs, tuning and what was set aside
  bool dry_run = false;
};

struct PruneResult {
  int64_t removed = 0, removed_bytes = 0;  // entries
  int64_t kept = 0, kept_bytes = 0;
  int64_t blobs = 0, blob_bytes = 0;  // that no ref and no root needs
  int64_t quarantined = 0;
  int64_t temporary_files = 0;
};

struct CacheProblem {
  std::string path;  // below the directory
  std::string what;
  bool repaired = false;
};

struct CacheCheck {
  int64_t entries = 0, blobs = 0, bytes = 0;
  int64_t problems = 0, repaired = 0;
};

struct EntryFile {
  std::string file;
  FileIdentity identity;
};

class Cache {
 public:
  // A directory that cannot be used as asked is used as far as it can be; state() says why. "" is no cache.
  explicit Cache(CacheSettings settings);
  Cache(std::filesystem::path directory, CacheMode mode);
  ~Cache();

  CacheMode mode() const { return mode_; }
  const std::filesystem::path &directory() const { return settings_.directory; }
  std::string state() const;  // "read-write", "read-only: ...", "off: ..."
  // The state as the end of a message: "the cache /c is off: it belongs to another user; set QUERN_CACHE_DIR ...".
  std::string trouble() const;
  // Throw where there is none, QUERN_NOT_FOUND, or none that can be written, QUERN_IO_ERROR; `purpose` is "prune".
  void need() const;
  void need_writable(std::string_view purpose) const;
  const std::vector<std::string> &refused_layers() const { return lower_.refused(); }

  // The directories to search, in order; the one to write, or null.
  std::vector<const CacheLayer *> layers() const;
  const Directory *writable() const { return mode_ == CacheMode::kReadWrite ? main_ : nullptr; }
  // A file of one of them; nothing if it is absent, larger, or not what the seal names.
  std::optional<std::vector<uint8_t>> read(const CacheLayer &layer, const std::string &file, size_t limit,
                                           FileIdentity *identity = nullptr) const;

  bool sealed() const { return !settings_.seal_keys.empty(); }
  // Whether the seal of a directory in use names this manifest.
  bool seals_manifest(const std::string &sha256) const;
  // What did not match the seal of its directory when it was looked for, by whole path; of one request: as text, ""
  // if nothing.
  std::vector<CacheProblem> seal_problems() const;
  std::string seal_problem(const std::string &request) const;

  // The entry for a request as compiled by this build of NVRTC; by any, the newest first, if `nvrtc` is "".
  std::optional<CacheEntry> load(const std::string &request, const std::string &nvrtc);
  // True if it is on disk afterwards. A failure to write is no failure of the caller: `problem` says what it was.
  bool publish(const CacheEntry &entry, std::string &problem);
  // Held while compiling, so that one process does it for all. Nothing if there is no cache to write to or time ran
  // out.
  std::optional<FileLock> lock(const std::string &request, std::chrono::milliseconds patience);

  // Moves a file with the wrong contents to quarantine/, if it still is the one that was read, and counts it.
  void set_aside(const Directory &layer, const std::string &file, const FileIdentity &identity);

  int64_t corrupt_seen() const { return corrupt_seen_; }
  int64_t evicted() const { return evicted_; }
  CacheIndex *index() { return index_.get(); }

  // Adds to the counters that all processes share: hits, misses, compiles, compile_ms, saved_ms, corrupt, evicted,
  // evicted_bytes. Kept in memory and written now and then.
  void count(const char *counter, int64_t n = 1);
  Counters counters();
  void zero_counters();

  // All entries, read and verified, most recently used first. `digests` are those of the packages known now.
  std::vector<CacheRow> scan(const std::set<std::string> &digests);
  // `removed` is called for each victim and returns false to stop.
  PruneResult prune(const PruneRules &rules, const std::set<std::string> &digests,
                    const std::function<bool(const CacheRow &)> &removed);
  // Entries of a request, of one build or of any; those that a root keeps only if `rooted_too`.
  PruneResult remove(const std::string &request, const std::string &nvrtc, bool rooted_too);
  // Every entry and blob read and hashed; with `thorough` also the layout, the index, refs, roots and leftovers.
  // `found` returns false to stop.
  CacheCheck check(bool thorough, bool repair, const std::function<bool(const CacheProblem &)> &found);

 private:
  std::optional<CacheEntry> load_file(const CacheLayer &layer, const std::string &file, const std::string &request);
  std::vector<std::string> files_of(const CacheLayer &layer, const std::string &request) const;
  void count_use(const std::string &file);
  std::vector<EntryFile> entry_files(const Directory &layer) const;
  bool remove_entry(const std::string &file, const FileIdentity &identity);
  int64_t prune_temporary_files(bool dry_run);
  int64_t prune_quarantine(bool dry_run, int64_t older_than_s);
  void prune_blobs(const PruneRules &rules, const CacheRoots &roots, PruneResult &result);
  void prune_all_else(const CacheRoots &roots);
  void evict_if_due(const std::string &published, int64_t bytes) noexcept;
  void evict(const std::string &published);
  bool age_is_due(int64_t now);
  void flush_uses();

  CacheSettings settings_;
  CacheMode mode_;
  std::string reason_, fix_;
  std::optional<CacheLayer> main_layer_;  // unless it cannot even be read
  const Directory *main_ = nullptr;       // of main_layer_
  CacheLayers lower_;
  std::unique_ptr<CacheIndex> index_;
  std::atomic<int64_t> corrupt_seen_{0}, evicted_{0};
  std::atomic<bool> index_is_behind_{false};                  // it does not know what was published here
  mutable std::mutex mutex_;                                  // guards what follows
  std::map<std::string, EntryUse> uses_;                      // not yet written to the index
  Counters counters_;                                         // likewise
  std::set<std::string> damaged_;                             // files already counted, since one miss looks twice
  mutable std::map<std::string, std::string> seal_problems_;  // by the file's whole path
  std::chrono::steady_clock::time_point next_flush_, next_check_{};
  int64_t published_bytes_ = 0;  // since the last check
};

}  // namespace quern

// What SQLite remembers about the cache: when an entry was last used and how often, which build a libnvrtc file is, and
// counters over all processes. Never the truth: every call may fail without harm, and a damaged or missing index is
// made anew from the files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

struct sqlite3;

namespace quern {

struct EntryUse {
  int64_t last_used = 0;
  int64_t hits = 0;
};

using Counters = std::map<std::string, int64_t>;

class CacheIndex {
 public:
  // "" is an index in memory. One that is damaged is set aside and begun anew, once; one of a newer Quern is only read;
  // one that another process keeps locked is done without.
  CacheIndex(const std::filesystem::path &path, bool read_only);
  ~CacheIndex();
  CacheIndex(const CacheIndex &) = delete;
  CacheIndex &operator=(const CacheIndex &) = delete;

  // Entries are named by their file name.
  std::map<std::string, EntryUse> uses();
  int64_t total_bytes();                                         // of the entries it knows
  bool put(const std::string &file, int64_t size, int64_t now);  // false if it is not known now
  void add(const std::map<std::string, EntryUse> &uses, const Counters &counters);
  void remove(const std::vector<std::string> &files);

  // The build of a libnvrtc file, remembered by its identity so that it need not be opened.
  std::optional<std::string> toolchain(const std::string &file_identity);
  void put_toolchain(const std::string &file_identity, const std::string &build);

  // Sums over all processes that shared the index, and times that are kept between them.
  Counters counters();
  void zero_counters(int64_t now);
  std::optional<int64_t> time_of(const std::string &event);
  void put_time(const std::string &event, int64_t time);

  // "" where all is well, else what is wrong; reads all of it.
  std::string check();
  // Sets aside whatever is in its place and begins anew. False if it still cannot be used.
  bool rebuild();
  bool usable() const { return database_ != nullptr; }
  const std::filesystem::path &path() const { return path_; }
  bool read_only() const { return read_only_; }

 private:
  enum class Opened { kYes, kNo, kDamaged };
  Opened open();
  Opened prepare();
  void begin_anew();
  void close();
  bool execute(const char *sql);
  bool begin();
  void end();
  // Runs `body` on the open database; again on a new one if it turned out to be damaged.
  void with_database(const std::function<void()> &body);

  std::mutex mutex_;  // guards all below
  sqlite3 *database_ = nullptr;
  std::filesystem::path path_;
  bool read_only_;
  bool begun_anew_ = false;
  uint64_t inode_ = 0;  // of the file when it was opened
};

}  // namespace quern

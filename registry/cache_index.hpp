// What SQLite remembers about the cache: when an entry was last used and how often, and which build a libnvrtc file is.
// Never the truth: every call may fail without harm, and a damaged or missing index is made anew from the files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

struct sqlite3;

namespace quern {

struct EntryUse {
  int64_t last_used = 0;
  int64_t hits = 0;
};

class CacheIndex {
 public:
  CacheIndex(const std::filesystem::path &path, bool read_only);
  ~CacheIndex();
  CacheIndex(const CacheIndex &) = delete;
  CacheIndex &operator=(const CacheIndex &) = delete;

  // Entries are named by their file name.
  std::map<std::string, EntryUse> uses();
  void put(const std::string &file, int64_t size, int64_t now);
  void add_uses(const std::map<std::string, EntryUse> &uses);
  void remove(const std::string &file);

  // The build of a libnvrtc file, remembered by its identity so that it need not be opened.
  std::optional<std::string> toolchain(const std::string &file_identity);
  void put_toolchain(const std::string &file_identity, const std::string &build);

 private:
  bool open(const std::filesystem::path &path);
  bool has_schema();
  void close();
  bool execute(const char *sql);

  std::mutex mutex_;  // guards database_
  sqlite3 *database_ = nullptr;
  bool read_only_;
};

}  // namespace quern

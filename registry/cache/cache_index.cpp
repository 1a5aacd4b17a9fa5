#include "registry/cache/cache_index.hpp"

#include <initializer_list>
#include <variant>

#include <sqlite3.h>
#include <sys/stat.h>

#include "runtime/base/failpoint.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

// On disk: the application id, the version and the columns are never given another meaning. Tables are only added,
// which leaves the version as it is: older processes go on with those that they know.
constexpr int64_t kApplication = 0x51554552;
constexpr int64_t kVersion = 1;
constexpr int64_t kMostVersions = 1000;  // above it, it is damage and no newer Quern
constexpr int64_t kTables = 4;
constexpr const char *kPragmas =
    "PRAGMA journal_mode=DELETE; PRAGMA synchronous=NORMAL; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;";
// One transaction, so that nobody sees half of it.
constexpr const char *kSchema =
    "BEGIN IMMEDIATE;"
    "PRAGMA application_id=0x51554552; PRAGMA user_version=1;"
    "CREATE TABLE IF NOT EXISTS entry (file TEXT PRIMARY KEY, size INT NOT NULL, used INT NOT NULL, hits INT NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS toolchain (file TEXT PRIMARY KEY, build TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, n INT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS event (name TEXT PRIMARY KEY, time INT NOT NULL) STRICT, WITHOUT ROWID;"
    "COMMIT;";
constexpr int kBusyMilliseconds = 2000;

using Value = std::variant<int64_t, std::string>;

class Statement {
 public:
  Statement(sqlite3 *database, const char *sql, std::initializer_list<Value> values = {}) {
    if (database == nullptr || QUERN_FAILPOINT("sqlite_prepare") != 0) return;
    if (sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) != SQLITE_OK) return;
    int index = 0;
    for (const Value &value : values) {
      ++index;
      if (const auto *number = std::get_if<int64_t>(&value)) {
        sqlite3_bind_int64(statement_, index, *number);
      } else {
        const std::string &text = std::get<std::string>(value);
        sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
      }
    }
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement &) = delete;
  Statement &operator=(const Statement &) = delete;

  bool next() { return step() == SQLITE_ROW; }
  bool done() { return step() == SQLITE_DONE; }
  int64_t number(int column) { return sqlite3_column_int64(statement_, column); }
  std::string string(int column) {
    const auto *bytes = reinterpret_cast<const char *>(sqlite3_column_text(statement_, column));
    return bytes == nullptr ? std::string()
                            : std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
  }

 private:
  int step() {
    if (statement_ == nullptr || QUERN_FAILPOINT("sqlite_step") != 0) return SQLITE_ERROR;
    return sqlite3_step(statement_);
  }

  sqlite3_stmt *statement_ = nullptr;
};

}  // namespace

CacheIndex::CacheIndex(const fs::path &path, bool read_only) : path_(path), read_only_(read_only) {
  if (open() == Opened::kDamaged) begin_anew();
}

CacheIndex::~CacheIndex() { close(); }

CacheIndex::Opened CacheIndex::open() {
  if (QUERN_FAILPOINT("sqlite_open") != 0) return Opened::kNo;
  const int flags = (read_only_ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE;
  std::error_code ignored;
  const fs::path absolute =
      path_.empty() ? fs::path(":memory:") : fs::weakly_canonical(path_.parent_path(), ignored) / path_.filename();
  struct stat status {};
  // What is no file is no index, and SQLite would wait for a FIFO's writer.
  if (!path_.empty() && ::lstat(absolute.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) return Opened::kNo;
  if (sqlite3_open_v2(absolute.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    close();
    return Opened::kNo;
  }
  if (!path_.empty() && ::lstat(absolute.c_str(), &status) == 0) inode_ = status.st_ino;
  const Opened prepared = prepare();
  if (prepared != Opened::kYes) close();
  return prepared;
}

// Whose database it is, and what it has. A statement must end before anything is written: while it is open, so is a
// read transaction, and then SQLite does not wait for other writers.
CacheIndex::Opened CacheIndex::prepare() {
  sqlite3_busy_timeout(database_, kBusyMilliseconds);
  const auto number = [&](const char *sql) {
    Statement row(database_, sql);
    return row.next() ? row.number(0) : -1;
  };
  const auto failure = [&] {
    const int code = sqlite3_errcode(database_) & 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? Opened::kDamaged : Opened::kNo;
  };
  // In one transaction: between two of these another process may create it.
  execute("BEGIN");
  int64_t found[3];
  const char *const questions[] = {"PRAGMA user_version", "PRAGMA application_id",
                                   "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"};
  for (int i = 0; i < 3; ++i) {
    found[i] = number(questions[i]);
    if (found[i] < 0 && i != 1) {  // an application id may be any number
      const Opened result = failure();
      execute("ROLLBACK");
      return result;
    }
  }
  execute("COMMIT");
  const auto [version, application, tables] = found;
  if (application != kApplication && (application != 0 || version != 0 || tables != 0)) return Opened::kDamaged;
  if (version > kMostVersions) return Opened::kDamaged;
  if (version > kVersion) read_only_ = true;  // whatever a newer Quern has written is not to be touched
  if (!read_only_) {
    if (!execute(kPragmas)) return failure();
    if (tables < kTables && !execute(kSchema)) {
      const Opened result = failure();
      execute("ROLLBACK");
      return result;
    }
  }
  if (number("SELECT count(*) FROM entry") < 0) {
    if (version > kVersion || read_only_) return Opened::kYes;  // what it cannot answer counts as unknown
    return (sqlite3_errcode(database_) & 0xff) == SQLITE_ERROR ? Opened::kDamaged : failure();
  }
  return Opened::kYes;
}

// Every row can be told from the files, so a damaged index is set aside for whoever wants to look. Where another
// process was faster, its new one serves.
void CacheIndex::begin_anew() {
  close();
  if (begun_anew_ || read_only_ || path_.empty()) return;
  begun_anew_ = true;
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0 || status.st_ino == inode_) {
    std::error_code ignored;
    fs::remove(path_.string() + "-journal", ignored);
    fs::rename(path_, path_.string() + ".damaged", ignored);
  }
  open();
}

void CacheIndex::close() {
  sqlite3_close(database_);
  database_ = nullptr;
}

bool CacheIndex::execute(const char *sql) {
  if (database_ == nullptr || QUERN_FAILPOINT("sqlite_exec") != 0) return false;
  return sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

bool CacheIndex::begin() { return !read_only_ && execute("BEGIN IMMEDIATE"); }

void CacheIndex::end() {
  if (!execute("COMMIT")) execute("ROLLBACK");
  // A fault may have kept both from being run.
  if (database_ != nullptr && sqlite3_get_autocommit(database_) == 0) {
    sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

void CacheIndex::with_database(const std::function<void()> &body) {
  const std::lock_guard lock(mutex_);
  if (database_ == nullptr) return;
  body();
  const int code = sqlite3_errcode(database_) & 0xff;
  if (code == SQLITE_BUSY) sqlite3_busy_timeout(database_, 0);  // waited once; whoever holds it may never let go
  if (code != SQLITE_CORRUPT && code != SQLITE_NOTADB) return;
  begin_anew();
  if (database_ != nullptr) body();
}

std::map<std::string, EntryUse> CacheIndex::uses() {
  std::map<std::string, EntryUse> found;
  with_database([&] {
    found.clear();
    Statement rows(database_, "SELECT file, used, hits FROM entry");
    while (rows.next()) found[rows.string(0)] = {rows.number(1), rows.number(2)};
  });
  return found;
}

int64_t CacheIndex::total_bytes() {
  int64_t total = 0;
  with_database([&] {
    Statement row(database_, "SELECT total(size) FROM entry");
    total = row.next() ? row.number(0) : 0;
  });
  return total;
}

bool CacheIndex::put(const std::string &file, int64_t size, int64_t now) {
  bool done = false;
  if (read_only_) return done;
  with_database([&] {
    done = Statement(database_, "INSERT INTO entry VALUES (?1, ?2, ?3, 0) ON CONFLICT (file) DO UPDATE SET size = ?2",
                     {file, size, now})
               .done();
  });
  return done;
}

void CacheIndex::add(const std::map<std::string, EntryUse> &uses, const Counters &counters) {
  if (read_only_ || (uses.empty() && counters.empty())) return;
  with_database([&] {
    if (!begin()) return;
    for (const auto &[file, use] : uses) {
      Statement(database_, "UPDATE entry SET used = max(used, ?2), hits = hits + ?3 WHERE file = ?1",
                {file, use.last_used, use.hits})
          .done();
    }
    for (const auto &[name, count] : counters) {
      Statement(database_, "INSERT INTO counter VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET n = n + ?2",
                {name, count})
          .done();
    }
    end();
  });
}

void CacheIndex::remove(const std::vector<std::string> &files) {
  if (read_only_ || files.empty()) return;
  with_database([&] {
    if (!begin()) return;
    for (const std::string &file : files) Statement(database_, "DELETE FROM entry WHERE file = ?1", {file}).done();
    end();
  });
}

std::optional<std::string> CacheIndex::toolchain(const std::string &file_identity) {
  std::optional<std::string> build;
  with_database([&] {
    Statement row(database_, "SELECT build FROM toolchain WHERE file = ?1", {file_identity});
    if (row.next()) build = row.string(0);
  });
  return build;
}

void CacheIndex::put_toolchain(const std::string &file_identity, const std::string &build) {
  if (read_only_) return;
  with_database([&] {
    Statement(database_, "INSERT OR REPLACE INTO toolchain VALUES (?1, ?2)", {file_identity, build}).done();
  });
}

Counters CacheIndex::counters() {
  Counters found;
  with_database([&] {
    found.clear();
    Statement rows(database_, "SELECT name, n FROM counter");
    while (rows.next()) found[rows.string(0)] = rows.number(1);
  });
  return found;
}

void CacheIndex::zero_counters(int64_t now) {
  if (read_only_) return;
  with_database([&] {
    if (!begin()) return;
    Statement(database_, "DELETE FROM counter").done();
    Statement(database_, "INSERT OR REPLACE INTO event VALUES ('zeroed', ?1)", {now}).done();
    end();
  });
}

std::optional<int64_t> CacheIndex::time_of(const std::string &event) {
  std::optional<int64_t> time;
  with_database([&] {
    Statement row(database_, "SELECT time FROM event WHERE name = ?1", {event});
    if (row.next()) time = row.number(0);
  });
  return time;
}

void CacheIndex::put_time(const std::string &event, int64_t time) {
  if (read_only_) return;
  with_database([&] { Statement(database_, "INSERT OR REPLACE INTO event VALUES (?1, ?2)", {event, time}).done(); });
}

std::string CacheIndex::check() {
  const std::lock_guard lock(mutex_);
  if (database_ == nullptr) return "it cannot be opened";
  Statement row(database_, "PRAGMA integrity_check(1)");
  if (!row.next()) return sqlite3_errmsg(database_);
  const std::string answer = row.string(0);
  return answer == "ok" ? "" : answer;
}

bool CacheIndex::rebuild() {
  const std::lock_guard lock(mutex_);
  if (read_only_ || path_.empty()) return false;
  begun_anew_ = false;
  struct stat status {};
  inode_ = ::lstat(path_.c_str(), &status) == 0 ? status.st_ino : 0;
  begin_anew();
  return database_ != nullptr;
}

}  // namespace quern

#include "registry/cache_index.hpp"

#include <initializer_list>
#include <variant>

#include <sqlite3.h>

namespace quern {
namespace {

namespace fs = std::filesystem;

// On disk: the application id, the version and the columns are never given another meaning.
constexpr const char *kPragmas =
    "PRAGMA journal_mode=DELETE; PRAGMA synchronous=NORMAL; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;";
// One transaction, so that nobody sees half of it.
constexpr const char *kSchema =
    "BEGIN IMMEDIATE;"
    "PRAGMA application_id=0x51554552; PRAGMA user_version=1;"
    "CREATE TABLE IF NOT EXISTS entry (file TEXT PRIMARY KEY, size INT NOT NULL, used INT NOT NULL, hits INT NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS toolchain (file TEXT PRIMARY KEY, build TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "COMMIT;";

using Value = std::variant<int64_t, std::string>;

class Statement {
 public:
  Statement(sqlite3 *database, const char *sql, std::initializer_list<Value> values = {}) {
    if (database == nullptr || sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) != SQLITE_OK) return;
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

  bool next() { return statement_ != nullptr && sqlite3_step(statement_) == SQLITE_ROW; }
  bool done() { return statement_ != nullptr && sqlite3_step(statement_) == SQLITE_DONE; }
  int64_t number(int column) { return sqlite3_column_int64(statement_, column); }
  std::string string(int column) {
    const auto *bytes = reinterpret_cast<const char *>(sqlite3_column_text(statement_, column));
    return bytes == nullptr ? std::string()
                            : std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
  }

 private:
  sqlite3_stmt *statement_ = nullptr;
};

}  // namespace

CacheIndex::CacheIndex(const fs::path &path, bool read_only) : read_only_(read_only) {
  if (open(path) || read_only) return;
  // Damaged, or not a database: keep it for whoever wants to look, and begin anew. Every row can be told from the
  // files.
  close();
  std::error_code ignored;
  fs::rename(path, path.string() + ".damaged", ignored);
  fs::remove(path.string() + "-journal", ignored);
  if (!open(path)) close();
}

CacheIndex::~CacheIndex() { close(); }

bool CacheIndex::open(const fs::path &path) {
  const int flags = (read_only_ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE;
  const fs::path absolute = fs::weakly_canonical(path.parent_path()) / path.filename();
  if (sqlite3_open_v2(absolute.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    const bool unusable = read_only_ || sqlite3_errcode(database_) == SQLITE_CANTOPEN;
    if (unusable) close();
    return unusable;  // nothing to repair
  }
  sqlite3_busy_timeout(database_, 2000);
  if (read_only_) return true;
  const bool ready = execute(kPragmas) &&
                     (has_schema() ? Statement(database_, "SELECT count(*) FROM entry").next() : execute(kSchema));
  const int code = sqlite3_errcode(database_);
  if (!ready) execute("ROLLBACK");
  return ready || (code != SQLITE_CORRUPT && code != SQLITE_NOTADB && code != SQLITE_ERROR);
}

// The statement must end before anything is written: while it is open, so is a read transaction, and then SQLite does
// not wait for other writers.
bool CacheIndex::has_schema() {
  Statement version(database_, "PRAGMA user_version");
  return version.next() && version.number(0) >= 1;
}

void CacheIndex::close() {
  sqlite3_close(database_);
  database_ = nullptr;
}

bool CacheIndex::execute(const char *sql) {
  return database_ != nullptr && sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

std::map<std::string, EntryUse> CacheIndex::uses() {
  const std::lock_guard lock(mutex_);
  std::map<std::string, EntryUse> found;
  Statement rows(database_, "SELECT file, used, hits FROM entry");
  while (rows.next()) found[rows.string(0)] = {rows.number(1), rows.number(2)};
  return found;
}

void CacheIndex::put(const std::string &file, int64_t size, int64_t now) {
  const std::lock_guard lock(mutex_);
  if (read_only_) return;
  Statement(database_, "INSERT INTO entry VALUES (?1, ?2, ?3, 0) ON CONFLICT (file) DO UPDATE SET size = ?2",
            {file, size, now})
      .done();
}

void CacheIndex::add_uses(const std::map<std::string, EntryUse> &uses) {
  const std::lock_guard lock(mutex_);
  if (read_only_ || uses.empty() || !execute("BEGIN IMMEDIATE")) return;
  for (const auto &[file, use] : uses) {
    Statement(database_, "UPDATE entry SET used = max(used, ?2), hits = hits + ?3 WHERE file = ?1",
              {file, use.last_used, use.hits})
        .done();
  }
  if (!execute("COMMIT")) execute("ROLLBACK");
}

void CacheIndex::remove(const std::string &file) {
  const std::lock_guard lock(mutex_);
  if (!read_only_) Statement(database_, "DELETE FROM entry WHERE file = ?1", {file}).done();
}

std::optional<std::string> CacheIndex::toolchain(const std::string &file_identity) {
  const std::lock_guard lock(mutex_);
  Statement row(database_, "SELECT build FROM toolchain WHERE file = ?1", {file_identity});
  if (!row.next()) return std::nullopt;
  return row.string(0);
}

void CacheIndex::put_toolchain(const std::string &file_identity, const std::string &build) {
  const std::lock_guard lock(mutex_);
  if (!read_only_) {
    Statement(database_, "INSERT OR REPLACE INTO toolchain VALUES (?1, ?2)", {file_identity, build}).done();
  }
}

}  // namespace quern

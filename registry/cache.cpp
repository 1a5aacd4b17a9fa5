#include "registry/cache.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVersion = "1\n";  // on disk: the layout's version
constexpr std::string_view kTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Compiled kernels; can be deleted. See https://bford.info/cachedir/\n";

void write_once(const fs::path &directory, const char *name, std::string_view content) {
  if (!fs::exists(directory / name)) {
    publish_file(directory / "tmp", directory / name,
                 {reinterpret_cast<const uint8_t *>(content.data()), content.size()});
  }
}

// Whoever can write entries can run code in every process that loads them.
void check_owner(const fs::path &directory) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) fail(QUERN_IO_ERROR, "cannot open it: ", std::strerror(errno));
  if (!S_ISDIR(status.st_mode)) fail(QUERN_IO_ERROR, directory.string(), " is not a directory");
  if (status.st_uid != ::geteuid() && status.st_uid != 0) fail(QUERN_IO_ERROR, "it belongs to another user");
  if ((status.st_mode & S_IWOTH) != 0) fail(QUERN_IO_ERROR, "it is writable by everybody; chmod o-w it");
}

}  // namespace

Cache::Cache(fs::path directory, CacheMode mode) : directory_(std::move(directory)), mode_(mode) {
  if (mode_ == CacheMode::kOff || directory_.empty()) {
    reason_ = mode_ == CacheMode::kOff ? "as asked" : "no directory; set QUERN_CACHE_DIR or HOME";
    mode_ = CacheMode::kOff;
    return;
  }
  if (mode_ == CacheMode::kReadOnly) reason_ = "as asked";
  try {
    if (mode_ == CacheMode::kReadWrite) {
      try {
        for (const char *folder : {"", "jit", "locks", "tmp"}) make_directories(directory_ / folder);
        write_once(directory_, "CACHEDIR.TAG", kTag);
        write_once(directory_, "VERSION", kVersion);
        if (::access((directory_ / "jit").c_str(), W_OK) != 0)
          fail(QUERN_IO_ERROR, directory_.string(), " is not writable");
      } catch (const Error &error) {
        mode_ = CacheMode::kReadOnly;
        reason_ = error.what();
      }
    }
    check_owner(directory_);
    const std::optional<std::string> version = read_text(directory_ / "VERSION", 64);
    if (version && *version != kVersion)
      fail(QUERN_IO_ERROR, "its layout has version ", *version, "; this Quern writes 1");
    index_ = std::make_unique<CacheIndex>(directory_ / "index.sqlite3", mode_ == CacheMode::kReadOnly);
  } catch (const std::exception &error) {
    mode_ = CacheMode::kOff;
    reason_ = error.what();
  }
}

Cache::~Cache() { flush_uses(); }

std::string Cache::state() const {
  switch (mode_) {
    case CacheMode::kReadWrite:
      return "read-write";
    case CacheMode::kReadOnly:
      return "read-only: " + reason_;
    case CacheMode::kOff:
      break;
  }
  return "off: " + reason_;
}

fs::path Cache::entry_path(const std::string &file) const { return directory_ / "jit" / file.substr(0, 2) / file; }

std::optional<CacheEntry> Cache::load_file(const std::string &file, const std::string &request) {
  const auto bytes = read_file(entry_path(file), kMaxEntryBytes);
  if (!bytes) return std::nullopt;
  std::optional<CacheEntry> entry = decode_entry(*bytes);
  if (!entry || entry->request != request || entry_file_name(request, entry->nvrtc) != file) {
    const std::lock_guard lock(mutex_);
    if (damaged_.insert(file).second) ++corrupt_seen_;
    return std::nullopt;
  }
  return entry;
}

std::optional<CacheEntry> Cache::load(const std::string &request, const std::string &nvrtc) {
  if (mode_ == CacheMode::kOff) return std::nullopt;
  std::vector<std::string> files;
  if (!nvrtc.empty()) {
    files.push_back(entry_file_name(request, nvrtc));
  } else {
    std::error_code ignored;
    for (const fs::directory_entry &file : fs::directory_iterator(entry_path(request).parent_path(), ignored)) {
      const std::string name = file.path().filename().string();
      if (name.rfind(request + ".", 0) == 0 && name.ends_with(kEntrySuffix)) files.push_back(name);
    }
    // The newest build first; 12.10 comes after 12.9.
    std::sort(files.begin(), files.end(),
              [](const std::string &a, const std::string &b) { return ::strverscmp(a.c_str(), b.c_str()) > 0; });
  }
  for (const std::string &file : files) {
    if (std::optional<CacheEntry> entry = load_file(file, request)) {
      count_use(file);
      return entry;
    }
  }
  return std::nullopt;
}

bool Cache::holds(const std::string &request) const {
  if (mode_ == CacheMode::kOff) return false;
  std::error_code ignored;
  const fs::directory_iterator files(entry_path(request).parent_path(), ignored);
  return std::any_of(begin(files), end(files), [&](const fs::directory_entry &file) {
    return file.path().filename().string().rfind(request + ".", 0) == 0;
  });
}

void Cache::count_use(const std::string &file) {
  const std::lock_guard lock(mutex_);
  EntryUse &use = uses_[file];
  use.last_used = std::time(nullptr);
  ++use.hits;
}

void Cache::flush_uses() {
  const std::lock_guard lock(mutex_);
  if (index_ != nullptr) index_->add_uses(uses_);
  uses_.clear();
}

bool Cache::publish(const CacheEntry &entry, std::string &problem) {
  if (mode_ != CacheMode::kReadWrite) {
    problem = state();
    return false;
  }
  const std::string file = entry_file_name(entry.request, entry.nvrtc);
  try {
    const std::vector<uint8_t> bytes = encode_entry(entry);
    make_directories(entry_path(file).parent_path());
    publish_file(directory_ / "tmp", entry_path(file), bytes);
    if (index_ != nullptr) index_->put(file, static_cast<int64_t>(bytes.size()), entry.created);
    const std::lock_guard lock(mutex_);
    damaged_.erase(file);
    return true;
  } catch (const Error &error) {
    problem = error.what();
    return false;
  }
}

std::optional<FileLock> Cache::lock(const std::string &request, std::chrono::milliseconds patience) {
  if (mode_ != CacheMode::kReadWrite) return std::nullopt;
  return FileLock::acquire(directory_ / "locks" / (request + ".lock"), patience);
}

}  // namespace quern

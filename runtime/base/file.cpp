#include "runtime/base/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/system_call.hpp"

namespace quern {

namespace fs = std::filesystem;

namespace detail {

void fail_io(const char *what, const fs::path &path, int error) {
  fail(QUERN_IO_ERROR, "cannot ", what, " ", path.string(), ": ", std::strerror(error),
       "; check the permissions and the free space");
}

std::string temporary_name() {
  std::random_device random;
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return text(::getpid(), ".", now.tv_sec, ".", random(), ".", random(), ".tmp");
}

template <typename Bytes>
std::optional<Bytes> read_whole(int fd, int64_t size, size_t limit) {
  if (size < 0 || static_cast<uint64_t>(size) > limit) return std::nullopt;
  Bytes bytes(static_cast<size_t>(size), typename Bytes::value_type{});
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = sys::read(fd, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;  // an error, or the file shrank
    done += static_cast<size_t>(got);
  }
  return bytes;
}
template std::optional<std::vector<uint8_t>> read_whole(int, int64_t, size_t);
template std::optional<std::string> read_whole(int, int64_t, size_t);

namespace {

void write_all(int fd, std::span<const uint8_t> bytes, const fs::path &path) {
  while (!bytes.empty()) {
    const ssize_t written = sys::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_io("write", path, written < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

}  // namespace

// Some file systems cannot sync a directory; there the rename is atomic all the same.
void sync_directory(int directory, const fs::path &place) {
  if (sys::sync(directory) != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT)) fail_io("sync", place, errno);
}

void publish_at(int temporary_dir, int target_dir, const char *name, std::span<const uint8_t> bytes, unsigned mode,
                bool durable, const fs::path &place) {
  const std::string temporary = temporary_name();
  const FileDescriptor fd(sys::open_at(temporary_dir, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, mode));
  if (!fd) fail_io("create a file for", place, errno);
  sys::lock(fd.get());  // tells prune that its writer lives
  try {
    write_all(fd.get(), bytes, place);
    if (durable && sys::sync(fd.get()) != 0) fail_io("sync", place, errno);
    if (sys::rename_at(temporary_dir, temporary.c_str(), target_dir, name) != 0) fail_io("rename to", place, errno);
  } catch (...) {
    sys::unlink_at(temporary_dir, temporary.c_str());
    throw;
  }
  if (durable) sync_directory(target_dir, place);
}

}  // namespace detail

namespace {

template <typename Bytes>
std::optional<Bytes> read_path(const fs::path &path, size_t limit) {
  const FileDescriptor fd(sys::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NONBLOCK));
  struct stat status {};
  if (!fd || sys::status(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return detail::read_whole<Bytes>(fd.get(), status.st_size, limit);
}

FileDescriptor open_directory(const fs::path &path) {
  // Not sys::open_at: the directory itself may be reached by a link.
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) detail::fail_io("open", path, errno);
  return fd;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<std::vector<uint8_t>> read_file(const fs::path &path, size_t limit) {
  return read_path<std::vector<uint8_t>>(path, limit);
}

std::optional<std::string> read_text(const fs::path &path, size_t limit) { return read_path<std::string>(path, limit); }

void publish_file(const fs::path &temporary_dir, const fs::path &path, std::span<const uint8_t> bytes, unsigned mode) {
  const FileDescriptor temporary = open_directory(temporary_dir);
  FileDescriptor target;
  try {
    target = open_directory(path.parent_path());
  } catch (const Error &error) {
    fail(error.status(), "cannot write ", path.string(), ": ", error.what());
  }
  detail::publish_at(temporary.get(), target.get(), path.filename().c_str(), bytes, mode, true, path);
}

void make_directories(const fs::path &path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return;  // no call that writes where none is due
  if (path.has_parent_path() && path.parent_path() != path && ::access(path.parent_path().c_str(), F_OK) != 0) {
    make_directories(path.parent_path());
  }
  if (sys::make_directory_at(AT_FDCWD, path.c_str(), 0700) == 0) {
    const FileDescriptor above(
        ::open(path.has_parent_path() ? path.parent_path().c_str() : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (above) detail::sync_directory(above.get(), path);  // one that may not be read cannot be synced
  } else if (errno != EEXIST) {
    detail::fail_io("create directory", path, errno);
  }
  if (::stat(path.c_str(), &status) != 0) detail::fail_io("open", path, errno);
  if (!S_ISDIR(status.st_mode)) detail::fail_io("use as a directory", path, ENOTDIR);
}

std::optional<FileLock> FileLock::acquire(const fs::path &path, std::chrono::milliseconds patience) {
  return acquire_at(AT_FDCWD, path.c_str(), patience);
}

std::optional<FileLock> FileLock::acquire_at(int directory, const char *name, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  // O_NONBLOCK: what somebody put there may be a FIFO.
  for (;;) {
    FileDescriptor fd(sys::open_at(directory, name, O_RDWR | O_CREAT | O_NONBLOCK, 0600));
    if (!fd) return std::nullopt;
    while (sys::lock(fd.get()) != 0) {
      if ((errno != EWOULDBLOCK && errno != EINTR) || std::chrono::steady_clock::now() >= deadline) return std::nullopt;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    // A prune may have removed the file between open and lock; then somebody else can lock a new one, so start again.
    struct stat held {
    }, named{};
    if (sys::status(fd.get(), &held) == 0 && sys::status_at(directory, name, &named) == 0 &&
        held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
      return FileLock(std::move(fd));
    }
    if (std::chrono::steady_clock::now() >= deadline + std::chrono::seconds(1)) return std::nullopt;  // cannot be told
  }
}

}  // namespace quern

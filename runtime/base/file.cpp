#include "runtime/base/file.hpp"

#include <cerrno>
#include <cstring>
#include <random>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_io(const char *what, const fs::path &path, int error) {
  fail(QUERN_IO_ERROR, "cannot ", what, " ", path.string(), ": ", std::strerror(error),
       "; check the permissions and the free space");
}

// Unique among processes and threads, and telling who left it behind.
std::string temporary_name() {
  std::random_device random;
  return text(::getpid(), ".", std::hex, random(), random(), ".tmp");
}

void write_all(int fd, std::span<const uint8_t> bytes, const fs::path &path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_io("write", path, written < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void sync_directory(const fs::path &path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) ::fsync(fd.get());  // some file systems refuse; the rename is atomic all the same
}

template <typename Bytes>
std::optional<Bytes> read_whole(const fs::path &path, size_t limit) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  if (static_cast<uint64_t>(status.st_size) > limit) return std::nullopt;
  Bytes bytes(static_cast<size_t>(status.st_size), typename Bytes::value_type{});
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;  // an error, or the file shrank
    done += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<std::vector<uint8_t>> read_file(const fs::path &path, size_t limit) {
  return read_whole<std::vector<uint8_t>>(path, limit);
}

std::optional<std::string> read_text(const fs::path &path, size_t limit) {
  return read_whole<std::string>(path, limit);
}

void publish_file(const fs::path &temporary_dir, const fs::path &path, std::span<const uint8_t> bytes) {
  const fs::path temporary = temporary_dir / temporary_name();
  const FileDescriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) fail_io("create", temporary, errno);
  ::flock(fd.get(), LOCK_EX | LOCK_NB);  // tells prune that its writer lives
  try {
    write_all(fd.get(), bytes, temporary);
    if (::fsync(fd.get()) != 0) fail_io("sync", temporary, errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_io("rename to", path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_directory(path.parent_path());
}

void make_directories(const fs::path &path) {
  if (path.has_parent_path() && path.parent_path() != path && ::access(path.parent_path().c_str(), F_OK) != 0) {
    make_directories(path.parent_path());
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail_io("create directory", path, errno);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail_io("open", path, errno);
  if (!S_ISDIR(status.st_mode)) fail_io("use as a directory", path, ENOTDIR);
}

std::optional<FileLock> FileLock::acquire(const fs::path &path, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return std::nullopt;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if ((errno != EWOULDBLOCK && errno != EINTR) || std::chrono::steady_clock::now() >= deadline) return std::nullopt;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    // A prune may have removed the file between open and lock; then somebody else can lock a new one, so start again.
    struct stat held {
    }, named{};
    if (::fstat(fd.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
        held.st_dev == named.st_dev) {
      return FileLock(std::move(fd));
    }
  }
}

}  // namespace quern

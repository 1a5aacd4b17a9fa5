// Files by their path: descriptors that close themselves, reads that follow no link at the last step, locks that die
// with their process. What lies below a directory of ours is reached through directory.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace quern {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor &operator=(FileDescriptor &&other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// The whole of a regular file, or nothing if it cannot be opened or read or is larger than `limit`. Does not follow a
// link at the last component, and does not hang on a FIFO.
std::optional<std::vector<uint8_t>> read_file(const std::filesystem::path &path, size_t limit);
std::optional<std::string> read_text(const std::filesystem::path &path, size_t limit);

// Write `bytes` to a new file in `temporary_dir`, sync it and rename it to `path` (same file system), so that readers
// see all or nothing. Throws QUERN_IO_ERROR and leaves nothing behind.
void publish_file(const std::filesystem::path &temporary_dir, const std::filesystem::path &path,
                  std::span<const uint8_t> bytes, unsigned mode = 0600);

// Create a directory and its parents with mode 0700. Throws QUERN_IO_ERROR.
void make_directories(const std::filesystem::path &path);

// An exclusive lock on a file of its own, held until destruction or the death of the process.
class FileLock {
 public:
  // Waits up to `patience`; nothing if it passes or the file cannot be created: locks only save work, never
  // guard correctness.
  static std::optional<FileLock> acquire(const std::filesystem::path &path, std::chrono::milliseconds patience);
  static std::optional<FileLock> acquire_at(int directory, const char *name, std::chrono::milliseconds patience);

 private:
  explicit FileLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

// What publishing and reading by path share with directory.hpp.
namespace detail {

[[noreturn]] void fail_io(const char *what, const std::filesystem::path &path, int error);

// Unique among processes, hosts and threads, and telling which process left it behind.
std::string temporary_name();

// The bytes of an open regular file of at most `limit`; nothing if a read fails, whatever the reason.
template <typename Bytes>
std::optional<Bytes> read_whole(int fd, int64_t size, size_t limit);
extern template std::optional<std::vector<uint8_t>> read_whole(int, int64_t, size_t);
extern template std::optional<std::string> read_whole(int, int64_t, size_t);

// Write a new file beside others and give it its name, all or nothing. `place` is for messages.
void publish_at(int temporary_dir, int target_dir, const char *name, std::span<const uint8_t> bytes, unsigned mode,
                bool durable, const std::filesystem::path &place);

// So that the names just made, changed or removed in it outlive a loss of power. Throws QUERN_IO_ERROR.
void sync_directory(int directory, const std::filesystem::path &place);

}  // namespace detail

}  // namespace quern

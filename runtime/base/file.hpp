// Files as the cache needs them: reads that follow no link, publication that is all or nothing, locks that die with
// their process.
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
                  std::span<const uint8_t> bytes);

// Create a directory and its parents with mode 0700. Throws QUERN_IO_ERROR.
void make_directories(const std::filesystem::path &path);

// An exclusive lock on a file of its own, held until destruction or the death of the process.
class FileLock {
 public:
  // Waits up to `patience`; nothing if it passes or the file cannot be created: locks only save work, never
  // guard correctness.
  static std::optional<FileLock> acquire(const std::filesystem::path &path, std::chrono::milliseconds patience);

 private:
  explicit FileLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace quern

// A directory held open. What is below it is reached name by name and no link is followed, so that a folder replaced
// by a link leads nobody elsewhere. Thread-safe.
#pragma once

#include <sys/types.h>

#include "runtime/base/file.hpp"

namespace quern {

// Which file it was that was looked at, to find out later whether it is still the same.
struct FileIdentity {
  int64_t size = 0, modified_ns = 0;  // of its last change, since 1970
  uint64_t inode = 0, device = 0;
  bool regular = false, folder = false;

  int64_t modified() const { return modified_ns / 1'000'000'000; }
  bool operator==(const FileIdentity &) const = default;
};

class Directory {
 public:
  // Opens it; the path itself may lead over links. `durable`: what is published is synced. Throws QUERN_IO_ERROR.
  explicit Directory(const std::filesystem::path &path, bool durable = true);

  const std::filesystem::path &path() const { return path_; }

  // All names are relative, '/' between folders; "" is the directory itself.

  // A file that belongs to this user or root; nothing if it is absent, no such file, larger, or cannot be read, as
  // when a network file system has lost it since.
  std::optional<std::vector<uint8_t>> read(const std::string &file, size_t limit,
                                           FileIdentity *identity = nullptr) const;
  std::optional<std::string> read_text(const std::string &file, size_t limit) const;
  // What a symbolic link says; nothing if it is none.
  std::optional<std::string> link_target(const std::string &file) const;
  std::optional<FileIdentity> identify(const std::string &file) const;
  // Names in a folder, sorted; none if it cannot be read.
  std::vector<std::string> names(const std::string &folder) const;

  // All or nothing, by way of the folder `temporary`; folders are made as needed. Throws QUERN_IO_ERROR.
  void publish(const std::string &file, std::span<const uint8_t> bytes, unsigned mode = 0600,
               const std::string &temporary = "tmp") const;
  void make_folder(const std::string &folder) const;
  bool is_writable(const std::string &folder) const;

  // False where it is not, or not the one that was meant.
  bool remove(const std::string &file, const FileIdentity *only = nullptr) const;
  bool remove_folder(const std::string &folder) const;  // if it is empty
  bool move(const std::string &from, const std::string &to, const FileIdentity *only = nullptr) const;

  std::optional<FileLock> lock(const std::string &file, std::chrono::milliseconds patience) const;
  // An open file to see whether its writer still holds its lock; nothing if that cannot be told.
  bool is_locked(const std::string &file) const;

 private:
  struct Place {
    FileDescriptor held;  // of the folder, unless it is the directory itself
    int folder = -1;
    std::string name;
  };
  FileDescriptor open_folder(const std::string &folder, bool create) const;
  Place locate(const std::string &file, bool create = false) const;

  std::filesystem::path path_;
  bool durable_;
  FileDescriptor fd_;
};

}  // namespace quern

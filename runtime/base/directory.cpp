#include "runtime/base/directory.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/system_call.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NONBLOCK;

FileIdentity identity_of(const struct stat &status) {
  FileIdentity identity;
  identity.size = static_cast<int64_t>(status.st_size);
  identity.modified_ns = static_cast<int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
  identity.inode = status.st_ino;
  identity.device = status.st_dev;
  identity.regular = S_ISREG(status.st_mode);
  identity.folder = S_ISDIR(status.st_mode);
  return identity;
}

bool is_ours(const struct stat &status) { return status.st_uid == ::geteuid() || status.st_uid == 0; }

}  // namespace

Directory::Directory(const fs::path &path, bool durable)
    : path_(path), durable_(durable), fd_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!fd_) {
    if (errno == ENOTDIR) fail(QUERN_IO_ERROR, path.string(), " is not a directory");
    detail::fail_io("open", path, errno);
  }
}

FileDescriptor Directory::open_folder(const std::string &folder, bool create) const {
  FileDescriptor at;
  for (size_t begin = 0; begin <= folder.size();) {
    const size_t end = std::min(folder.find('/', begin), folder.size());
    const std::string name = folder.empty() ? "." : folder.substr(begin, end - begin);
    const int above = at ? at.get() : fd_.get();
    FileDescriptor next(sys::open_at(above, name.c_str(), kFolder));
    if (!next && create && errno == ENOENT) {
      if (sys::make_directory_at(above, name.c_str(), 0700) == 0) {
        if (durable_) detail::sync_directory(above, path_ / folder);  // or what is published in it is lost with it
      } else if (errno != EEXIST) {
        detail::fail_io("create directory", path_ / folder, errno);
      }
      next = FileDescriptor(sys::open_at(above, name.c_str(), kFolder));
    }
    if (!next) {
      if (create) detail::fail_io("use as a directory", path_ / folder, errno == ELOOP ? ENOTDIR : errno);
      return FileDescriptor();
    }
    at = std::move(next);
    begin = end + 1;
  }
  return at;
}

Directory::Place Directory::locate(const std::string &file, bool create) const {
  Place place;
  const size_t slash = file.rfind('/');
  place.name = slash == std::string::npos ? file : file.substr(slash + 1);
  if (slash == std::string::npos) {
    place.folder = fd_.get();
  } else {
    place.held = open_folder(file.substr(0, slash), create);
    place.folder = place.held.get();
  }
  return place;
}

std::optional<std::vector<uint8_t>> Directory::read(const std::string &file, size_t limit,
                                                    FileIdentity *identity) const {
  const Place place = locate(file);
  if (place.folder < 0) return std::nullopt;
  const FileDescriptor fd(sys::open_at(place.folder, place.name.c_str(), O_RDONLY | O_NONBLOCK));
  struct stat status {};
  if (!fd || sys::status(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || !is_ours(status)) return std::nullopt;
  if (identity != nullptr) *identity = identity_of(status);
  return detail::read_whole<std::vector<uint8_t>>(fd.get(), status.st_size, limit);
}

std::optional<std::string> Directory::read_text(const std::string &file, size_t limit) const {
  const auto bytes = read(file, limit);
  if (!bytes) return std::nullopt;
  return std::string(bytes->begin(), bytes->end());
}

std::optional<std::string> Directory::link_target(const std::string &file) const {
  const Place place = locate(file);
  std::string target(PATH_MAX, '\0');
  if (place.folder < 0) return std::nullopt;
  const ssize_t size = ::readlinkat(place.folder, place.name.c_str(), target.data(), target.size());
  if (size < 0 || static_cast<size_t>(size) == target.size()) return std::nullopt;
  target.resize(static_cast<size_t>(size));
  return target;
}

std::optional<FileIdentity> Directory::identify(const std::string &file) const {
  const Place place = locate(file);
  struct stat status {};
  if (place.folder < 0 || sys::status_at(place.folder, place.name.c_str(), &status) != 0) return std::nullopt;
  return identity_of(status);
}

std::vector<std::string> Directory::names(const std::string &folder) const {
  std::vector<std::string> found;
  const FileDescriptor fd = open_folder(folder, false);
  const int copy = fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0) : -1;
  if (copy < 0) return found;
  DIR *stream = ::fdopendir(copy);
  if (stream == nullptr) {
    ::close(copy);
    return found;
  }
  const std::unique_ptr<DIR, int (*)(DIR *)> closed(stream, ::closedir);
  while (const dirent *entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

void Directory::publish(const std::string &file, std::span<const uint8_t> bytes, unsigned mode,
                        const std::string &temporary) const {
  const FileDescriptor beside = open_folder(temporary, true);
  const Place place = locate(file, true);
  detail::publish_at(beside.get(), place.folder, place.name.c_str(), bytes, mode, durable_, path_ / file);
}

void Directory::make_folder(const std::string &folder) const { open_folder(folder, true); }

bool Directory::is_writable(const std::string &folder) const {
  const FileDescriptor fd = open_folder(folder, false);
  return fd && ::faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) == 0;
}

// Between the look and the removal another may take its place; whoever publishes holds the entry's lock, and so does
// whoever removes.
bool Directory::remove(const std::string &file, const FileIdentity *only) const {
  if (only != nullptr && identify(file) != *only) return false;
  const Place place = locate(file);
  return place.folder >= 0 && sys::unlink_at(place.folder, place.name.c_str()) == 0;
}

bool Directory::remove_folder(const std::string &folder) const {
  const Place place = locate(folder);
  return place.folder >= 0 && ::unlinkat(place.folder, place.name.c_str(), AT_REMOVEDIR) == 0;
}

bool Directory::move(const std::string &from, const std::string &to, const FileIdentity *only) const {
  if (only != nullptr && identify(from) != *only) return false;
  const Place source = locate(from);
  if (source.folder < 0) return false;
  try {
    const Place target = locate(to, true);
    return sys::rename_at(source.folder, source.name.c_str(), target.folder, target.name.c_str()) == 0;
  } catch (const Error &) {
    return false;
  }
}

std::optional<FileLock> Directory::lock(const std::string &file, std::chrono::milliseconds patience) const {
  const Place place = locate(file);
  if (place.folder < 0) return std::nullopt;
  return FileLock::acquire_at(place.folder, place.name.c_str(), patience);
}

bool Directory::is_locked(const std::string &file) const {
  const Place place = locate(file);
  if (place.folder < 0) return false;
  const FileDescriptor fd(sys::open_at(place.folder, place.name.c_str(), O_RDONLY | O_NONBLOCK));
  return fd && sys::lock(fd.get()) != 0;
}

}  // namespace quern

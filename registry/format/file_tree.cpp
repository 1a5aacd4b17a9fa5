#include "registry/format/file_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>

#include "registry/format/plain_text.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/system_call.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path &base, std::string_view path, const char *why) {
  fail(QUERN_IO_ERROR, base.string(), "/", path, " cannot be read: ", why, "; check the registry's directory");
}

// Nothing if there is no such name.
std::optional<FileDescriptor> open_name(int directory, const std::string &name, int flags) {
  FileDescriptor fd(sys::open_at(directory, name.c_str(), flags | O_RDONLY | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::nullopt;
  return fd;
}

std::string read_all(int fd, size_t size, const fs::path &base, std::string_view path) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = sys::read(fd, bytes.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) refuse(base, path, got < 0 ? std::strerror(errno) : "it became shorter");
    done += static_cast<size_t>(got);
  }
  return bytes;
}

void collect_files(const Directory &directory, const std::string &folder, int depth, std::vector<std::string> &files) {
  for (const std::string &name : directory.names(folder)) {
    const std::string path = folder.empty() ? name : folder + "/" + name;
    const auto identity = directory.identify(path);
    if (identity && identity->folder && depth > 0) {
      collect_files(directory, path, depth - 1, files);
    } else if (identity) {
      files.push_back(path);
    }
  }
}

}  // namespace

std::vector<std::string> list_files(const Directory &directory, const std::string &folder, int depth) {
  std::vector<std::string> files;
  collect_files(directory, folder, depth, files);
  return files;
}

std::optional<std::string> read_below(const fs::path &base, std::string_view path, size_t limit) {
  FileDescriptor at(::open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!at) refuse(base, path, std::strerror(errno));  // a medium that is not there is no missing file
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string name(path.substr(begin, end - begin));
    if (name.empty() || name == "." || name == ".." || name.find('\0') != std::string::npos) {
      fail(QUERN_INVALID_ARGUMENT, "\"", plain_text(path), "\" is no path in a registry; write names with / between");
    }
    auto next = open_name(at.get(), name, end == path.size() ? 0 : O_DIRECTORY);
    if (!next) return std::nullopt;
    if (!*next)
      refuse(base, path,
             errno == ELOOP || errno == ENOTDIR ? "a name in it is a link or no directory" : std::strerror(errno));
    at = std::move(*next);
    begin = end + 1;
  }
  struct stat status {};
  if (sys::status(at.get(), &status) != 0 || !S_ISREG(status.st_mode)) refuse(base, path, "it is no regular file");
  if (static_cast<uint64_t>(status.st_size) > limit) {
    fail(QUERN_CORRUPT, base.string(), "/", path, " has ", status.st_size, " bytes; at most ", limit, " are allowed");
  }
  return read_all(at.get(), static_cast<size_t>(status.st_size), base, path);
}

}  // namespace quern

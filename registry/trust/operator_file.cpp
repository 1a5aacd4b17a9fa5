#include "registry/trust/operator_file.hpp"

#include <cerrno>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"

namespace quern {

std::optional<std::string> read_operator_file(const std::filesystem::path &path, size_t limit) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    fail(QUERN_IO_ERROR, path.string(), ": ", std::strerror(errno), "; check its permissions");
  }
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    fail(QUERN_UNTRUSTED, path.string(), " belongs to another user; use a copy of your own");
  }
  if ((status.st_mode & S_IWOTH) != 0) {
    fail(QUERN_UNTRUSTED, path.string(), " is writable by everybody; chmod o-w it");
  }
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  std::optional<std::string> bytes;
  if (!error) bytes = read_text(target, limit);
  if (!bytes) fail(QUERN_IO_ERROR, path.string(), " is no readable file of at most ", limit, " bytes; check it");
  return bytes;
}

}  // namespace quern

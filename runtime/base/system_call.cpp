#include "runtime/base/system_call.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/base/failpoint.hpp"

namespace quern::sys {
namespace {

// -1 with errno set where a fault is asked for.
int fault(int point) {
  if (point <= 0) return 0;
  errno = point;
  return -1;
}

// At least one byte, or a short count would look like the end.
size_t shortened(int point, size_t count) { return point < 0 ? std::max<size_t>(1, count / 2) : count; }

}  // namespace

int open_at(int directory, const char *name, int flags, mode_t mode) {
  if (fault(QUERN_FAILPOINT("open")) != 0) return -1;
  return ::openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
}

ssize_t read(int fd, void *bytes, size_t count) {
  const int point = QUERN_FAILPOINT("read");
  return fault(point) != 0 ? -1 : ::read(fd, bytes, shortened(point, count));
}

ssize_t write(int fd, const void *bytes, size_t count) {
  const int point = QUERN_FAILPOINT("write");
  return fault(point) != 0 ? -1 : ::write(fd, bytes, shortened(point, count));
}

int sync(int fd) {
  const int point = QUERN_FAILPOINT("sync");
  if (fault(point) != 0) return -1;
  return point < -1 ? 0 : ::fsync(fd);
}

int rename_at(int from_directory, const char *from, int to_directory, const char *to) {
  return fault(QUERN_FAILPOINT("rename")) != 0 ? -1 : ::renameat(from_directory, from, to_directory, to);
}

int unlink_at(int directory, const char *name) {
  return fault(QUERN_FAILPOINT("unlink")) != 0 ? -1 : ::unlinkat(directory, name, 0);
}

int make_directory_at(int directory, const char *name, mode_t mode) {
  return fault(QUERN_FAILPOINT("mkdir")) != 0 ? -1 : ::mkdirat(directory, name, mode);
}

int status(int fd, struct stat *status) { return fault(QUERN_FAILPOINT("stat")) != 0 ? -1 : ::fstat(fd, status); }

int status_at(int directory, const char *name, struct stat *status) {
  return fault(QUERN_FAILPOINT("stat")) != 0 ? -1 : ::fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW);
}

int lock(int fd) {
  const int point = QUERN_FAILPOINT("lock");
  if (fault(point) != 0) return -1;
  return point < -1 ? 0 : ::flock(fd, LOCK_EX | LOCK_NB);
}

}  // namespace quern::sys

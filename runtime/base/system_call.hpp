// The calls of the kernel by which files are reached, each a point at which tests inject faults. They fail as the
// kernel's do: -1 and errno.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>
#include <cstddef>

namespace quern::sys {

int open_at(int directory, const char *name, int flags, mode_t mode = 0);  // never follows a link, closes on exec
ssize_t read(int fd, void *bytes, size_t count);
ssize_t write(int fd, const void *bytes, size_t count);
int sync(int fd);
int rename_at(int from_directory, const char *from, int to_directory, const char *to);
int unlink_at(int directory, const char *name);
int make_directory_at(int directory, const char *name, mode_t mode);
int status(int fd, struct stat *status);
int status_at(int directory, const char *name, struct stat *status);  // of a link itself
int lock(int fd);                                                     // exclusive; does not wait

}  // namespace quern::sys

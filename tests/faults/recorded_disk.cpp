#include "faults/recorded_disk.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/base/system_call.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

struct Call {
  enum Kind { kMakeFile, kMakeFolder, kWrite, kSync, kRename, kRemove, kConfirm } kind;
  int file = -1;    // written, synced, named
  int folder = -1;  // that `name` is in
  std::string name;
  int from = -1;  // of a rename
  std::string from_name;
  std::string bytes;
};

bool recording = false;
std::vector<Call> calls;
std::map<std::pair<dev_t, ino_t>, int> numbers;  // of files that live; a number is never used again
int next_number = 0;

int number_of(const struct stat &status) {
  const auto [found, added] = numbers.try_emplace({status.st_dev, status.st_ino}, next_number);
  if (added) ++next_number;
  return found->second;
}

int number_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? number_of(status) : -1;
}

// A new file may have the inode of one that is gone.
int new_number(int folder, const char *name) {
  struct stat status {};
  if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  return numbers[{status.st_dev, status.st_ino}] = next_number++;
}

struct Place {
  int folder;
  std::string name;
};

Place place_of(int folder, const char *name) {
  if (folder != AT_FDCWD) return {number_of(folder), name};
  const fs::path path = fs::absolute(name);
  struct stat status {};
  return {::stat(path.parent_path().c_str(), &status) == 0 ? number_of(status) : -1, path.filename().string()};
}

bool exists(int folder, const char *name) {
  struct stat status {};
  return ::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

void note(Call call) {
  if (recording) calls.push_back(std::move(call));
}

}  // namespace

namespace sys {

int open_at(int directory, const char *name, int flags, mode_t mode) {
  const bool makes = recording && (flags & O_CREAT) != 0 && !exists(directory, name);
  const int fd = ::openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd >= 0 && makes) {
    const Place place = place_of(directory, name);
    note({Call::kMakeFile, new_number(directory, name), place.folder, place.name, -1, "", ""});
  }
  return fd;
}

ssize_t read(int fd, void *bytes, size_t count) { return ::read(fd, bytes, count); }

ssize_t write(int fd, const void *bytes, size_t count) {
  const ssize_t written = ::write(fd, bytes, count);
  if (written > 0) {
    note({Call::kWrite,
          number_of(fd),
          -1,
          "",
          -1,
          "",
          {static_cast<const char *>(bytes), static_cast<size_t>(written)}});
  }
  return written;
}

// The real disk need not wait.
int sync(int fd) {
  note({Call::kSync, number_of(fd), -1, "", -1, "", ""});
  return 0;
}

int rename_at(int from_directory, const char *from, int to_directory, const char *to) {
  const int result = ::renameat(from_directory, from, to_directory, to);
  if (result == 0) {
    struct stat status {};
    ::fstatat(to_directory, to, &status, AT_SYMLINK_NOFOLLOW);
    const Place source = place_of(from_directory, from), target = place_of(to_directory, to);
    note({Call::kRename, number_of(status), target.folder, target.name, source.folder, source.name, ""});
  }
  return result;
}

int unlink_at(int directory, const char *name) {
  const int result = ::unlinkat(directory, name, 0);
  const Place place = place_of(directory, name);
  if (result == 0) note({Call::kRemove, -1, place.folder, place.name, -1, "", ""});
  return result;
}

int make_directory_at(int directory, const char *name, mode_t mode) {
  const int result = ::mkdirat(directory, name, mode);
  if (result == 0 && recording) {
    const Place place = place_of(directory, name);
    note({Call::kMakeFolder, new_number(directory, name), place.folder, place.name, -1, "", ""});
  }
  return result;
}

int status(int fd, struct stat *status) { return ::fstat(fd, status); }
int status_at(int directory, const char *name, struct stat *status) {
  return ::fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW);
}
int lock(int fd) { return ::flock(fd, LOCK_EX | LOCK_NB); }

}  // namespace sys

namespace faults {
namespace {

int root_number = -1;

// A name that is there, or -1 for one that is not.
struct Change {
  std::string name;
  int file;
};

struct Item {
  bool folder = false;
  std::string bytes;
  size_t synced = 0;                 // so many of the bytes are safe
  std::map<std::string, int> names;  // as they are safe
  std::vector<Change> pending;
};

using Items = std::map<int, Item>;

Items replay(size_t end) {
  Items items;
  items[root_number].folder = true;
  for (size_t i = 0; i < end; ++i) {
    const Call &call = calls[i];
    switch (call.kind) {
      case Call::kMakeFolder:
      case Call::kMakeFile:
        items[call.file].folder = call.kind == Call::kMakeFolder;
        items[call.folder].pending.push_back({call.name, call.file});
        break;
      case Call::kWrite:
        items[call.file].bytes += call.bytes;
        break;
      case Call::kSync: {
        Item &item = items[call.file];
        item.synced = item.bytes.size();
        for (const Change &change : item.pending) item.names[change.name] = change.file;
        item.pending.clear();
        break;
      }
      case Call::kRename:
        items[call.folder].pending.push_back({call.name, call.file});
        items[call.from].pending.push_back({call.from_name, -1});
        break;
      case Call::kRemove:
        items[call.folder].pending.push_back({call.name, -1});
        break;
      case Call::kConfirm:
        break;
    }
  }
  return items;
}

std::string remaining_bytes(const Item &item, std::mt19937 &random) {
  const size_t loose = item.bytes.size() - item.synced;
  std::string bytes = item.bytes;
  switch (loose == 0 ? 3 : random() % 4) {
    case 0:
      bytes.resize(item.synced);
      break;
    case 1:
      bytes.resize(item.synced + random() % loose);
      break;
    case 2:
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(item.synced), bytes.end(), '\0');
      break;
    default:
      break;
  }
  return bytes;
}

void make_item(const Items &items, int number, std::mt19937 &random, const fs::path &path) {
  const Item &item = items.at(number);
  if (!item.folder) {
    std::ofstream(path, std::ios::binary) << remaining_bytes(item, random);
    return;
  }
  fs::create_directory(path);
  fs::permissions(path, fs::perms::owner_all);
  std::map<std::string, int> names = item.names;
  const bool in_order = random() % 2 == 0;  // as journals do: a beginning of them; else any
  size_t rest = item.pending.empty() ? 0 : random() % (item.pending.size() + 1);
  for (const Change &change : item.pending) {
    const bool is_kept = in_order ? rest > 0 : random() % 2 == 0;
    if (rest > 0) --rest;
    if (is_kept) names[change.name] = change.file;
  }
  for (const auto &[name, file] : names) {
    if (file >= 0 && items.count(file) != 0) make_item(items, file, random, path / name);
  }
}

}  // namespace

void record_disk(const fs::path &root) {
  calls.clear();
  numbers.clear();
  struct stat status {};
  if (::stat(root.c_str(), &status) != 0) throw std::runtime_error("no " + root.string());
  root_number = number_of(status);
  recording = true;
}

void note_confirmed(const std::string &what) { note({Call::kConfirm, -1, -1, what, -1, "", ""}); }
void stop_recording() { recording = false; }
size_t recorded_calls() { return calls.size(); }

std::string confirmed_before(size_t call) {
  std::string all;
  for (size_t i = 0; i < call; ++i) {
    if (calls[i].kind == Call::kConfirm) all += calls[i].name + ";";
  }
  return all;
}

void make_remains(size_t call, std::mt19937 &random, const fs::path &root) {
  fs::remove(root);  // it is made anew, empty as it is
  make_item(replay(call), root_number, random, root);
}

}  // namespace faults
}  // namespace quern

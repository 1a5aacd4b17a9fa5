#include "cli/staged_directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/failure.hpp"
#include "cli/printable.hpp"

namespace quern::cli {

namespace fs = std::filesystem;

StagedDirectory::StagedDirectory(const std::string &path) : path_(path) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  std::error_code error;
  if (fs::exists(path_, error) && !(fs::is_directory(path_, error) && fs::is_empty(path_, error))) {
    fail(kFailed, printable(path_), " exists and is no empty directory; name a new one");
  }
  temporary_ = path_ + ".tmp.XXXXXX";
  if (!mkdtemp(temporary_.data())) {
    temporary_.clear();
    fail(kFailed, printable(path_), ": cannot be created: ", std::strerror(errno));
  }
  const mode_t mask = umask(0);
  umask(mask);
  chmod(temporary_.c_str(), static_cast<mode_t>(0777 & ~mask));
}

StagedDirectory::~StagedDirectory() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void StagedDirectory::publish() {
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail(kFailed, printable(path_), ": cannot be created: ", std::strerror(errno));
  }
  temporary_.clear();
}

}  // namespace quern::cli

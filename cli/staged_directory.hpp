// A directory that appears under its name only when complete; until then, and after a failure, a temporary beside it
// that the destructor removes.
#pragma once

#include <string>

namespace quern::cli {

class StagedDirectory {
 public:
  // `path` must not exist, or be an empty directory. Throws Failure.
  explicit StagedDirectory(const std::string &path);
  StagedDirectory(const StagedDirectory &) = delete;
  StagedDirectory &operator=(const StagedDirectory &) = delete;
  ~StagedDirectory();

  std::string file(const std::string &name) const { return temporary_ + "/" + name; }
  void publish();

 private:
  std::string path_;
  std::string temporary_;  // "" once published
};

}  // namespace quern::cli

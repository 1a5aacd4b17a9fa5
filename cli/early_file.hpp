// A file that is known to be writable before the long work whose result goes into it.
#pragma once

#include <string>

namespace quern::cli {

class EarlyFile {
 public:
  // "" is no file. Throws Failure.
  explicit EarlyFile(const std::string &path);
  EarlyFile(const EarlyFile &) = delete;
  EarlyFile &operator=(const EarlyFile &) = delete;
  // Removes what the constructor created unless it has been written.
  ~EarlyFile();

  void write(const std::string &content);

 private:
  std::string path_;
  bool created_ = false;
};

}  // namespace quern::cli

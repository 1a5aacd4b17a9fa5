// Libraries opened at run time. They are never closed: closing CUDA's libraries under a process that uses them crashes
// it.
#pragma once

#include <string>
#include <vector>

namespace quern {

class SharedLibrary {
 public:
  // Empty handle and a reason if it cannot be opened.
  static SharedLibrary open(const std::string &name, std::string &reason);
  // Only if the process has it loaded already.
  static SharedLibrary already_open(const std::string &name);

  explicit operator bool() const { return handle_ != nullptr; }
  void *find(const char *symbol) const;
  std::string path() const;  // of the file; "" if unknown

 private:
  void *handle_ = nullptr;
};

}  // namespace quern

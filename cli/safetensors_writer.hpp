// Writes a safetensors file: all tensors are announced first, then their bytes follow in that order. The file appears
// under its name only when it is complete and on disk; before that, and after any failure, only a temporary beside it
// that the destructor removes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "cli/safetensors.hpp"

namespace quern::safetensors {

struct PlannedTensor {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
};

// The length field and the header's text, padded so that the data begins at a multiple of 8. Throws std::runtime_error
// for duplicate names and shapes that overflow.
std::string header_bytes(const std::vector<PlannedTensor> &tensors, const std::map<std::string, std::string> &metadata);

class Writer {
 public:
  // Opens the temporary and writes the header. Throws std::runtime_error: one line that names the file.
  Writer(const std::string &path, const std::vector<PlannedTensor> &tensors,
         const std::map<std::string, std::string> &metadata);
  Writer(const Writer &) = delete;
  Writer &operator=(const Writer &) = delete;
  ~Writer();

  // The next bytes of the data, in the order of the plan; in pieces of any size.
  void append(std::span<const std::byte> bytes);
  // fsync, then rename onto the path. Exactly the planned bytes must have been appended.
  void finish();

 private:
  [[noreturn]] void fail_with(const char *what) const;
  void write_all(const void *bytes, size_t count);

  std::string path_;
  std::string temporary_;  // "" once renamed
  int descriptor_ = -1;
  uint64_t missing_ = 0;
};

}  // namespace quern::safetensors

// A safetensors file mapped for reading. Pages are read when touched, so a file larger than memory is no matter.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "cli/safetensors.hpp"

namespace quern::safetensors {

class MappedFile {
 public:
  // Throws std::runtime_error: one line that names the file.
  explicit MappedFile(const std::string &path);
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&) = delete;
  ~MappedFile();

  const std::string &path() const { return path_; }
  const Header &header() const { return header_; }
  std::span<const std::byte> data(const Tensor &tensor) const;

 private:
  std::string path_;
  std::byte *memory_ = nullptr;
  size_t bytes_ = 0;
  Header header_;
};

}  // namespace quern::safetensors

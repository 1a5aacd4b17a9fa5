// One safetensors file, or a directory of them with the index that transformers writes: tensors by name.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "cli/mapped_file.hpp"

namespace quern::cli {

inline constexpr const char *kIndexName = "model.safetensors.index.json";

// A tensor and the file it is in.
struct Located {
  const safetensors::MappedFile *file = nullptr;
  const safetensors::Tensor *tensor = nullptr;

  explicit operator bool() const { return tensor != nullptr; }
  std::span<const std::byte> data() const { return file->data(*tensor); }
};

class Checkpoint {
 public:
  // Throws Failure or std::runtime_error: one line that names the file.
  explicit Checkpoint(const std::string &path);

  bool is_directory() const { return is_directory_; }
  const std::deque<safetensors::MappedFile> &files() const { return files_; }
  Located find(std::string_view name) const;
  // Fails where `output` is one of its files, under whatever name: writing it would lose what is read.
  void refuse_as_output(const std::string &output) const;

 private:
  void open_directory(const std::string &path);
  void check_names() const;

  std::string path_;
  bool is_directory_ = false;
  std::deque<safetensors::MappedFile> files_;
};

}  // namespace quern::cli

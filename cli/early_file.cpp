#include "cli/early_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/failure.hpp"
#include "cli/printable.hpp"

namespace quern::cli {
namespace {

[[noreturn]] void cannot_write(const std::string &path) {
  fail(kFailed, printable(path), " cannot be written: ", std::strerror(errno));
}

}  // namespace

EarlyFile::EarlyFile(const std::string &path) : path_(path) {
  if (path_.empty()) return;
  const bool existed = ::access(path_.c_str(), F_OK) == 0;
  std::FILE *const file = std::fopen(path_.c_str(), "ab");  // keeps what is there
  if (file == nullptr) cannot_write(path_);
  std::fclose(file);
  created_ = !existed;
}

EarlyFile::~EarlyFile() {
  if (created_) std::remove(path_.c_str());
}

void EarlyFile::write(const std::string &content) {
  std::FILE *const file = std::fopen(path_.c_str(), "wb");
  if (file == nullptr) cannot_write(path_);
  const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
  if (std::fclose(file) != 0 || !written) cannot_write(path_);
  created_ = false;
}

}  // namespace quern::cli

#include "cli/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "cli/printable.hpp"

namespace quern::safetensors {
namespace {

[[noreturn]] void fail_with(const std::string &path, const std::string &fact) {
  throw std::runtime_error(printable(path) + ": " + fact);
}

}  // namespace

MappedFile::MappedFile(const std::string &path) : path_(path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer that never comes.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail_with(path, std::strerror(errno));
  struct stat status {};
  const bool regular = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  bytes_ = regular ? static_cast<size_t>(status.st_size) : 0;
  void *memory = MAP_FAILED;
  if (bytes_ > 0) memory = mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int error = errno;
  close(descriptor);
  if (!regular) fail_with(path, "not a regular file");
  if (bytes_ == 0) fail_with(path, "the file is empty");
  if (memory == MAP_FAILED) fail_with(path, std::string("cannot be mapped: ") + std::strerror(error));
  memory_ = static_cast<std::byte *>(memory);
  try {
    header_ = parse_safetensors({memory_, bytes_});
  } catch (const FormatError &format_error) {
    munmap(memory_, bytes_);
    fail_with(path, format_error.what());
  }
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : path_(std::move(other.path_)),
      memory_(std::exchange(other.memory_, nullptr)),
      bytes_(other.bytes_),
      header_(std::move(other.header_)) {}

MappedFile::~MappedFile() {
  if (memory_) munmap(memory_, bytes_);
}

std::span<const std::byte> MappedFile::data(const Tensor &tensor) const {
  return {memory_ + header_.data_start + tensor.begin, tensor.bytes()};
}

}  // namespace quern::safetensors

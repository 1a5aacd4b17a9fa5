#include "cli/safetensors_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "cli/printable.hpp"

namespace quern::safetensors {
namespace {

uint64_t planned_bytes(const PlannedTensor &tensor) {
  const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
  if (!bytes)
    throw std::runtime_error("tensor '" + printable(tensor.name) + "' is too large: " + shape_text(tensor.shape));
  return *bytes;
}

// What open(2) with 0666 would have given; mkstemp gives 0600.
mode_t default_mode() {
  const mode_t mask = umask(0);
  umask(mask);
  return static_cast<mode_t>(0666 & ~mask);
}

}  // namespace

std::string header_bytes(const std::vector<PlannedTensor> &tensors,
                         const std::map<std::string, std::string> &metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::set<std::string> names;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const PlannedTensor &tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw std::runtime_error("two tensors would be named '" + printable(tensor.name) + "'");
    }
    const uint64_t end = offset + planned_bytes(tensor);
    // Not operator[]: ordered_json looks names up one by one, and checkpoints have tens of thousands.
    header.get_ref<nlohmann::ordered_json::object_t &>().emplace_back(
        tensor.name,
        nlohmann::ordered_json{
            {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}});
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string bytes(8, '\0');
  const uint64_t length = text.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + text;
}

Writer::Writer(const std::string &path, const std::vector<PlannedTensor> &tensors,
               const std::map<std::string, std::string> &metadata)
    : path_(path) {
  struct stat there {};
  if (stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {  // a device, say, would be gone
    throw std::runtime_error(printable(path) + " is no regular file; name one to write");
  }
  const std::string header = header_bytes(tensors, metadata);
  for (const PlannedTensor &tensor : tensors) missing_ += planned_bytes(tensor);
  temporary_ = path + ".tmp.XXXXXX";
  descriptor_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (descriptor_ < 0) {
    temporary_.clear();
    fail_with("cannot be created");
  }
  try {
    fchmod(descriptor_, default_mode());
    write_all(header.data(), header.size());
  } catch (...) {
    close(descriptor_);
    unlink(temporary_.c_str());
    throw;
  }
}

Writer::~Writer() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void Writer::append(std::span<const std::byte> bytes) {
  if (bytes.size() > missing_) throw std::logic_error(path_ + ": more bytes than planned");
  write_all(bytes.data(), bytes.size());
  missing_ -= bytes.size();
}

void Writer::finish() {
  if (missing_ > 0) throw std::logic_error(path_ + ": fewer bytes than planned");
  if (fsync(descriptor_) != 0) fail_with("cannot be written");
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (close(descriptor) != 0) fail_with("cannot be written");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail_with("cannot be replaced");
  temporary_.clear();
  // Best effort: some file systems cannot sync a directory, and the data itself is safe.
  const std::string directory = std::filesystem::path(path_).parent_path().string();
  const int parent = open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    fsync(parent);
    close(parent);
  }
}

void Writer::write_all(const void *bytes, size_t count) {
  const char *next = static_cast<const char *>(bytes);
  while (count > 0) {
    const ssize_t written = write(descriptor_, next, std::min(count, size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_with("cannot be written");
    next += written;
    count -= static_cast<size_t>(written);
  }
}

void Writer::fail_with(const char *what) const {
  throw std::runtime_error(printable(path_) + ": " + what + ": " + std::strerror(errno));
}

}  // namespace quern::safetensors

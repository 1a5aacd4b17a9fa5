// Device memory filled with 0xFF and surrounded by more of it, so that what a kernel does not write, or writes outside,
// is seen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <quern/quern.hpp>

namespace quern::cli {

class GuardedMemory {
 public:
  static constexpr std::byte kPoison{0xff};

  // `shift` moves the start away from the alignment of the allocation.
  GuardedMemory(const host::Device &device, size_t bytes, size_t shift = 0)
      : device_(device), bytes_(bytes), start_(kGuard + shift), image_(start_ + bytes + kGuard, kPoison) {
    memory_ = device.allocate(image_.size());
    poison();
  }

  void *get() const { return static_cast<std::byte *>(memory_.get()) + start_; }

  void poison() {
    std::fill(image_.begin(), image_.end(), kPoison);
    device_.copy(memory_.get(), image_.data(), image_.size());
  }

  // Read back; false if a guard was written.
  bool fetch() {
    device_.copy(image_.data(), memory_.get(), image_.size());
    const auto untouched = [](std::byte byte) { return byte == kPoison; };
    return std::all_of(image_.begin(), image_.begin() + static_cast<ptrdiff_t>(start_), untouched) &&
           std::all_of(image_.begin() + static_cast<ptrdiff_t>(start_ + bytes_), image_.end(), untouched);
  }

  // As of the last fetch().
  const std::byte *data() const { return image_.data() + start_; }

 private:
  static constexpr size_t kGuard = 1024;

  const host::Device &device_;
  size_t bytes_, start_;
  std::vector<std::byte> image_;
  host::DeviceMemory memory_;
};

// Rows of `row_bytes` placed `stride` apart in device memory; what lies between is 0xFF.
inline host::DeviceMemory upload_rows(const host::Device &device, const std::vector<std::byte> &dense, size_t row_bytes,
                                      size_t stride) {
  const size_t rows = row_bytes == 0 ? 0 : dense.size() / row_bytes;
  std::vector<std::byte> strided(rows * stride, GuardedMemory::kPoison);
  for (size_t row = 0; row < rows; ++row) {
    std::copy_n(dense.begin() + static_cast<ptrdiff_t>(row * row_bytes), row_bytes,
                strided.begin() + static_cast<ptrdiff_t>(row * stride));
  }
  host::DeviceMemory memory = device.allocate(strided.size());
  device.copy(memory.get(), strided.data(), strided.size());
  return memory;
}

}  // namespace quern::cli

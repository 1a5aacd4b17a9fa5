// A kernel that does nothing but read, to measure the rate at which device memory can be read.
#pragma once

#include <cstddef>

#include "cli/cuda_driver.hpp"

namespace quern::cli {

class ReadStream {
 public:
  // A driver without what it needs leaves it unusable.
  ReadStream(const cuda::Driver &driver, int sm_count);
  ~ReadStream();
  ReadStream(const ReadStream &) = delete;
  ReadStream &operator=(const ReadStream &) = delete;

  bool usable() const { return kernel_ != nullptr; }
  // Reads `bytes`, a multiple of 16, from an address that is one too. `sink` is 4 bytes that it may write.
  void enqueue(cuda::DevicePointer src, size_t bytes, cuda::DevicePointer sink, cuda::Stream stream) const;

 private:
  const cuda::Driver &driver_;
  int sm_count_;
  cuda::Module module_ = nullptr;
  cuda::Function kernel_ = nullptr;
};

}  // namespace quern::cli

// Machine code loaded into the driver: one library and one kernel, good for every device and context of the process.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "runtime/cuda/driver_api.hpp"

namespace quern {

class Module {
 public:
  // Throws QUERN_BAD_MANIFEST if the entry is missing or the driver reports a first parameter of other than
  // `block_bytes` (0: any), QUERN_CUDA_ERROR otherwise. PTX is finished by the driver here.
  Module(std::span<const uint8_t> code, const std::string &entry, size_t block_bytes, const std::string &kernel);
  ~Module();
  Module(const Module &) = delete;
  Module &operator=(const Module &) = delete;

  // Load it onto the device whose context is current, now rather than at the first launch, which may be under capture,
  // and let launches there take as much shared memory. Plans share a module: none takes away what another asked for.
  void prepare(cu::Device device, int64_t shared_bytes) const;

  // A kernel may be launched as a function in any context.
  cu::Function function() const { return reinterpret_cast<cu::Function>(kernel_); }

 private:
  cu::Library library_ = nullptr;
  cu::Kernel kernel_ = nullptr;
  mutable std::mutex mutex_;                            // guards shared_bytes_
  mutable std::map<cu::Device, int64_t> shared_bytes_;  // dynamic, the most that was asked for
};

}  // namespace quern

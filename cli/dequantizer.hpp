// Rows of MXFP4 in host memory to rows of floats in host memory, on any device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include <quern/quern.hpp>

namespace quern::cli {

class Dequantizer {
 public:
  Dequantizer(const host::Device &device, quern_dtype dtype, const quern_decode_policy &policy);

  int64_t element_bytes() const { return dtype_ == QUERN_DTYPE_F32 ? 4 : 2; }

  // As many rows as one call of run() should be given: enough for a device, little enough for memory and for progress.
  int64_t rows_at_once(int64_t k) const;

  // blocks [rows, k/2], scales [rows, k/32], dst [rows, k]; rows at most rows_at_once(k).
  void run(const std::byte *blocks, const std::byte *scales, int64_t rows, int64_t k, std::byte *dst);

 private:
  struct Staging {
    host::DeviceMemory memory;
    void *hold(const host::Device &device, size_t bytes);
  };

  const host::Plan &plan(int64_t k);

  const host::Device &device_;
  quern_dtype dtype_;
  quern_decode_policy policy_;
  bool on_host_;
  std::map<int64_t, host::Plan> plans_;  // by k
  Staging blocks_, scales_, dst_, workspace_;
};

}  // namespace quern::cli

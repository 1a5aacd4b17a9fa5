// Copies of the same random weights, so that a run finds none of its own in a cache.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quern/quern.hpp>

#include "cli/bench_data.hpp"
#include "cli/bench_models.hpp"

namespace quern::cli {

// Blocks and scales in one allocation, at addresses that every kernel takes.
class CanonicalWeights {
 public:
  CanonicalWeights(const host::Device &device, const RandomWeights &weights, quern_stream stream);
  const void *blocks() const { return memory_.get(); }
  const void *scales() const { return static_cast<const std::byte *>(memory_.get()) + scales_offset_; }

 private:
  size_t scales_offset_;
  host::DeviceMemory memory_;
};

// W as a plan of some layout reads it.
class MxWeights {
 public:
  static size_t bytes(const BenchShape &shape, quern_layout layout);
  // `source` on the device, `host` for the canonical layout.
  MxWeights(const host::Device &device, const BenchShape &shape, quern_layout layout, const RandomWeights &host,
            const CanonicalWeights &source, size_t copies, quern_stream stream);
  // Which copy the run reads.
  void choose(size_t index, quern_gemm_args &args) const;
  size_t copies() const { return copies_; }

 private:
  bool packed_;
  size_t copies_, bytes_, scales_offset_;
  host::DeviceMemory memory_;
};

// W dequantized to 16 bits, as cuBLAS reads it.
class DenseWeights {
 public:
  static size_t bytes(const BenchShape &shape);
  DenseWeights(const host::Device &device, const BenchShape &shape, quern_dtype dtype, const CanonicalWeights &source,
               size_t copies, quern_stream stream);
  const void *copy(size_t index) const { return static_cast<const std::byte *>(memory_.get()) + index * bytes_; }
  size_t copies() const { return copies_; }

 private:
  size_t copies_, bytes_;
  host::DeviceMemory memory_;
};

}  // namespace quern::cli

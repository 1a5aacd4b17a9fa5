#include "runtime/operations/quantizing_executor.hpp"

#include <algorithm>

#include <quern/gemm_params.h>
#include <quern/quantize_params.h>

namespace quern {
namespace {

constexpr size_t kAlignment = 256;

constexpr size_t round_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Where the parts of the workspace begin: X at 0, its scales, and what the GEMM itself needs.
struct Parts {
  size_t scales, gemm;
};

Parts parts_of(int64_t rows, int64_t k) {
  const size_t scales = round_up(static_cast<size_t>(rows) * static_cast<size_t>(k));
  return {scales, scales + round_up(static_cast<size_t>(rows) * sizeof(float))};
}

}  // namespace

QuantizingExecutor::QuantizingExecutor(std::unique_ptr<Executor> quantize, std::unique_ptr<Executor> gemm, int64_t k)
    : quantize_(std::move(quantize)), gemm_(std::move(gemm)), k_(k), explanation_(gemm_->explanation()) {
  const std::vector<Explanation> &second = quantize_->explanation();
  explanation_.insert(explanation_.end(), second.begin(), second.end());
}

int64_t QuantizingExecutor::smallest() const { return std::max(quantize_->smallest(), gemm_->smallest()); }
int64_t QuantizingExecutor::largest() const { return std::min(quantize_->largest(), gemm_->largest()); }

size_t QuantizingExecutor::workspace_bytes(int64_t size) const {
  return parts_of(size, k_).gemm + gemm_->workspace_bytes(size);
}

void QuantizingExecutor::run(void *parameters, int64_t size, quern_stream stream) const {
  GemmParams &gemm = *static_cast<GemmParams *>(parameters);
  uint8_t *workspace = static_cast<uint8_t *>(gemm.workspace);
  const Parts parts = parts_of(size, k_);
  QuantizeParams quantize{};
  quantize.src = gemm.x;
  quantize.dst = workspace;
  quantize.scales = workspace + parts.scales;
  quantize.src_stride = gemm.x_stride;
  quantize.dst_stride = k_;
  quantize.rows = size;
  quantize.k = k_;
  quantize.src_dtype = gemm.x_dtype;
  quantize.format = kFormatE4m3Row;
  gemm.x = quantize.dst;
  gemm.x_scales = static_cast<const float *>(quantize.scales);
  gemm.x_stride = k_;
  gemm.x_dtype = kE4m3;
  gemm.workspace = workspace + parts.gemm;
  quantize_->run(&quantize, size, stream);
  gemm_->run(&gemm, size, stream);
}

}  // namespace quern

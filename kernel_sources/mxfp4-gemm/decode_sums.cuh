// The sums of a pass of decode_sm90a.cu: from the warps to Y. All additions in fixed order.
#pragma once

#include <quern/gemm_epilogue.cuh>
#include <quern/named_barrier.cuh>

#include "decode_plan.cuh"

namespace quern {
namespace {

// What the ends of all passes need.
struct Output {
  const GemmParams &p;
  const Plan &plan;
  uint8_t *memory;

  __device__ __forceinline__ const PackedRow *rows() const {
    return reinterpret_cast<const PackedRow *>(memory + plan.rows_at);
  }
  __device__ __forceinline__ float *bias() const { return reinterpret_cast<float *>(memory + plan.bias_at); }

  // `row` counts from the CTA's first.
  __device__ __forceinline__ void finish(float sum, int token, int row) const {
    const int n = plan.first_strip * kPackedTileRows + row;
    if (n < p.n) store_result(p, sum * rows()[row].scale, bias()[row], token, n);
  }
};

// All warps that multiply.
__device__ __forceinline__ void warps_barrier() { named_barrier_sync<1, kThreads>(); }

// Add what the warps stored of a pass, [warp][strip], and write Y. `strip` is the pass's first.
__device__ __forceinline__ void add_warps(const Output &output, int strip, int strips) {
  // One token's strips one after another; those of several tokens as if there were a power of two.
  constexpr int kStep = TOKENS == 1 ? 1 : 4;
  static_assert(TOKENS == 1 || MAX_STRIPS <= kStep, "a token's strips");
  const Plan &plan = output.plan;
  const int tokens = output.p.m;
  const int strip_floats = tokens * kSumStride;
  const int warp_floats = strips * strip_floats;
  const int items = TOKENS == 1 ? strips : kStep * tokens;
  const float *sums = reinterpret_cast<const float *>(output.memory + plan.sums_at);
  for (int i = static_cast<int>(threadIdx.x); i < items * kPackedTileRows; i += kThreads) {
    const int row = i % kPackedTileRows, item = i / kPackedTileRows;
    const int s = TOKENS == 1 ? item : item % kStep, token = TOKENS == 1 ? 0 : item / kStep;
    if (s >= strips) continue;
    const float *from = sums + s * strip_floats + token * kSumStride + row;
    float sum = from[0];
#pragma unroll
    for (int warp = 1; warp < WARPS; ++warp) sum += from[warp * warp_floats];
    output.finish(sum, token, (strip + s) * kPackedTileRows + row);
  }
}

}  // namespace
}  // namespace quern

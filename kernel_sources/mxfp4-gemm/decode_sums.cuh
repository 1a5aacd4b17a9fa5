// The sums of a pass of decode_sm90a.cu: from the warps, and the CTAs of a cluster, to Y. All additions in fixed order.
#pragma once

#include <quern/cluster.cuh>
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
  int rank;

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

// Add what the warps stored of kStrips strips, [warp][strip], and write Y, or send it to the CTA of the cluster that
// does. `strip` is the first of them, `in_pass` within its pass.
template <int kStrips>
__device__ __forceinline__ void add_warps(const Output &output, const float *sums, int strip, int in_pass) {
  const Plan &plan = output.plan;
  const int tokens = output.p.m;
  const int strip_floats = tokens * kSumStride;
  const int warp_floats = min(kSumStrips, plan.pass_strips) * strip_floats;
  for (int i = static_cast<int>(threadIdx.x); i < kStrips * kPackedTileRows * tokens; i += kThreads) {
    const int row = i % kPackedTileRows, s = i / kPackedTileRows % kStrips, token = i / kPackedTileRows / kStrips;
    const float *from = sums + s * strip_floats + token * kSumStride + row;
    float sum = from[0];
#pragma unroll
    for (int warp = 1; warp < WARPS; ++warp) sum += from[warp * warp_floats];
    if constexpr (CLUSTER_K == 1) {
      output.finish(sum, token, (strip + s) * kPackedTileRows + row);
    } else {
      const int at = in_pass + s;
      const uint32_t to = plan.parts_at + output.rank * plan.part_bytes(tokens) +
                          ((at / CLUSTER_K * tokens + token) * kPackedTileRows + row) * 4;
      store_cluster(shared_address(output.memory + to), static_cast<uint32_t>(at % CLUSTER_K), sum);
    }
  }
}

// Of the only pass: add what the CTAs of the cluster sent, and write Y.
__device__ __forceinline__ void add_cluster(const Output &output) {
  const int tokens = output.p.m;
  const int part_floats = static_cast<int>(output.plan.part_bytes(tokens) / 4);
  const float *parts = reinterpret_cast<const float *>(output.memory + output.plan.parts_at);
  const int own_strips = (output.plan.strips - output.rank + CLUSTER_K - 1) / CLUSTER_K;
  for (int i = static_cast<int>(threadIdx.x); i < own_strips * kPackedTileRows * tokens; i += kThreads) {
    const int row = i % kPackedTileRows, token = i / kPackedTileRows % tokens;
    const int strip = i / kPackedTileRows / tokens * CLUSTER_K + output.rank;
    float sum = parts[i];
#pragma unroll
    for (int part = 1; part < CLUSTER_K; ++part) sum += parts[part * part_floats + i];
    output.finish(sum, token, strip * kPackedTileRows + row);
  }
}

}  // namespace
}  // namespace quern

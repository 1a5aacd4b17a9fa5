// What a CTA and its warps do in decode_sm90a.cu, and where things lie in shared memory. kernel.json computes the size
// of shared memory by the same rules.
//
// Strips of 16 rows go to CTAs evenly. A CTA takes its strips in passes of up to MAX_STRIPS. A pass goes along K in
// stages of WARPS * step K64 tiles of all its strips; in a stage every warp has the same `step` tiles of each strip,
// and so the same part of X. What remains in the end is shared out evenly.
#pragma once

#include <quern/gemm_params.h>
#include <quern/packed_layout.h>

namespace quern {
namespace {

constexpr uint32_t kX = QUERN_X_DTYPE;
constexpr int kThreads = 32 * WARPS;  // that multiply
constexpr int kAllThreads = kThreads + 32 * (1 + X_WARPS);
constexpr int kSumStride = kPackedTileRows + 4;  // floats of a token: keeps the lanes' stores free of bank conflicts
// How X comes (decode_load_x.cuh): once and for all stages; or a stage's part by the warp that reads it, or by others.
constexpr bool kAllX = TOKENS == 1, kOwnX = !kAllX && X_WARPS == 0;
static_assert(!kAllX || X_WARPS == 0, "who multiplies loads all of X");

// What is copied to elsewhere than a multiple of 128 comes a tenth slower.
__device__ __forceinline__ uint32_t aligned(uint32_t bytes) { return (bytes + 127u) & ~127u; }

__device__ __forceinline__ int ceil_div(int a, int b) { return (a + b - 1) / b; }

// Part `index` of `count` parts of a whole, the first ones longer by one where it does not divide.
struct Part {
  int first;
  int size;
  __device__ __forceinline__ Part(int whole, int count, int index) {
    const int quotient = whole / count, remainder = whole % count;
    first = index * quotient + min(index, remainder);
    size = quotient + (index < remainder ? 1 : 0);
  }
};

struct Plan {
  int k_tiles;      // of a strip
  int step;         // tiles of a warp in a stage
  int full_stages;  // of a pass, with WARPS * step tiles a strip
  int tail_tiles;   // of one more stage; 0: none
  int pass_stages;
  int slots;        // of the ring
  int first_strip;  // of this CTA
  int strips;
  int passes;
  int pass_strips;  // at most
  uint32_t slot_bytes, strip_bytes, x_row_bytes, sum_bytes;
  uint32_t ring_at, sums_at, rows_at, bias_at, x_at;  // in shared memory; barriers are at 0

  __device__ __forceinline__ explicit Plan(const GemmParams &p) {
    const int ctas = static_cast<int>(gridDim.x);
    const int row_tiles = ceil_div(p.n, kPackedTileRows);
    const Part own_strips(row_tiles, ctas, static_cast<int>(blockIdx.x));
    first_strip = own_strips.first;
    strips = own_strips.size;
    const int most_strips = ceil_div(row_tiles, ctas);
    passes = ceil_div(most_strips, MAX_STRIPS);
    pass_strips = passes == 1 ? most_strips : ceil_div(most_strips, passes);

    k_tiles = ceil_div(p.k, kPackedTileK);
    const int most_stages = ceil_div(k_tiles, WARPS * MAX_TILES);
    step = most_stages == 1 ? ceil_div(k_tiles, WARPS) : ceil_div(k_tiles, WARPS * most_stages);
    full_stages = k_tiles / (WARPS * step);
    tail_tiles = k_tiles - full_stages * WARPS * step;
    pass_stages = full_stages + (tail_tiles > 0 ? 1 : 0);
    slots = min(SLOTS, most_stages * passes);

    strip_bytes = static_cast<uint32_t>(WARPS * step * kPackedTileBytes);
    x_row_bytes = static_cast<uint32_t>(WARPS * step * 2 * kPackedTileK + 16);  // rows 16 bytes apart in the banks
    slot_bytes = aligned(static_cast<uint32_t>(pass_strips) * strip_bytes + (kAllX ? 0u : p.m * x_row_bytes));
    sum_bytes = static_cast<uint32_t>(p.m * kSumStride * 4);
    const uint32_t all_sums = static_cast<uint32_t>(WARPS * pass_strips) * sum_bytes;
    ring_at = aligned(static_cast<uint32_t>(16 * slots + 32 + 4 * WARPS));
    // The only pass has no use for the ring when it ends.
    const uint32_t ring_bytes = static_cast<uint32_t>(slots) * slot_bytes;
    sums_at = passes == 1 ? ring_at : ring_at + ring_bytes;
    rows_at = passes == 1 ? ring_at + max(ring_bytes, all_sums) : sums_at + all_sums;
    bias_at = rows_at + static_cast<uint32_t>(most_strips) * kPackedTileRows * sizeof(PackedRow);
    x_at = bias_at + static_cast<uint32_t>(most_strips) * kPackedTileRows * sizeof(float);
  }

  __device__ __forceinline__ int stage_tiles(int stage) const {
    return stage < full_stages ? WARPS * step : tail_tiles;
  }
  __device__ __forceinline__ uint32_t full_barrier(uint32_t slot) const { return 16 * slot; }
  __device__ __forceinline__ uint32_t empty_barrier(uint32_t slot) const { return 16 * slot + 8; }
  __device__ __forceinline__ uint32_t rows_barrier() const { return static_cast<uint32_t>(16 * slots); }
  __device__ __forceinline__ uint32_t zeros() const { return static_cast<uint32_t>(16 * slots + 16); }  // 16 bytes
  __device__ __forceinline__ uint32_t largest_x(int warp) const { return zeros() + 16 + 4 * warp; }
};

// A warp's tiles of a pass's last stage, seen from those that it has in the others.
struct Tail {
  int shift;
  int count;
  __device__ __forceinline__ Tail(const Plan &plan, int warp) {
    const Part part(plan.tail_tiles, WARPS, warp);
    shift = part.first - warp * plan.step;
    count = part.size;
  }
};

// Where a warp stands in the ring.
struct Position {
  uint32_t slot = 0;
  uint32_t parity = 0;
  // Whether it begins anew.
  __device__ __forceinline__ bool advance(const Plan &plan) {
    if (++slot < static_cast<uint32_t>(plan.slots)) return false;
    slot = 0;
    parity ^= 1u;
    return true;
  }
};

}  // namespace
}  // namespace quern

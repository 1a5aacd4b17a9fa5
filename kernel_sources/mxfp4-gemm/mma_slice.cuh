// What one warp does with one slice of 128 K in mma_sm80.cu: nibbles from shared memory to A fragments, X to B
// fragments, and the MMAs. gemm_mma_layout.h says which lane takes what.
#pragma once

#include <quern/gemm_mma_layout.h>
#include <quern/e2m1_convert.cuh>
#include <quern/mma_sync.cuh>
#include <quern/shared_memory.cuh>

namespace quern {
namespace {

constexpr uint32_t kX = QUERN_X_DTYPE;
constexpr bool kXIsBf16 = kX == kBf16;
constexpr int kRowTiles = TILE_ROWS / (16 * WARPS_ROWS);       // of 16 rows, per warp
constexpr int kTokenTiles = TILE_TOKENS / (8 * WARPS_TOKENS);  // of 8 tokens, per warp
constexpr int kWarpRows = 16 * kRowTiles;
constexpr int kWarpTokens = 8 * kTokenTiles;

// Unrolled, the steps of a large tile would be mixed until they spill.
constexpr int kStepUnroll = kRowTiles * kTokenTiles <= 2 ? kSliceSteps : 1;

using Accumulators = float[kRowTiles][kTokenTiles][4];

// Scale bytes of a lane: of one block, rows g and g+8 of every row tile.
using ScaleBytes = uint32_t[kRowTiles][2];

// What a lane reads of a stage: its slice, row g of its first row tile and token g of its first token tile.
struct Operands {
  uint32_t weights;  // of the stage
  uint32_t x;
  int slice;
  int row;
  int token;
};

// Convert one word of each of rows g and g+8, and arrange the pairs as A fragments of two MMAs.
__device__ __forceinline__ void arrange(const uint32_t (&upper)[4], const uint32_t (&lower)[4], uint32_t (&a)[2][4]) {
#pragma unroll
  for (int j = 0; j < 2; ++j) {
#pragma unroll
    for (int reg = 0; reg < 4; ++reg) {
      a[j][reg] = reg % 2 == 0 ? upper[fragment_a_pair(j, reg)] : lower[fragment_a_pair(j, reg)];
    }
  }
}

__device__ __forceinline__ uint4 load_x(const Operands &at, int t, int step, int token_tile) {
  const int offset = x_offset(TILE_TOKENS, at.slice, at.token, fragment_chunk(kXIsBf16, t, step));
  return load_shared_16(at.x + offset + token_tile * 8 * kTokenBytes);
}

__device__ __forceinline__ void multiply_slice_bf16(const Operands &at, int t, bool flush_zero, const ScaleBytes &bytes,
                                                    Accumulators &sums) {
  uint4 words[kRowTiles][2];
  uint32_t scales[kRowTiles][2];
#pragma unroll
  for (int i = 0; i < 2 * kRowTiles; ++i) {
    words[i / 2][i % 2] =
        load_shared_16(at.weights + weight_offset(TILE_ROWS, at.slice, at.row, t) + i * 8 * kWeightRowBytes);
    scales[i / 2][i % 2] = e8m0_to_bf16x2(bytes[i / 2][i % 2], flush_zero);
  }
#pragma unroll(kStepUnroll)
  for (int step = 0; step < kSliceSteps; ++step) {
    uint32_t a[kRowTiles][2][4];
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
      uint32_t pairs[2][4];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        uint4 &w = words[i][half];
        e2m1x8_to_bf16x2(w.x, pairs[half]);
        w.x = w.y;  // word `step` without an index, which registers do not have
        w.y = w.z;
        w.z = w.w;
#pragma unroll
        for (int k = 0; k < 4; ++k) pairs[half][k] = multiply_bf16x2(pairs[half][k], scales[i][half]);
      }
      arrange(pairs[0], pairs[1], a[i]);
    }
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) {
      const uint4 x = load_x(at, t, step, n);
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) mma_m16n8k16<kX>(sums[i][n], a[i][0], x.x, x.y);
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) mma_m16n8k16<kX>(sums[i][n], a[i][1], x.z, x.w);
    }
  }
}

__device__ __forceinline__ void multiply_slice_f16(const Operands &at, int t, bool flush_zero, const ScaleBytes &bytes,
                                                   Accumulators &sums) {
  constexpr uint32_t kAllLanes = 0xffffffffu;
  const DecodePolicy policy{flush_zero ? kScaleZeroFlush : kScaleZeroExact, kScaleNanPropagate, 0, 0};
  // Bytes 253 and 254 can take a weight beyond f32, which the unscaled sum would not show.
  bool large = false;
#pragma unroll
  for (int i = 0; i < 2 * kRowTiles; ++i) large = large || bytes[i / 2][i % 2] >= 253u;
  large = __any_sync(kAllLanes, large);
#pragma unroll(kStepUnroll)
  for (int step = 0; step < kSliceSteps; ++step) {
    uint32_t a[kRowTiles][2][4];
    float scales[kRowTiles][2];
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
      uint32_t pairs[2][4];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int offset = weight_offset(TILE_ROWS, at.slice, at.row, step) + (2 * i + half) * 8 * kWeightRowBytes;
        e2m1x8_to_f16x2(load_shared_4(at.weights + offset + t * 4), pairs[half]);
        const uint32_t byte =
            __shfl_sync(kAllLanes, bytes[i][half], step, 4);  // lane `step` of the quad has this block
        scales[i][half] = decode_scale(byte, policy, kF32);
        if (large) {
#pragma unroll
          for (int k = 0; k < 4; ++k) pairs[half][k] = f16x2_overflow(pairs[half][k], f16_overflow_limit(byte));
        }
      }
      arrange(pairs[0], pairs[1], a[i]);
    }
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) {
      const uint4 x = load_x(at, t, step, n);
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
        float block[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        mma_m16n8k16<kX>(block, a[i][0], x.x, x.y);
        mma_m16n8k16<kX>(block, a[i][1], x.z, x.w);
#pragma unroll
        for (int reg = 0; reg < 4; ++reg) sums[i][n][reg] = fmaf(scales[i][reg / 2], block[reg], sums[i][n][reg]);
      }
    }
  }
}

}  // namespace
}  // namespace quern

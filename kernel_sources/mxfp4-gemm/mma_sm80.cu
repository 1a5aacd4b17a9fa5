// Y = activation(alpha X W^T + bias) + residual on tensor cores by mma.sync, canonical MXFP4 weights, sm_80 and up.
//
// Algorithm: the weights sit on the MMA's M side (16 rows) and are converted in registers; X comes from shared memory
// as the B operand. f32 accumulation.
//   x bf16: A holds the scaled weight, which bf16 holds exactly for every scale byte.
//   x f16: A holds the unscaled element; the two MMAs of a block start from zero, and scale * sum is added in f32.
// Tile: TILE_ROWS x TILE_TOKENS a CTA, on WARPS_ROWS x WARPS_TOKENS warps, times WARPS_K that share K and are summed in
// the epilogue in fixed order. A stage is WARPS_K slices of 128 K; STAGES of them are in flight by cp.async, one
// barrier each. Scale bytes have any alignment, so lanes load their own, one stage ahead; L1 serves all but the first
// touch of a line.
// Shared memory: STAGES * WARPS_K * (64 TILE_ROWS + 256 TILE_TOKENS) bytes, at most 96 KiB so that sm_86 and sm_89 have
// it; the epilogue reuses it. Bound: weight bandwidth for few tokens, tensor cores and conversion for many.
#include <quern/gemm_mma_layout.h>
#include <quern/gemm_params.h>
#include <quern/gemm_epilogue.cuh>
#include <quern/shared_memory.cuh>

#include "mma_slice.cuh"

namespace quern {
namespace {

constexpr int kThreads = 32 * WARPS_ROWS * WARPS_TOKENS * WARPS_K;
constexpr int kStageBlocks = WARPS_K * kSliceBlocks;
constexpr int kStageChunks = WARPS_K * kSliceChunks;
constexpr int kStageWeightBytes = TILE_ROWS * kStageBlocks * 16;
constexpr int kStageBytes = kStageWeightBytes + TILE_TOKENS * kStageChunks * 16;
// A thread copies the same column of every kRowStep-th row and kTokenStep-th token.
constexpr int kRowStep = kThreads / kStageBlocks;
constexpr int kTokenStep = kThreads / kStageChunks;
static_assert(kRowStep % 8 == 0 && TILE_ROWS % kRowStep == 0, "rows of a thread must share their swizzle");
static_assert(kTokenStep % 2 == 0 && TILE_TOKENS % kTokenStep == 0, "tokens of a thread must share their swizzle");
static_assert(4 * sum_index(TILE_ROWS, TILE_TOKENS, WARPS_K, 0, 0) <= STAGES * kStageBytes,
              "the sums reuse the stages");

struct Tile {
  int rows;                // of W that exist in this tile, from its first; may exceed TILE_ROWS
  int tokens;              // of X
  int blocks;              // K / 32
  const uint8_t *weights;  // the tile's first row
  const uint8_t *scales;
  const uint8_t *x;  // the tile's first token
};

// Start the copies of stage number `stage` of K. Rows, tokens and K that do not exist become zeros: 0 * 0 adds nothing.
__device__ __forceinline__ void load_stage(const GemmParams &p, const Tile &tile, int stage, uint32_t shared) {
  {
    const int column = static_cast<int>(threadIdx.x) % kStageBlocks;
    const int first = static_cast<int>(threadIdx.x) / kStageBlocks;
    const int block = stage * kStageBlocks + column;
    const uint8_t *source = tile.weights + first * p.blocks_stride + static_cast<int64_t>(block) * 16;
    const uint32_t slot = shared + weight_offset(TILE_ROWS, column / kSliceBlocks, first, column % kSliceBlocks);
#pragma unroll
    for (int row = 0; row < TILE_ROWS; row += kRowStep) {
      const bool valid = block < tile.blocks && first + row < tile.rows;
      copy_async_16(slot + row * kWeightRowBytes, valid ? source + row * p.blocks_stride : tile.weights, valid);
    }
  }
  {
    const int column = static_cast<int>(threadIdx.x) % kStageChunks;
    const int first = static_cast<int>(threadIdx.x) / kStageChunks;
    const int chunk = stage * kStageChunks + column;
    const uint8_t *source = tile.x + 2 * first * p.x_stride + static_cast<int64_t>(chunk) * 16;
    const uint32_t slot =
        shared + kStageWeightBytes + x_offset(TILE_TOKENS, column / kSliceChunks, first, column % kSliceChunks);
#pragma unroll
    for (int token = 0; token < TILE_TOKENS; token += kTokenStep) {
      const bool valid = chunk / 4 < tile.blocks && first + token < tile.tokens;
      copy_async_16(slot + token * kTokenBytes, valid ? source + 2 * token * p.x_stride : tile.x, valid);
    }
  }
}

// `row` is the lane's row g in the tile. A scale that does not exist is 1, so that it meets its zeros harmlessly.
__device__ __forceinline__ void load_scales(const GemmParams &p, const Tile &tile, int row, int block,
                                            ScaleBytes &scales) {
#pragma unroll
  for (int i = 0; i < 2 * kRowTiles; ++i) {
    const bool valid = block < tile.blocks && row + 8 * i < tile.rows;
    scales[i / 2][i % 2] = valid ? tile.scales[(row + 8 * i) * p.scales_stride + block] : 127u;
  }
}

}  // namespace
}  // namespace quern

extern "C" __global__ void __launch_bounds__(quern::kThreads, MIN_CTAS)
    quern_gemm_mma_sm80(const __grid_constant__ quern::GemmParams p) {
  using namespace quern;
  extern __shared__ __align__(128) uint8_t memory[];
  const int row_tiles = (p.n - 1) / TILE_ROWS + 1;
  // Row tiles first: CTAs that run together share their X.
  const int64_t first_row = static_cast<int64_t>(blockIdx.x % row_tiles) * TILE_ROWS;
  const int64_t first_token = static_cast<int64_t>(blockIdx.x / row_tiles) * TILE_TOKENS;
  const Tile tile{static_cast<int>(p.n - first_row),
                  static_cast<int>(p.m - first_token),
                  p.k / kMxfp4Block,
                  p.blocks + first_row * p.blocks_stride,
                  p.scales + first_row * p.scales_stride,
                  static_cast<const uint8_t *>(p.x) + 2 * first_token * p.x_stride};
  const bool flush_zero = p.scale_zero == kScaleZeroFlush;

  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int g = lane / 4, t = lane % 4;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int slice = warp / (WARPS_ROWS * WARPS_TOKENS);
  const int warp_row = warp % WARPS_ROWS * kWarpRows;
  const int warp_token = warp / WARPS_ROWS % WARPS_TOKENS * kWarpTokens;
  const uint32_t shared = shared_address(memory);

  const int stage_count = (tile.blocks - 1) / kStageBlocks + 1;
#pragma unroll
  for (int stage = 0; stage < STAGES - 1; ++stage) {
    if (stage < stage_count) load_stage(p, tile, stage, shared + stage * kStageBytes);
    copy_async_commit();  // also when empty: groups are counted
  }
  ScaleBytes scales;
  load_scales(p, tile, warp_row + g, slice * kSliceBlocks + t, scales);

  Accumulators sums = {};
  int slot = 0;
  for (int stage = 0; stage < stage_count; ++stage) {
    copy_async_wait<STAGES - 2>();
    __syncthreads();  // the stage is there for all, and all are done with the slot that is filled next
    const int next = stage + STAGES - 1;
    const int next_slot = slot == 0 ? STAGES - 1 : slot - 1;
    if (next < stage_count) load_stage(p, tile, next, shared + next_slot * kStageBytes);
    copy_async_commit();
    ScaleBytes next_scales;
    load_scales(p, tile, warp_row + g, (stage + 1) * kStageBlocks + slice * kSliceBlocks + t, next_scales);
    if (stage * kStageBlocks + slice * kSliceBlocks < tile.blocks) {
      const uint32_t base = shared + slot * kStageBytes;
      const Operands at{base, base + kStageWeightBytes, slice, warp_row + g, warp_token + g};
      if constexpr (kXIsBf16) {
        multiply_slice_bf16(at, t, flush_zero, scales, sums);
      } else {
        multiply_slice_f16(at, t, flush_zero, scales, sums);
      }
    }
#pragma unroll
    for (int i = 0; i < 2 * kRowTiles; ++i) scales[i / 2][i % 2] = next_scales[i / 2][i % 2];
    slot = slot == STAGES - 1 ? 0 : slot + 1;
  }

  // Epilogue through shared memory: adds the parts of K in order, and turns columns of lanes into rows of Y.
  copy_async_wait<0>();
  __syncthreads();
  float *collected = reinterpret_cast<float *>(memory);
#pragma unroll
  for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) {
#pragma unroll
      for (int reg = 0; reg < 4; ++reg) {
        const int row = warp_row + 16 * i + accumulator_row(g, reg);
        const int token = warp_token + 8 * n + accumulator_token(t, reg);
        collected[sum_index(TILE_ROWS, TILE_TOKENS, slice, token, row)] = sums[i][n][reg];
      }
    }
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < TILE_ROWS * TILE_TOKENS; i += kThreads) {
    const int row = i % TILE_ROWS, token = i / TILE_ROWS;
    if (token >= tile.tokens) break;
    if (row >= tile.rows) continue;
    float sum = collected[sum_index(TILE_ROWS, TILE_TOKENS, 0, token, row)];
#pragma unroll
    for (int part = 1; part < WARPS_K; ++part) sum += collected[sum_index(TILE_ROWS, TILE_TOKENS, part, token, row)];
    store_result(p, sum, load_bias(p, first_row + row), first_token + token, first_row + row);
  }
}

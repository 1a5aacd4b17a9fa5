// Y = activation(alpha X W^T + bias) + residual for up to 8 rows of X, in f32 on CUDA cores, sm_75 and up: a
// matrix-vector product per row of X.
//
// Algorithm: a warp sums TILE_ROWS / 8 rows of W. A lane takes one MX block of a row at a time, 16 bytes, so a warp
// reads 512 contiguous bytes; X comes from shared memory as it lies in memory. Lanes are added by a butterfly, in fixed
// order.
// Tile: TILE_ROWS rows a CTA of 8 warps, 1024 K a step. The weights of the next step are requested before one is
// multiplied.
// Shared memory: 8 tokens * 1024 * 2 = 16 KB, static. Bound: weight bandwidth for M = 1 or 2, then instruction issue.
#include <quern/gemm_params.h>
#include <quern/e2m1_convert.cuh>
#include <quern/gemm_epilogue.cuh>

namespace quern {
namespace {

constexpr uint32_t kX = QUERN_X_DTYPE;
constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int kRows = TILE_ROWS / kWarps;  // per warp
constexpr int kTokens = TILE_TOKENS;
constexpr int kStepBlocks = 32;               // one per lane
constexpr int kStepChunks = kStepBlocks * 4;  // 16 bytes of X each
static_assert(TILE_ROWS % kWarps == 0 && kRows * kTokens <= 32, "a warp takes whole rows, and a lane stores one sum");

// Blocks of X start 64 bytes apart; the exclusive-or spreads what eight lanes read together over all banks.
__device__ __forceinline__ int chunk_slot(int block, int part) { return block * 4 + (part ^ (block >> 1 & 3)); }

struct Loaded {
  uint4 nibbles[kRows];
  uint32_t scales[kRows];
};

}  // namespace
}  // namespace quern

extern "C" __global__ void __launch_bounds__(quern::kThreads)
    quern_gemm_generic_m8(const __grid_constant__ quern::GemmParams p) {
  using namespace quern;
  __shared__ uint4 x[kTokens][kStepChunks];
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * TILE_ROWS + thread / 32 * kRows;
  const int block_count = p.k / kMxfp4Block;
  const DecodePolicy policy{p.scale_zero, kScaleNanPropagate, 0, 0};

  // A block that does not exist is 32 zeros of scale 1.
  const auto load = [&](int block) {
    Loaded loaded;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int64_t row = first_row + r;
      const bool valid = block < block_count && row < p.n;
      loaded.nibbles[r] = make_uint4(0u, 0u, 0u, 0u);
      loaded.scales[r] = 127u;
      if (!valid) continue;
      loaded.nibbles[r] =
          *reinterpret_cast<const uint4 *>(p.blocks + row * p.blocks_stride + static_cast<int64_t>(block) * 16);
      loaded.scales[r] = p.scales[row * p.scales_stride + block];
    }
    return loaded;
  };

  float sums[kRows][kTokens] = {};
  Loaded next = load(lane);
  for (int first_block = 0; first_block < block_count; first_block += kStepBlocks) {
    Loaded loaded = next;
    next = load(first_block + kStepBlocks + lane);
    for (int i = thread; i < p.m * kStepChunks; i += kThreads) {
      const int token = i / kStepChunks, block = i % kStepChunks / 4, part = i % 4;
      uint4 chunk = make_uint4(0u, 0u, 0u, 0u);  // past K: zeros, for garbage could be NaN
      if (first_block + block < block_count) {
        const int64_t k = (static_cast<int64_t>(first_block) + block) * kMxfp4Block + part * 8;
        chunk = *reinterpret_cast<const uint4 *>(static_cast<const uint16_t *>(p.x) + token * p.x_stride + k);
      }
      x[token][chunk_slot(block, part)] = chunk;
    }
    __syncthreads();
#pragma unroll 1
    for (int part = 0; part < 4; ++part) {
      float w[kRows][8];
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        uint4 &n = loaded.nibbles[r];
        const float scale = decode_scale(loaded.scales[r], policy, kF32);
        uint32_t pairs[4];
        e2m1x8_to_f16x2(n.x, pairs);
        n.x = n.y;  // word `part` without an index, which registers do not have
        n.y = n.z;
        n.z = n.w;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          unpack_pair<kF16>(pairs[i], w[r][2 * i], w[r][2 * i + 1]);
          w[r][2 * i] *= scale;
          w[r][2 * i + 1] *= scale;
        }
      }
#pragma unroll
      for (int token = 0; token < kTokens; ++token) {
        if (token >= p.m) break;
        const uint4 chunk = x[token][chunk_slot(lane, part)];
        const uint32_t pairs[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float low, high;
          unpack_pair<kX>(pairs[i], low, high);
#pragma unroll
          for (int r = 0; r < kRows; ++r) {
            sums[r][token] = fmaf(low, w[r][2 * i], sums[r][token]);
            sums[r][token] = fmaf(high, w[r][2 * i + 1], sums[r][token]);
          }
        }
      }
    }
    __syncthreads();
  }

  // All lanes get each sum; lane r * kTokens + token keeps and stores one.
  float sum = 0.0f;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int token = 0; token < kTokens; ++token) {
      float all = sums[r][token];
#pragma unroll
      for (int distance = 16; distance > 0; distance /= 2) all += __shfl_xor_sync(0xffffffffu, all, distance);
      if (lane == r * kTokens + token) sum = all;
    }
  }
  const int token = lane % kTokens;
  const int64_t row = first_row + lane / kTokens;
  if (lane >= kRows * kTokens || token >= p.m || row >= p.n) return;
  store_result(p, sum, load_bias(p, row), token, row);
}

// Y = activation(alpha X W^T + bias) + residual in plain f32 on CUDA cores: every valid problem, sm_75 and up. The
// fallback where no tensor-core variant fits, and small enough to be checked by eye.
//
// Algorithm: both operands go to shared memory as f32, transposed to [k][row]; a thread sums a 4 x 4 patch of Y by FMA.
// Tile: TILE_ROWS = TILE_TOKENS = 64, 32 K (one MX block) a step; the next step is loaded while one is multiplied.
// Shared memory: 2 * 32 * 65 * 4 = 16.6 KB, static. Bound: f32 FMA rate, half of it at best (one shared load per 2
// FMA).
#include <quern/gemm_params.h>
#include <quern/gemm_epilogue.cuh>

namespace quern {
namespace {

constexpr uint32_t kX = QUERN_X_DTYPE;
constexpr int kThreads = 256;
constexpr int kTile = 64;
constexpr int kPitch = kTile + 1;  // odd, so that the transposing writes of a warp hit different banks
constexpr int kPatch = 4;
constexpr int kPatches = kTile / kPatch;
static_assert(TILE_ROWS == kTile && TILE_TOKENS == kTile, "four threads of 8 K each load a row of either operand");

// What a thread loads for a step: 8 K of one row of W and of one token of X.
struct Loaded {
  uint32_t nibbles;
  uint32_t scale;
  uint4 x;
};

}  // namespace
}  // namespace quern

extern "C" __global__ void __launch_bounds__(quern::kThreads)
    quern_gemm_generic(const __grid_constant__ quern::GemmParams p) {
  using namespace quern;
  __shared__ float weights[kMxfp4Block][kPitch];
  __shared__ float tokens[kMxfp4Block][kPitch];
  const int row_tiles = (p.n - 1) / kTile + 1;
  const int64_t first_row = static_cast<int64_t>(blockIdx.x % row_tiles) * kTile;
  const int64_t first_token = static_cast<int64_t>(blockIdx.x / row_tiles) * kTile;
  const int thread = static_cast<int>(threadIdx.x);
  const DecodePolicy policy{p.scale_zero, kScaleNanPropagate, 0, 0};

  const int loader = thread / 4, part = thread % 4;
  const bool has_row = first_row + loader < p.n;
  const bool has_token = first_token + loader < p.m;
  const uint8_t *blocks = p.blocks + (first_row + loader) * p.blocks_stride + part * 4;
  const uint8_t *scales = p.scales + (first_row + loader) * p.scales_stride;
  const uint8_t *x = static_cast<const uint8_t *>(p.x) + 2 * ((first_token + loader) * p.x_stride + part * 8);
  const auto load = [&](int block) {
    Loaded loaded{0u, 127u, make_uint4(0u, 0u, 0u, 0u)};
    if (has_row) {
      loaded.nibbles = *reinterpret_cast<const uint32_t *>(blocks + static_cast<int64_t>(block) * 16);
      loaded.scale = scales[block];
    }
    if (has_token) loaded.x = *reinterpret_cast<const uint4 *>(x + static_cast<int64_t>(block) * 2 * kMxfp4Block);
    return loaded;
  };

  const int row = thread % kPatches, token = thread / kPatches;
  float sums[kPatch][kPatch] = {};  // [token][row]
  const int block_count = p.k / kMxfp4Block;
  Loaded loaded = load(0);
  for (int block = 0; block < block_count; ++block) {
    const float scale = decode_scale(loaded.scale, policy, kF32);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      weights[part * 8 + i][loader] = decode_mxfp4(loaded.nibbles >> (4 * i) & 15u, scale, loaded.scale, policy);
    }
    const uint32_t pairs[4] = {loaded.x.x, loaded.x.y, loaded.x.z, loaded.x.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      unpack_pair<kX>(pairs[i], tokens[part * 8 + 2 * i][loader], tokens[part * 8 + 2 * i + 1][loader]);
    }
    __syncthreads();
    if (block + 1 < block_count) loaded = load(block + 1);
#pragma unroll 8
    for (int k = 0; k < kMxfp4Block; ++k) {
      float w[kPatch];
#pragma unroll
      for (int j = 0; j < kPatch; ++j) w[j] = weights[k][row + j * kPatches];
#pragma unroll
      for (int i = 0; i < kPatch; ++i) {
        const float value = tokens[k][token + i * kPatches];
#pragma unroll
        for (int j = 0; j < kPatch; ++j) sums[i][j] = fmaf(value, w[j], sums[i][j]);
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int j = 0; j < kPatch; ++j) {
    const int64_t n = first_row + row + j * kPatches;
    if (n >= p.n) continue;
    const float bias = load_bias(p, n);
#pragma unroll
    for (int i = 0; i < kPatch; ++i) {
      const int64_t m = first_token + token + i * kPatches;
      if (m < p.m) store_result(p, sums[i][j], bias, m, n);
    }
  }
}

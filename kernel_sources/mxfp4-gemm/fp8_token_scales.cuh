// The scales of the rows of E4M3 X, in fp8_sm90a.cu: sums are multiplied with them before anything else.
#pragma once

#include "prefill_tile.cuh"

namespace quern {
namespace {

// Asks for the scales of the tile's tokens into the warp's part of shared memory; they come while the tile is
// multiplied. The copy engine cannot take them, since they may begin anywhere. Those of tokens that do not exist are
// another's.
__device__ __forceinline__ void load_token_scales(const GemmParams &p, uint32_t scales, int first_token, int warp,
                                                  int lane) {
  wait_for_earlier_kernels();
  __syncwarp();  // all have read the last tile's
#pragma unroll
  for (int i = lane; i < kShareTokens; i += 32) {
    const float *source = p.x_scales + first_token + min(i, p.m - 1 - first_token);
    copy_async_4(scales + (warp * kShareTokens + i) * 4, source);
  }
}

// What the epilogue multiplies sums with. Of X that is not E4M3 nothing.
struct TokenScales {
  const float2 *pairs;  // in shared memory, of the lane's first two tokens

  __device__ __forceinline__ TokenScales(const uint8_t *scales, int warp, int lane)
      : pairs(reinterpret_cast<const float2 *>(scales) + warp * (kShareTokens / 2) + lane % 4) {}

  __device__ __forceinline__ void wait() const {
    copy_async_wait_all();
    __syncwarp();
  }
  // sums[i] and sums[i + 1] of a block, of neighbouring tokens; i is even.
  __device__ __forceinline__ void apply(int i, float &first, float &second) const {
    if constexpr (kFp8) {
      const float2 pair = pairs[i / 4 * 4];
      first *= pair.x;
      second *= pair.y;
    }
  }
};

}  // namespace
}  // namespace quern

// One K64 tile of several strips, by one warp: packed words to A fragments, mma.sync with the B fragments of X.
#pragma once

#include <quern/mma_sync.cuh>
#include <quern/packed_convert.cuh>
#include <quern/shared_memory.cuh>

#include "decode_plan.cuh"

namespace quern {
namespace {

constexpr uint32_t kX = QUERN_X_DTYPE;
constexpr int kTokenTiles = TOKENS / 8;

// B fragments of the four steps of a tile, two registers each, by ldmatrix (PTX ISA: lanes 8 i to 8 i + 7 give the rows
// of matrix i, each 16 bytes). `address` is the lane's: its token's row, and column 8 (lane / 8).
__device__ __forceinline__ void load_x_fragments(uint32_t address, uint32_t (&x)[8]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[4 * half]), "=r"(x[4 * half + 1]), "=r"(x[4 * half + 2]), "=r"(x[4 * half + 3])
                 : "r"(address + 64 * half)
                 : "memory");
  }
}

// `scales` are the lane's four bytes of the tile, `offset` its rows' packed_scale_offset().
__device__ __forceinline__ void multiply_tile(const uint4 &words, uint32_t bytes, uint32_t offset,
                                              const uint32_t (&x)[kTokenTiles][8], float (&sums)[kTokenTiles][4]) {
  const uint32_t word[4] = {words.x, words.y, words.z, words.w};
  const uint32_t scales[2] = {packed_scales<kX>(bytes, 0, offset), packed_scales<kX>(bytes, 1, offset)};
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    uint32_t a[4];
    packed_fragment<kX>(word[step], scales[step / 2], a);
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) mma_m16n8k16<kX>(sums[n], a, x[n][2 * step], x[n][2 * step + 1]);
  }
}

}  // namespace
}  // namespace quern

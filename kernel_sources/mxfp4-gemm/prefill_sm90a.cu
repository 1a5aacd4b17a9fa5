// Y = activation(alpha X W^T + bias) + residual for many tokens: packed MXFP4 weights, X bf16 or f16, wgmma (sm_90a).
//
// Algorithm: the weights sit on the M side and are converted in registers, which are wgmma's A operand; X comes from
// shared memory as B; f32 accumulation. One thread copies both in by tensor maps, through a ring of STAGES stages of
// STAGE_TILES packed tiles along K; each of WARPGROUPS consumers multiplies its share of the rows, and converts the
// next packed tile while one is multiplied.
// Tile: TILE_ROWS x TILE_TOKENS a CTA.
//   CLUSTER_K 1: the grid is persistent. Plain Y, 16-bit and no more than scale and bias, goes to shared memory, from
//   where three threads copy it out while the next tile is multiplied.
//   QUERN_PLAIN_Y: Y is plain, and no other is compiled, which saves a fifth of the compile time.
//   TAIL_TOKENS: rows that whole waves leave over come last, in tiles of so many tokens, if that is at most one for
//   each CTA. With TAIL_SPLIT 2 pairs of CTAs share these, each half of K, if there are two for each and Y is plain:
//   they exchange sums as below, through the memory where Y was staged.
//   UNROLLED_STAGES: every tile begins at the ring's first slot, and the loop is unrolled over so many stages.
//   CLUSTER_K above 1, for few tiles: a cluster of that many CTAs shares a tile, each a part of K. They send each other
//   their sums through distributed shared memory, add them in the order of the ranks, and write a share of the tokens.
// Tensor maps, both filling zeros: x_map over X [m][k] of 16-bit elements, box TILE_TOKENS / X_BOXES x 64,
// swizzle 128 bytes. w_map over the packed tiles as [ceil(n / 16)][68 ceil(k / 64)] 64-bit elements, box TILE_ROWS / 16
// x 68 STAGE_TILES, no swizzle.
// Grid: with CLUSTER_K 1 the number of SMs, or X_BOXES TAIL_SPLIT times the tiles if that is less; else CLUSTER_K times
// the tiles.
// Shared memory: STAGES * STAGE_TILES * (34 TILE_ROWS + 128 TILE_TOKENS) bytes; for each of TILE_TOKENS / CLUSTER_K
// tokens 2 TILE_ROWS + 16 for Y and 4 TILE_ROWS from each other CTA of the cluster; and 256 for barriers.
// Bound: tensor cores (m64nNk16 takes N / 2 clocks of the SM) and, for large matrices, the chip's power.
#include "prefill_multiply.cuh"

namespace quern {
namespace {

// Registers of a thread, moved from the producer's warps to the consumers. The launch gives all threads 168 with two
// warpgroups of consumers and 128 with three.
constexpr int kMinCtas = 1;
constexpr int kProducerRegisters = WARPGROUPS == 2 ? 24 : 32;
constexpr int kConsumerRegisters = WARPGROUPS == 2 ? 240 : 160;

}  // namespace
}  // namespace quern

#include "prefill_kernel.cuh"

extern "C" __global__ void __launch_bounds__(quern::kThreads, 1)
    quern_gemm_prefill_sm90a(const __grid_constant__ quern::GemmParams p,
                             const __grid_constant__ quern::TensorMap x_map,
                             const __grid_constant__ quern::TensorMap w_map) {
  quern::multiply_packed(p, x_map, w_map);
}

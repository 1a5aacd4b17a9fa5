// Y = activation(alpha X W^T + bias) + residual: packed MXFP4 weights, X in E4M3 with a scale for each token (sm_90a).
//
// Algorithm: that of prefill_sm90a.cu (a ring of stages filled by tensor maps, persistent grid or clusters along K,
// epilogue), with the weights converted to E5M2 in registers, where every block of a row is exact relative to the row's
// largest (packed_layout.h), and wgmma of E5M2 and E4M3, twice as fast as with 16 bits. Sums are multiplied by the
// token's scale first, then by alpha and the row's.
// Accumulation: at most PROMOTE_TILES packed tiles are summed at the 13 bits of FP8 tensor cores, then added in f32; 0
// is fast, all of K. Against float64 on the same X, relative error of all Y, random data: 1.2e-4 to 1.9e-4 at K of 256,
// at most 2.6e-4 at 384, 1.1e-3 fast at K = 4096 and 1.7e-3 at 8192. At 512 it went beyond 3e-4.
// Tile: 128 rows x TILE_TOKENS a CTA, two consumers of 64 rows. Promotion needs two sets of sums, hence at most 192
// tokens. Up to 64 tokens a stage is converted at once, beyond them a step of 32 K at a time (fp8_multiply.cuh).
// Tensor maps, both filling zeros: x_map over X [m][k / 2] as 16-bit elements, box TILE_TOKENS / X_BOXES x 64,
// swizzle 128 bytes, which is K of 128. w_map as in prefill_sm90a.cu.
// Grid: with CLUSTER_K 1 MIN_CTAS times the number of SMs, or TAIL_SPLIT times the tiles if that is less; else
// CLUSTER_K times the tiles. Shared memory: 2 STAGES * (4352 + 64 TILE_TOKENS) bytes; for each of TILE_TOKENS /
// CLUSTER_K tokens 272 + 32 for Y and the token's scales and 512 from each other CTA of the cluster; and 256 for
// barriers. Bound: memory for few tokens. For many, if fast, the chip's power; promoted, conversion and promotion,
// which are not all hidden beside wgmma and weigh least in the largest tile.
#include "fp8_multiply.cuh"

namespace quern {
namespace {

// Registers of a thread, moved from the producer's warps to the consumers. The launch gives all threads 168, or 80 with
// two CTAs an SM.
constexpr int kMinCtas = MIN_CTAS;  // an SM
constexpr int kProducerRegisters = MIN_CTAS == 1 ? 24 : 32;
constexpr int kConsumerRegisters = MIN_CTAS == 1 ? 240 : 104;
static_assert(TILE_ROWS == 128 && WARPGROUPS == 2 && MIN_CTAS <= 2, "registers are shared out for these");

}  // namespace
}  // namespace quern

#include "prefill_kernel.cuh"

extern "C" __global__ void __launch_bounds__(quern::kThreads, MIN_CTAS)
    quern_gemm_fp8_sm90a(const __grid_constant__ quern::GemmParams p, const __grid_constant__ quern::TensorMap x_map,
                         const __grid_constant__ quern::TensorMap w_map) {
  quern::multiply_packed(p, x_map, w_map);
}

// Y = activation(alpha X W^T + bias) + residual for few tokens, by wgmma, packed MXFP4 weights, sm_90a.
//
// Algorithm: the weights are the register operand A of wgmma m64nNk16 (N = TILE_TOKENS), converted from packed words by
// the warpgroups that multiply; X is its shared operand B. A ring of STAGES stages of STAGE_TILES K64 tiles holds both:
// weights by bulk copies, which start before the kernel that this one depends on has ended, X by a tensor map.
// Tile: a cluster of CLUSTER_K CTAs has up to R = 64 ROW_GROUPS GROUP_TILES rows of W, in one pass over K, of which
// each CTA has a part, and of its stages each of K_GROUPS sets of ROW_GROUPS warpgroups; a warpgroup multiplies
// GROUP_TILES m64 tiles. In the end the CTAs send each other their sums; each adds and writes a share of the tokens.
// Balance: rows go to clusters in strips of 16, evenly, whatever the size of the grid, so that every SM streams the
// same bytes; an m64 tile whose strips are not all there costs tensor time, which is not what bounds. x_map: X as
// [m][k] of 16-bit elements, box 64 x TILE_TOKENS, 128-byte swizzle, zeros outside. Shared memory: STAGES STAGE_TILES
// (128 TILE_TOKENS + 34 R) + 8 R + 16 STAGES + 16 bytes, and what a CTA is sent: 4 R K_GROUPS (CLUSTER_K - 1) for each
// of TILE_TOKENS / CLUSTER_K tokens; sums that are left to add reuse the stages. Bound: weight bandwidth, and as near
// to it the issue of conversion, 79 instructions a warp and 16 x 64 tile of 129 at HBM rate; above about 46 tokens the
// tensor cores.
#include <quern/named_barrier.cuh>

#include "small_epilogue.cuh"
#include "small_load.cuh"
#include "small_multiply.cuh"

extern "C" __global__ void __launch_bounds__(quern::kThreads + 32 * LOADERS, MIN_CTAS)
    quern_gemm_small_sm90a(const __grid_constant__ quern::GemmParams p,
                           const __grid_constant__ quern::TensorMap x_map) {
  using namespace quern;
  extern __shared__ __align__(1024) uint8_t memory[];
  const uint32_t shared = shared_address(memory);
  float *row_values = reinterpret_cast<float *>(memory + kRowsAt);
  const Share share(p);
  const int warp = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / 32, 0);
  const int group = warp / 4;
  const int row_group = group % ROW_GROUPS, k_group = group / ROW_GROUPS;
  let_later_kernels_start();

  if (warp == kWarps && threadIdx.x % 32 == 0) {
    tensor_map_prefetch(x_map);
    for (int slot = 0; slot < STAGES; ++slot) {
      mbarrier_init(shared + kFullAt + 8 * slot, 32);  // the lanes of the first loading warp
      mbarrier_init(shared + kEmptyAt + 8 * slot, 128 * K_GROUPS * max(share.groups, 1));
    }
    if constexpr (CLUSTER_K > 1) parts(shared).expect(128 * K_GROUPS * share.groups);
    mbarrier_init_fence();
  }
  // One barrier in two places, which PTX allows between warps and __syncthreads() does not.
  constexpr int kAllThreads = kThreads + 32 * LOADERS;
  if (warp >= kWarps) {
    named_barrier_sync<2, kAllThreads>();
    if constexpr (CLUSTER_K > 1) cluster_arrive_relaxed();
    Loader(p, x_map, share, shared, warp - kWarps).run();
    // The warp may leave while its copies are under way: the others wait for them.
    if constexpr (CLUSTER_K > 1) {
      __syncwarp();
      cluster_wait();
    }
  } else {
    const int first_strip = 4 * GROUP_TILES * row_group + warp % 4;
    const bool active = row_group < share.groups;  // the whole warpgroup
    // Reads what it must know of the rows before the weights are asked for, behind which that would queue.
    const Multiplier multiplier(p, share, shared, first_strip, k_group);
    named_barrier_sync<2, kAllThreads>();
    if constexpr (CLUSTER_K > 1) cluster_arrive_relaxed();
    if (threadIdx.x % 32 == 0) start_weights(p, share, shared, first_strip, k_group);
    __syncwarp();
    // For the epilogue; kept in registers, as loaded, until the stages are done with.
    const int own_row = share.first_strip * kPackedTileRows + static_cast<int>(threadIdx.x);
    float own_scale = 0.0f;
    uint32_t own_bias = 0;
    if (static_cast<int>(threadIdx.x) < share.strips * kPackedTileRows) {
      own_scale = reinterpret_cast<const PackedRow *>(p.scales)[own_row].scale;
      if (p.bias_dtype != kNoDtype && own_row < p.n) {
        own_bias = p.bias_dtype == kF32 ? static_cast<const uint32_t *>(p.bias)[own_row]
                                        : static_cast<const uint16_t *>(p.bias)[own_row];
      }
    }
    Sums sums = {};
    if (active) multiplier.run(sums);
    if (static_cast<int>(threadIdx.x) < kRows) {
      row_values[threadIdx.x] = own_scale;
      row_values[kRows + threadIdx.x] = load_element(&own_bias, 0, p.bias_dtype);
    }
    const int shares = (min(p.m - share.first_token, TILE_TOKENS) + kShareTokens - 1) / kShareTokens;
    if constexpr (CLUSTER_K > 1) {
      cluster_wait();  // all CTAs can receive
      if (active) parts(shared).share(sums[0], share.rank, shares, static_cast<int>(threadIdx.x));
      if (share.rank >= shares) return;  // it has no tokens to finish
    }
    named_barrier_sync<1, kThreads>();  // nobody reads the stages any more
    store_sums(reinterpret_cast<float *>(memory), sums, row_group, k_group, warp % 4);
    named_barrier_sync<1, kThreads>();
    wait_for_earlier_kernels();
    write_share(p, share, shared, row_values);
  }
}

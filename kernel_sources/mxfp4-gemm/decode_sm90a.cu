// Y = activation(alpha X W^T + bias) + residual for up to TOKENS tokens (1, 8 or 16), packed MXFP4 weights, sm_90a.
//
// Algorithm: mma.sync m16n8k16 with the weights on the M side, converted in registers; f32 accumulation. A CTA takes
// up to MAX_STRIPS strips of 16 rows at once, and WARPS warps share their K (decode_plan.cuh), so that a warp uses a
// fragment of X for all of these strips (decode_multiply.cuh; decode_multiply_one.cuh for one token). One more warp
// loads weights into a ring of SLOTS stages (decode_load.cuh), beginning before the kernel that this one depends on
// has ended. X comes beside them, by X_WARPS more warps or by those that use it, and one token at once
// (decode_load_x.cuh). In the end the warps' sums are added in fixed order (decode_sums.cuh).
// Tokens that do not exist are computed from the rows of the last one and not stored.
// Shared memory: slots of WARPS step (544 strips + 128 m) + 16 m bytes; for one token of 544 WARPS step strips, and X
// whole. Sums of 80 WARPS m bytes a strip of a pass, in the ring where there is one pass; 12 bytes a row. Where
// MIN_CTAS is more than the CTAs that an SM gets, the next kernel loads its weights beside this one's end.
// Bound: integer instructions, 40 of the 66 that a tile of 16 x 64 takes at 8 tokens, 40 of 53 at one. They run at half
// rate, in ALU and FMA pipe together, so that a tile takes 27 and 24 clocks of an SM at least; its weights come in 31.
#include "decode_load.cuh"
#include "decode_load_x.cuh"
#include "decode_multiply.cuh"
#include "decode_multiply_one.cuh"
#include "decode_plan.cuh"
#include "decode_sums.cuh"

namespace quern {
namespace {

constexpr int kRingBarrier = 2;  // of all threads: the ring's barriers are there

#if TOKENS == 1
template <int kStrips>
using WarpSums = BlockSums<kStrips>;
#else
template <int kStrips>
using WarpSums = TokenSums<kStrips>;
#endif

template <int kStrips>
__device__ __forceinline__ void run_pass(const Warp &w, const Output &output, int strip, Position &position,
                                         uint32_t &slot, OwnXLoader &x_loader) {
  const Plan &plan = output.plan;
  const uint32_t rows =
      w.shared + plan.rows_at + static_cast<uint32_t>((strip * kPackedTileRows + w.lane / 4) * sizeof(PackedRow));
  const uint32_t x_at = static_cast<uint32_t>(plan.pass_strips) * plan.strip_bytes;  // in a slot
  const Tail tail(plan, w.warp);
  WarpSums<kStrips> sums(output.p, plan, rows, w);
#pragma unroll 1
  for (int stage = 0; stage < plan.pass_stages; ++stage) {
    uint32_t weights = slot + static_cast<uint32_t>(w.warp * plan.step * kPackedTileBytes);
    uint32_t x = static_cast<uint32_t>(w.warp * plan.step * 2 * kPackedTileK);
    if constexpr (kAllX) {
      x += w.shared + plan.x_at + static_cast<uint32_t>(stage * WARPS * plan.step * 2 * kPackedTileK);
    } else {
      x += slot + x_at;
    }
    int tiles = plan.step;
    if (stage == plan.full_stages) {
      weights += static_cast<uint32_t>(tail.shift * kPackedTileBytes);
      if (!kOwnX) x += static_cast<uint32_t>(tail.shift * 2 * kPackedTileK);
      tiles = tail.count;
    }
    mbarrier_wait(w.shared + plan.full_barrier(position.slot), position.parity);
    if constexpr (kOwnX) {
      copy_async_wait<SLOTS - 1>();
      __syncwarp();
    }
#pragma unroll 1
    for (; tiles > 0; --tiles) {
      sums.add_tile(weights, x);
      weights += kPackedTileBytes;
      x += 2 * kPackedTileK;
    }
    mbarrier_arrive(w.shared + plan.empty_barrier(position.slot));
    if constexpr (kOwnX) x_loader.start_next(plan, slot);
    slot += plan.slot_bytes;
    if (position.advance(plan)) slot = w.shared + plan.ring_at;
  }

  sums.finish();
  warps_barrier();  // all have read the last pass's sums, or the ring, whose place these take
  float *to = reinterpret_cast<float *>(output.memory + plan.sums_at + w.warp * kStrips * plan.sum_bytes);
#pragma unroll
  for (int s = 0; s < kStrips; ++s) sums.store(to + s * (plan.sum_bytes / 4), s, output.p.m);
}

// A pass of `strips` strips, from kStrips on: loops over them are unrolled for each number.
template <int kStrips>
__device__ __forceinline__ void run_pass_of(int strips, const Warp &w, const Output &output, int strip,
                                            Position &position, uint32_t &slot, OwnXLoader &x_loader) {
  if (strips == kStrips) {
    run_pass<kStrips>(w, output, strip, position, slot, x_loader);
  } else if constexpr (kStrips < MAX_STRIPS) {
    run_pass_of<kStrips + 1>(strips, w, output, strip, position, slot, x_loader);
  }
}

}  // namespace
}  // namespace quern

extern "C" __global__ void __launch_bounds__(quern::kAllThreads, MIN_CTAS)
    quern_gemm_decode_sm90a(const __grid_constant__ quern::GemmParams p) {
  using namespace quern;
  extern __shared__ __align__(128) uint8_t memory[];
  const uint32_t shared = shared_address(memory);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / 32, 0);
  const Plan plan(p);
  if (plan.strips == 0) return;
  let_later_kernels_start();

  if (warp == WARPS) {
    const WeightLoader loader(p, plan, shared, lane);
    named_barrier_arrive<kRingBarrier, kAllThreads>();
    loader.load();
    return;
  }
  if (X_WARPS > 0 && warp > WARPS) {
    const SharedXLoader loader(p, plan, shared, static_cast<int>(threadIdx.x) - (kThreads + 32));
    named_barrier_sync<kRingBarrier, kAllThreads>();
    wait_for_earlier_kernels();
    loader.load();
    return;
  }

  const Output output{p, plan, memory};
  for (int i = static_cast<int>(threadIdx.x); i < plan.strips * kPackedTileRows; i += kThreads) {
    const int row = plan.first_strip * kPackedTileRows + i;
    output.bias()[i] = row < p.n ? load_bias(p, row) : 0.0f;
  }
  if (threadIdx.x == 0) clear_shared_16(shared + plan.zeros());
  OwnXLoader x_loader(p, plan, warp, lane);
  uint32_t slot = shared + plan.ring_at;
  wait_for_earlier_kernels();
  if constexpr (kAllX) {
    load_all_x(p, plan, shared);
  } else if constexpr (kOwnX) {
#pragma unroll 1
    for (int i = 0; i < SLOTS; ++i) x_loader.start_next(plan, slot + static_cast<uint32_t>(i) * plan.slot_bytes);
  }
  named_barrier_sync<kRingBarrier, kAllThreads>();
  mbarrier_wait(shared + plan.rows_barrier(), 0);

  const Warp w{shared, warp, lane, XScale(plan, shared)};
  Position position;
  int strip = 0;
  for (int pass = 0; pass < plan.passes; ++pass) {
    const int strips = plan.passes == 1 ? plan.strips : Part(plan.strips, plan.passes, pass).size;
    run_pass_of<1>(strips, w, output, strip, position, slot, x_loader);
    warps_barrier();
    add_warps(output, strip, strips);
    strip += strips;
  }
}

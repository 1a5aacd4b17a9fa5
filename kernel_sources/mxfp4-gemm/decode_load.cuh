// Where the loading of decode_sm90a.cu stands, and the warp that loads weights: it has the copy engine bring a stage
// into a slot of the ring, one bulk copy for each strip.
#pragma once

#include <quern/async_copy.cuh>
#include <quern/mbarrier.cuh>

#include "decode_plan.cuh"

namespace quern {
namespace {

// The stages of all passes, one after another.
class StageSequence {
 public:
  __device__ __forceinline__ explicit StageSequence(const Plan &plan) { set_pass(plan); }
  __device__ __forceinline__ bool done(const Plan &plan) const { return pass_ == plan.passes || plan.pass_stages == 0; }
  __device__ __forceinline__ void advance(const Plan &plan) {
    position.advance(plan);
    if (++stage == plan.pass_stages) {
      stage = 0;
      first_strip += strips;
      ++pass_;
      set_pass(plan);
    }
  }

  Position position;
  int stage = 0;        // of the pass
  int first_strip = 0;  // of the pass, from the CTA's first
  int strips;

 private:
  __device__ __forceinline__ void set_pass(const Plan &plan) {
    strips = plan.passes == 1 ? plan.strips : Part(plan.strips, plan.passes, pass_).size;
  }
  int pass_ = 0;
};

class WeightLoader {
 public:
  __device__ __forceinline__ WeightLoader(const GemmParams &p, const Plan &plan, uint32_t shared, int lane)
      : p_(p), plan_(plan), shared_(shared), lane_(lane), policy_(policy_evict_first()) {
    if (lane == 0) {
      for (int slot = 0; slot < plan.slots; ++slot) {
        mbarrier_init(shared + plan.full_barrier(slot), 1 + 32 * X_WARPS);  // lanes that load X arrive too
        mbarrier_init(shared + plan.empty_barrier(slot), kThreads);
      }
      mbarrier_init(shared + plan.rows_barrier(), 1);
      mbarrier_init_fence();
    }
    __syncwarp();
  }

  __device__ __forceinline__ void load() const {
    if (lane_ == 0) {
      const uint32_t bytes = static_cast<uint32_t>(plan_.strips * kPackedTileRows) * sizeof(PackedRow);
      mbarrier_arrive_expect(shared_ + plan_.rows_barrier(), bytes);
      bulk_copy(shared_ + plan_.rows_at,
                reinterpret_cast<const PackedRow *>(p_.scales) + plan_.first_strip * kPackedTileRows, bytes,
                shared_ + plan_.rows_barrier());
    }
    for (StageSequence at(plan_); !at.done(plan_); at.advance(plan_)) {
      mbarrier_wait(shared_ + plan_.empty_barrier(at.position.slot), at.position.parity ^ 1u);
      copy_weights(at);
    }
  }

 private:
  __device__ __forceinline__ void copy_weights(const StageSequence &at) const {
    const uint32_t bytes = static_cast<uint32_t>(plan_.stage_tiles(at.stage)) * kPackedTileBytes;
    const uint32_t barrier = shared_ + plan_.full_barrier(at.position.slot);
    if (lane_ == 0) mbarrier_arrive_expect(barrier, bytes * static_cast<uint32_t>(at.strips));
    __syncwarp();
    if (lane_ < at.strips) {
      const int64_t strip = plan_.first_strip + at.first_strip + lane_;
      const int64_t tile = strip * plan_.k_tiles + at.stage * WARPS * plan_.step;
      const uint32_t destination = slot(at) + static_cast<uint32_t>(lane_) * plan_.strip_bytes;
      bulk_copy(destination, p_.blocks + tile * kPackedTileBytes, bytes, barrier, policy_);
    }
  }

  __device__ __forceinline__ uint32_t slot(const StageSequence &at) const {
    return shared_ + plan_.ring_at + at.position.slot * plan_.slot_bytes;
  }

  const GemmParams &p_;
  const Plan &plan_;
  uint32_t shared_;
  int lane_;
  uint64_t policy_;  // weights are read once
};

}  // namespace
}  // namespace quern

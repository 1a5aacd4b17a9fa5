// The copies of small_sm90a.cu. A ring slot's barrier counts one warp's announcement and the bytes of all copies into
// it. A warp issues copies one after another, about 55 clocks each: so there are LOADERS loading warps, with a lane per
// strip and per tile of X, and the multiplying warps issue the first copies, each for its own strips: EARLY_STAGES
// stages of weights, which may come before the kernel that writes X has ended. The rest of the ring is asked for after
// the first X, which would otherwise queue behind it: 120 KB for every SM are 3.5 microseconds of HBM.
#pragma once

#include <quern/async_copy.cuh>
#include <quern/mbarrier.cuh>

#include "small_plan.cuh"

namespace quern {
namespace {

// Tiles of one stage, from the stage's tile `first` on and at most `most`, that the CTA's K has.
__device__ __forceinline__ int tiles_of_stage(const Share &share, int stage, int first, int most) {
  return min(share.tiles - stage * STAGE_TILES - first, most);
}

__device__ __forceinline__ const uint8_t *strip_source(const GemmParams &p, const Share &share, int strip) {
  return p.blocks + ((share.first_strip + strip) * packed_k_tiles(p.k) + share.first_tile) * kPackedTileBytes;
}

__device__ __forceinline__ uint32_t strip_slot(uint32_t shared, int slot, int strip) {
  return shared + kWeightsAt + slot * kWeightStageBytes + strip * kStripBytes;
}

// By one lane of a multiplying warp: what the warp will read of the first stages.
__device__ __forceinline__ void start_weights(const GemmParams &p, const Share &share, uint32_t shared, int first_strip,
                                              int k_group) {
  const uint64_t policy = policy_evict_first();
  const int first_tile = k_group * kGroupTiles;
#pragma unroll 1
  for (int stage = 0; stage < min(share.stages, EARLY_STAGES); ++stage) {
    const int tiles = tiles_of_stage(share, stage, first_tile, kGroupTiles);
    if (tiles <= 0) return;
#pragma unroll
    for (int r = 0; r < GROUP_TILES; ++r) {
      const int strip = first_strip + 4 * r;
      if (strip >= share.strips) break;
      bulk_copy(strip_slot(shared, stage, strip) + first_tile * kPackedTileBytes,
                strip_source(p, share, strip) + (stage * STAGE_TILES + first_tile) * kPackedTileBytes,
                static_cast<uint32_t>(tiles * kPackedTileBytes), shared + kFullAt + 8 * stage, policy);
    }
  }
}

// A loading warp. All of them wait for a slot; the first announces what will come, and clears what will not.
class Loader {
 public:
  __device__ __forceinline__ Loader(const GemmParams &p, const TensorMap &x_map, const Share &share, uint32_t shared,
                                    int loader)
      : map_(x_map), share_(share), shared_(shared) {
    lane_ = static_cast<int>(threadIdx.x) % 32;
    announces_ = loader == 0;
    item_ = lane_ * LOADERS + loader;
    source_ = strip_source(p, share, item_);
    policy_ = policy_evict_first();
  }

  __device__ __forceinline__ void run() const {
    const int early = min(share_.stages, EARLY_STAGES);
    for (int stage = 0; stage < early; ++stage) announce(stage, stage);
    wait_for_earlier_kernels();
    fence_proxy_global();
    for (int stage = 0; stage < early; ++stage) fill_x(stage, stage);
    int slot = EARLY_STAGES % STAGES;
    uint32_t parity = EARLY_STAGES == STAGES ? 0 : 1;  // of a fresh barrier, 1 returns at once
    for (int stage = EARLY_STAGES; stage < share_.stages; ++stage) {
      mbarrier_wait(shared_ + kEmptyAt + 8 * slot, parity);
      announce(stage, slot);
      fill_weights(stage, slot);
      fill_x(stage, slot);
      if (++slot == STAGES) slot = 0, parity ^= 1;
    }
  }

 private:
  __device__ __forceinline__ uint32_t strip_bytes(int stage) const {
    return static_cast<uint32_t>(tiles_of_stage(share_, stage, 0, STAGE_TILES) * kPackedTileBytes);
  }

  __device__ __forceinline__ void announce(int stage, int slot) const {
    if (announces_) {
      if (stage == share_.stages - 1) clear_rest(slot, tiles_of_stage(share_, stage, 0, STAGE_TILES));
      const uint32_t bytes = share_.strips * strip_bytes(stage) + kXStageBytes;
      mbarrier_arrive_expect(shared_ + kFullAt + 8 * slot, lane_ == 0 ? bytes : 0);
    }
    __syncwarp();
  }

  // Where K ends in the stage, weights that are not there must be finite against the zeros of X: their scale bytes
  // become 0. Every lane that clears announces, and who reads the stage waits for that.
  __device__ __forceinline__ void clear_rest(int slot, int first_tile) const {
    static_assert(kPackedTileBytes - kPackedTileScales == 32 && 2 * kStrips <= 32, "a lane per 16 bytes");
    if (lane_ < 2 * share_.strips) {
      const uint32_t scales = strip_slot(shared_, slot, lane_ / 2) + kPackedTileScales + lane_ % 2 * 16;
      for (int tile = first_tile; tile < STAGE_TILES; ++tile) clear_shared_16(scales + tile * kPackedTileBytes);
    }
  }

  __device__ __forceinline__ void fill_weights(int stage, int slot) const {
    if (item_ >= share_.strips) return;
    bulk_copy(strip_slot(shared_, slot, item_), source_ + static_cast<int64_t>(stage) * kStripBytes, strip_bytes(stage),
              shared_ + kFullAt + 8 * slot, policy_);
  }

  // Beyond K the tensor map gives zeros; a CTA's K may end before: those tiles are taken from beyond any K.
  __device__ __forceinline__ void fill_x(int stage, int slot) const {
    if (item_ >= STAGE_TILES) return;
    const int tile = stage * STAGE_TILES + item_;
    const int column = tile < share_.tiles ? (share_.first_tile + tile) * kPackedTileK : 0x7fffff00;
    tensor_copy(shared_ + slot * kXStageBytes + item_ * kXTileBytes, map_, column, share_.first_token,
                shared_ + kFullAt + 8 * slot);
  }

  const TensorMap &map_;
  const Share &share_;
  uint32_t shared_;
  int lane_;
  bool announces_;
  int item_;  // the lane's strip, and its tile of X
  const uint8_t *source_;
  uint64_t policy_;
};

}  // namespace
}  // namespace quern

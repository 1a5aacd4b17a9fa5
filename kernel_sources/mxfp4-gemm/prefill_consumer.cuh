// What a consumer warpgroup of prefill_sm90a.cu and fp8_sm90a.cu reads: packed tiles from the ring, X as descriptors.
#pragma once

#include <quern/wgmma.cuh>

#include "prefill_tile.cuh"

namespace quern {
namespace {

// A packed tile as a lane reads it: its four words, and the scale bytes of rows g and g + 8.
struct TileWords {
  uint4 words[kBlocks];
  uint32_t bytes[kBlocks];

  __device__ __forceinline__ void load(uint32_t weights, int lane) {
#pragma unroll
    for (int r = 0; r < kBlocks; ++r) {
      words[r] = load_shared_16(weights + r * kStripBytes + lane * 16);
      bytes[r] = load_shared_4(weights + r * kStripBytes + kPackedTileScales + lane / 4 * 4);
    }
  }
};

// What stays the same for a consumer from tile to tile.
struct Consumer {
  Stages stages;
  uint32_t strip;  // offset of the warp's first strip in a stage's weights
  int lane;
  RingPosition<STAGES> read;     // the stage of the packed tile that is converted next
  RingPosition<STAGES> release;  // the oldest stage not given back
  uint32_t parities;             // with kFixedSlots, of each slot's next full phase

  // The other lanes have read what the arrival gives back.
  __device__ __forceinline__ void release_slot(uint32_t slot) {
    __syncwarp();
    if (lane == 0) mbarrier_arrive(stages.empty(slot));
  }

  __device__ __forceinline__ void release_stage() {
    release_slot(release.slot);
    release.advance();
  }

  __device__ __forceinline__ void begin_tile() {
    if (kFixedSlots) read.slot = release.slot = 0;
  }

  // Take the packed tile of number `in_stage` of its stage: its words into registers, its X as a descriptor.
  __device__ __forceinline__ uint64_t take(TileWords &words, int in_stage) {
    if (in_stage == 0) wait_full(read.slot, read.parity);
    words.load(stages.weights(read.slot) + strip + in_stage * kPackedTileBytes, lane);
    const uint32_t x = stages.x(read.slot) + in_stage / kXBoxTiles * kXBoxBytes + in_stage % kXBoxTiles * 64;
    if (in_stage == STAGE_TILES - 1) read.advance();
    return wgmma_descriptor_128b(x);
  }

  // The words of packed tile `tile` behind the beginning of `slot`. `read` stays where it is.
  __device__ __forceinline__ void take_from(TileWords &words, uint32_t slot, int tile) {
    if (tile % STAGE_TILES == 0) wait_full(slot + tile / STAGE_TILES, 0);
    words.load(stages.weights(slot) + strip + tile / STAGE_TILES * kWeightBytes + tile % STAGE_TILES * kPackedTileBytes,
               lane);
  }

  __device__ __forceinline__ void wait_full(uint32_t slot, uint32_t parity) {
    if (kFixedSlots) {
      parity = parities >> slot & 1u;
      parities ^= 1u << slot;
    }
    mbarrier_wait(stages.full(slot), parity);
  }
};

}  // namespace
}  // namespace quern

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

  template <int kTokens>
  static __device__ __forceinline__ uint32_t x_offset(int in_stage) {
    return in_stage / kXBoxTiles * StageShape<kTokens>::kXTile + in_stage % kXBoxTiles * 64;
  }

  // Take the packed tile of number `in_stage` of its stage: its words into registers, its X as a descriptor.
  template <int kTokens = TILE_TOKENS>
  __device__ __forceinline__ uint64_t take(TileWords &words, int in_stage) {
    if (in_stage == 0) wait_full(read.slot, read.parity);
    words.load(stages.weights<kTokens>(read.slot, in_stage) + strip, lane);
    const uint64_t x = wgmma_descriptor_128b(stages.x(read.slot) + x_offset<kTokens>(in_stage));
    if (in_stage == StageShape<kTokens>::kTiles - 1) read.advance();
    return x;
  }

  // The same of a place in the ring that is known to the compiler; after a round of the ring `read` is where it was.
  __device__ __forceinline__ void take_from(TileWords &words, int place) {
    const uint32_t slot = place / STAGE_TILES, in_stage = place % STAGE_TILES;
    if (in_stage == 0) wait_full(slot, 0);
    words.load(stages.weights(slot) + strip + in_stage * kPackedTileBytes, lane);
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

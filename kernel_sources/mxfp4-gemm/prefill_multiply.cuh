// The main loop of a consumer warpgroup of prefill_sm90a.cu: packed words to A fragments, and wgmma.
#pragma once

#include <quern/wgmma.cuh>

#include "prefill_consumer.cuh"

namespace quern {
namespace {

// A packed tile of every block: four steps of 16 K. Two of these make a ring with names that the compiler knows, as the
// loop is unrolled over two packed tiles: a group of wgmma reads one while the other is written.
using Fragments = uint32_t[kBlocks][4][4];

// What scale bytes need to become multipliers: of every block, from the field offsets of rows g and g + 8.
using ScaleOffsets = uint32_t[kBlocks];

__device__ __forceinline__ void scale_offsets(const int (&fields)[2 * kBlocks], ScaleOffsets &offsets) {
#pragma unroll
  for (int r = 0; r < kBlocks; ++r) offsets[r] = packed_scale_offset<kX>(fields[2 * r], fields[2 * r + 1]);
}

__device__ __forceinline__ void convert(const TileWords &tile, const ScaleOffsets &offsets, Fragments &fragments) {
#pragma unroll
  for (int r = 0; r < kBlocks; ++r) {
    const uint32_t steps[4] = {tile.words[r].x, tile.words[r].y, tile.words[r].z, tile.words[r].w};
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      const uint32_t scales = packed_scales<kX>(tile.bytes[r], step / 2, offsets[r]);
      packed_fragment<kX>(steps[step], scales, fragments[r][step]);
    }
  }
}

// A group: a packed tile, with its X at `x` in shared memory.
template <int kTokens>
__device__ __forceinline__ void multiply_group(Sums<kTokens> &sums, const Fragments &fragments, uint64_t x,
                                               bool first) {
  wgmma_fence();
#pragma unroll
  for (int step = 0; step < 4; ++step) {
#pragma unroll
    for (int r = 0; r < kBlocks; ++r) {
      Wgmma<kX, kTokens>::multiply(sums[r], fragments[r][step], x + step * kWgmmaStepK16, step > 0 || !first ? 1u : 0u);
    }
  }
  wgmma_commit();
}

// sums = W * X^T over `count` packed tiles along K, at least one. The last stage is not given back yet.
//
// With one block a group is short: where the ring is long enough, words are loaded two groups ahead.
template <int kTokens>
__device__ __forceinline__ void multiply_tile(Consumer &consumer, const ScaleOffsets &offsets, int count,
                                              Sums<kTokens> &sums) {
  constexpr bool kAhead = kBlocks == 1 && kRingTiles >= 8;
  Fragments ring[2];
  TileWords even, odd;
  consumer.begin_tile();
  uint64_t even_x = consumer.take(even, 0), odd_x = 0;
  convert(even, offsets, ring[0]);
  if (kAhead && count > 1) odd_x = consumer.take(odd, STAGE_TILES - 1);
  int done = 0;
  if constexpr (kFixedSlots) {
    // Whole parts of the ring, without a condition. X of neighbouring places is next to each other.
    constexpr int kTiles = (kFixedSlots ? UNROLLED_STAGES : 1) * STAGE_TILES;
    constexpr uint32_t kXStep = kXBoxBytes >> 4;
    const uint64_t x = even_x;
    uint32_t slot = 0;  // the part's first
    for (; done + kTiles + 2 <= count; done += kTiles) {
      const uint32_t next_slot = slot + UNROLLED_STAGES == STAGES ? 0 : slot + UNROLLED_STAGES;
#pragma unroll
      for (int place = 0; place < kTiles; ++place) {
        TileWords &next = place % 2 == 0 ? odd : even, &after = place % 2 == 0 ? even : odd;
        multiply_group<kTokens>(sums, ring[place % 2], even_x + place * kXStep, done + place == 0);
        consumer.take_from(after, place + 2 < kTiles ? slot : next_slot, (place + 2) % kTiles);
        wgmma_wait<1>();
        if (place % STAGE_TILES == 0 && (place > 0 || done > 0)) {
          consumer.release_slot((place > 0 || slot > 0 ? slot : STAGES) + place / STAGE_TILES - 1);
        }
        convert(next, offsets, ring[(place + 1) % 2]);
      }
      slot = next_slot;
      even_x = x + slot * (STAGE_TILES * kXStep);
    }
    odd_x = even_x + kXStep;
    consumer.read.slot = slot + 1;
    if (done > 0) consumer.release.slot = (slot > 0 ? slot : STAGES) - 1;
  }
  for (; done + 2 <= count; done += 2) {
    const bool more = done + 2 < count;
    multiply_group<kTokens>(sums, ring[0], even_x, done == 0);
    if (kAhead && more) even_x = consumer.take(even, 0);
    wgmma_wait<1>();
    if (done > 0) consumer.release_stage();
    if (!kAhead) odd_x = consumer.take(odd, STAGE_TILES - 1);
    convert(odd, offsets, ring[1]);

    multiply_group<kTokens>(sums, ring[1], odd_x, false);
    if (kAhead && done + 3 < count) odd_x = consumer.take(odd, STAGE_TILES - 1);
    wgmma_wait<1>();
    if (STAGE_TILES == 1) consumer.release_stage();
    if (more) {
      if (!kAhead) even_x = consumer.take(even, 0);
      convert(even, offsets, ring[0]);
    }
  }
  if (done < count) {
    multiply_group<kTokens>(sums, ring[0], even_x, done == 0);
    if (done > 0) {
      wgmma_wait<1>();
      consumer.release_stage();
    }
    if (STAGE_TILES > 1) consumer.read.advance();  // the stage is half full
  }
}

// After multiply_tile: the sums are there, and the last stage is given back.
template <int kTokens>
__device__ __forceinline__ void finish_multiply(Consumer &consumer, Sums<kTokens> &sums) {
  wgmma_wait<0>();
#pragma unroll
  for (int r = 0; r < kBlocks; ++r) wgmma_hold(sums[r]);
  consumer.release_stage();
}

}  // namespace
}  // namespace quern

// The main loop of a consumer warpgroup of fp8_sm90a.cu: packed words to A fragments in E5M2, wgmma with X in E4M3, and
// promotion.
//
// FP8 tensor cores keep 13 bits below the largest term of a sum and truncate. With PROMOTE_TILES above 0 they sum that
// many packed tiles (64 of K each) from zero, and what they have is added to sums in f32. A consumer multiplies nothing
// meanwhile; the other one does.
#pragma once

#include <quern/packed_convert.cuh>

#include "prefill_consumer.cuh"

namespace quern {
namespace {

static_assert(STAGE_TILES == 2 && !kFixedSlots, "the loop takes a stage of two packed tiles at a time");
static_assert(PROMOTE_TILES % STAGE_TILES == 0 && PROMOTE_TILES <= 8, "K of at most 512 is summed at 13 bits");
static_assert(kBlocks == 1 && (PROMOTE_TILES == 0 || TILE_TOKENS <= 192), "two sets of sums stay in registers");

// A of a step of 32 K. Two make a ring whose names the compiler knows, as the loop is unrolled over the four steps of a
// stage: one is multiplied while the other is converted.
using Fragment = uint32_t[4];

template <int kTokens>
constexpr bool kByStages = kTokens <= 64;

using ScaleOffsets = uint32_t[kBlocks];

__device__ __forceinline__ void scale_offsets(const int (&fields)[2 * kBlocks], ScaleOffsets &offsets) {
  offsets[0] = packed_field_offsets(fields[0], fields[1]);
}

// What is under way along K.
struct Ahead {
  Fragment ring[2];  // ring[0] is multiplied next
  TileWords tile;    // whose first step that is; `bytes` are fields already
  uint64_t x;        // of its stage
};

// Keeps the compiler from moving what makes and uses it across this place.
__device__ __forceinline__ void hold(uint32_t &value) { asm volatile("" : "+r"(value)::"memory"); }

// Step `step` of a packed tile, here and not where another step is converted.
__device__ __forceinline__ void convert(TileWords &tile, int step, Fragment &fragment) {
  uint32_t words[2] = {step == 0 ? tile.words[0].x : tile.words[0].z, step == 0 ? tile.words[0].y : tile.words[0].w};
  uint32_t fields = tile.bytes[0];
#pragma unroll
  for (int half = 0; half < 2; ++half) hold(words[half]);
  hold(fields);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    packed_e5m2(words[half], fields, 2 * step + half, fragment[half], fragment[half + 2]);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) hold(fragment[i]);
}

// One step. QGMMA with A from registers holds the warp until the one before is through. So each is followed by the
// conversion of one step: two of them followed by that of two took 1.1 to 1.25 times as long.
template <int kTokens>
__device__ __forceinline__ void multiply_step(Sums<kTokens> &sums, const Fragment &fragment, uint64_t x, bool first) {
  wgmma_fence();
  Wgmma<kE4m3, kTokens>::multiply(sums[0], fragment, x, first ? 0u : 1u);
  wgmma_commit();
}

// sums = W * X^T over the packed tiles [begin, end) of `count`. The last stage is not given back yet.
template <int kTokens>
__device__ __forceinline__ void multiply_range(Consumer &consumer, uint32_t offsets, Ahead &ahead, int begin, int end,
                                               int count, Sums<kTokens> &sums) {
  int done = begin;
#pragma unroll 1
  for (; done + 2 <= end; done += 2) {
    const bool more = done + 2 < count;  // else what is converted last is not used
    const uint64_t x = ahead.x;
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      multiply_step<kTokens>(sums, ahead.ring[step % 2], x + step * kWgmmaStepK16, step == 0 && done == begin);
      if (step % 2 == 1) ahead.tile.bytes[0] = packed_fields(ahead.tile.bytes[0], offsets);
      wgmma_wait<1>();
      if (step == 0 && done > begin) consumer.release_stage();
      convert(ahead.tile, (step + 1) % 2, ahead.ring[(step + 1) % 2]);
      if (step == 0) consumer.take(ahead.tile, 1);
      if (step == 2 && more) ahead.x = consumer.take(ahead.tile, 0);
    }
  }
  if (done < end) {  // the last of an odd number
    multiply_step<kTokens>(sums, ahead.ring[0], ahead.x, done == begin);
    wgmma_wait<1>();
    if (done > begin) consumer.release_stage();
    convert(ahead.tile, 1, ahead.ring[1]);
    multiply_step<kTokens>(sums, ahead.ring[1], ahead.x + kWgmmaStepK16, false);
    consumer.read.advance();  // the stage is half full
  }
}

// The sums of wgmma are there, and the last stage is given back.
template <int kTokens>
__device__ __forceinline__ void finish_range(Consumer &consumer, Sums<kTokens> &sums) {
  wgmma_wait<0>();
  wgmma_hold(sums[0]);
  consumer.release_stage();
}

// The same for few tokens, where conversion is all that counts: a stage at a time, so that its eight words are
// converted side by side, while the stage before is multiplied. The second half of a last stage that K ends before is
// zeros.
template <int kTokens>
__device__ __forceinline__ void multiply_stages(Consumer &consumer, uint32_t offsets, int count, Sums<kTokens> &sums) {
  static_assert(!kByStages<kTokens> || (PROMOTE_TILES == 4 && STAGES >= 3),
                "two stages are promoted; two are held while a third is awaited");
  Fragment sets[2][4];
  TileWords tiles[2];
  const auto take = [&]() {
    const uint64_t x = consumer.take(tiles[0], 0);
    consumer.take(tiles[1], 1);
    return x;
  };
  const auto convert_stage = [&](Fragment(&set)[4]) {
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      if (step % 2 == 0) tiles[step / 2].bytes[0] = packed_fields(tiles[step / 2].bytes[0], offsets);
      convert(tiles[step / 2], step % 2, set[step]);
    }
  };
  const int stages = (count + 1) / 2;
  uint64_t x = take(), next_x = 0;
  convert_stage(sets[0]);
  if (stages > 1) next_x = take();
#pragma unroll
  for (int i = 0; i < kTokens / 2; ++i) sums[0][i] = 0.0f;
#pragma unroll 1
  for (int stage = 0; stage < stages; stage += 2) {
    Sums<kTokens> part;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (stage + half >= stages) continue;
      wgmma_fence();
#pragma unroll
      for (int step = 0; step < 4; ++step) {
        Wgmma<kE4m3, kTokens>::multiply(part[0], sets[half][step], x + step * kWgmmaStepK16, half + step > 0 ? 1u : 0u);
      }
      wgmma_commit();
      x = next_x;
      convert_stage(sets[1 - half]);  // behind the last stage of no use
      if (stage + half + 2 < stages) next_x = take();
      finish_range<kTokens>(consumer, part);
    }
#pragma unroll
    for (int i = 0; i < kTokens / 2; ++i) sums[0][i] += part[0][i];
  }
}

// sums = W * X^T over `count` packed tiles along K, at least one.
template <int kTokens>
__device__ __forceinline__ void multiply_tile(Consumer &consumer, const ScaleOffsets &offsets, int count,
                                              Sums<kTokens> &sums) {
  if constexpr (kByStages<kTokens>) {
    multiply_stages<kTokens>(consumer, offsets[0], count, sums);
    return;
  }
  Ahead ahead;
  ahead.x = consumer.take(ahead.tile, 0);
  ahead.tile.bytes[0] = packed_fields(ahead.tile.bytes[0], offsets[0]);
  convert(ahead.tile, 0, ahead.ring[0]);
  if constexpr (PROMOTE_TILES == 0) {
    multiply_range<kTokens>(consumer, offsets[0], ahead, 0, count, count, sums);
  } else {
#pragma unroll
    for (int i = 0; i < kTokens / 2; ++i) sums[0][i] = 0.0f;
#pragma unroll 1
    for (int begin = 0; begin < count; begin += PROMOTE_TILES) {
      Sums<kTokens> part;
      multiply_range<kTokens>(consumer, offsets[0], ahead, begin, min(begin + PROMOTE_TILES, count), count, part);
      finish_range<kTokens>(consumer, part);
#pragma unroll
      for (int i = 0; i < kTokens / 2; ++i) sums[0][i] += part[0][i];
    }
  }
}

// After multiply_tile.
template <int kTokens>
__device__ __forceinline__ void finish_multiply(Consumer &consumer, Sums<kTokens> &sums) {
  if constexpr (PROMOTE_TILES == 0) finish_range<kTokens>(consumer, sums);
}

}  // namespace
}  // namespace quern

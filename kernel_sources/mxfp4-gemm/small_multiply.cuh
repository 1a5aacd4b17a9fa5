// What a warpgroup of small_sm90a.cu does with the stages: packed words to fragments, fragments to wgmma. Two slots of
// fragments alternate by unrolled indices, so that the conversion of a K64 tile runs beside the wgmma of the one before
// (indices known only at run time would make ptxas wait for each wgmma).
#pragma once

#include <quern/mbarrier.cuh>
#include <quern/packed_convert.cuh>
#include <quern/shared_memory.cuh>
#include <quern/wgmma.cuh>

#include "small_load.cuh"
#include "small_plan.cuh"

namespace quern {
namespace {

using Sums = float[GROUP_TILES][TILE_TOKENS / 2];
using Fragments = uint32_t[GROUP_TILES][4][4];

// A lane's part of one K64 tile of each of its strips.
struct Words {
  uint4 codes[GROUP_TILES];
  uint32_t scales[GROUP_TILES];
};

__device__ __forceinline__ void convert(const Words &words, const uint32_t (&offsets)[GROUP_TILES],
                                        Fragments &fragments) {
#pragma unroll
  for (int r = 0; r < GROUP_TILES; ++r) {
    const uint32_t codes[4] = {words.codes[r].x, words.codes[r].y, words.codes[r].z, words.codes[r].w};
#pragma unroll
    for (int block = 0; block < 2; ++block) {
      const uint32_t scales = packed_scales<kX>(words.scales[r], block, offsets[r]);
#pragma unroll
      for (int step = 2 * block; step < 2 * block + 2; ++step) {
        packed_fragment<kX>(codes[step], scales, fragments[r][step]);
      }
    }
  }
}

class Multiplier {
 public:
  // A warp without a strip of its own repeats the last one; its sums are dropped.
  __device__ __forceinline__ Multiplier(const GemmParams &p, const Share &share, uint32_t shared, int first_strip,
                                        int k_group)
      : x_(shared + k_group * kGroupTiles * kXTileBytes), barriers_(shared) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const auto *rows = reinterpret_cast<const PackedRow *>(p.scales) + share.first_strip * kPackedTileRows;
#pragma unroll
    for (int r = 0; r < GROUP_TILES; ++r) {
      const int strip = max(min(first_strip + 4 * r, share.strips - 1), 0);
      const PackedRow *row = rows + strip * kPackedTileRows + lane / 4;
      field_offsets_[r][0] = row[0].field_offset;
      field_offsets_[r][1] = row[8].field_offset;
      codes_[r] = strip_slot(shared, 0, strip) + k_group * kGroupTiles * kPackedTileBytes + lane * 16;
      scales_[r] = codes_[r] - lane * 16 + kPackedTileScales + lane / 4 * 4;
    }
    const int tiles = share.tiles - k_group * kGroupTiles;  // from the warpgroup's first to the end of the CTA's K
    stages_ = (tiles + STAGE_TILES - 1) / STAGE_TILES;      // in which it has tiles; of tiles < 1: 0
  }

  __device__ __forceinline__ void run(Sums &sums) const {
    if (stages_ == 0) return;
    uint32_t offsets[GROUP_TILES];
#pragma unroll
    for (int r = 0; r < GROUP_TILES; ++r) {
      offsets[r] = packed_scale_offset<kX>(field_offsets_[r][0], field_offsets_[r][1]);
    }
    Fragments fragments[2];
    Words words;
    wait_full(0, 0);
    load(0, words);
    convert(words, offsets, fragments[0]);
    int slot = 0;
    uint32_t parity = 0;
    for (int stage = 0; stage < stages_; ++stage) {
      const int previous = slot == 0 ? STAGES - 1 : slot - 1;
      const int next = slot == STAGES - 1 ? 0 : slot + 1;
      const uint32_t next_parity = slot == STAGES - 1 ? parity ^ 1 : parity;
#pragma unroll 1
      for (int block = 0; block < kBlocks; ++block) {
        const uint64_t x = wgmma_descriptor_128b(x_ + slot * kXStageBytes + block * kBlockTiles * kXTileBytes);
        const uint32_t weights = slot * kWeightStageBytes + block * kBlockTiles * kPackedTileBytes;
        const bool last = block == kBlocks - 1;
#pragma unroll
        for (int i = 0; i < kBlockTiles; ++i) {
          wgmma_fence();
#pragma unroll
          for (int step = 0; step < 4; ++step) {
#pragma unroll
            for (int r = 0; r < GROUP_TILES; ++r) {
              Wgmma<kX, TILE_TOKENS>::multiply(sums[r], fragments[i % 2][r][step],
                                               x + i * kXTileBytes / 16 + step * kWgmmaStepK16, 1);
            }
          }
          wgmma_commit();
          if (i + 1 < kBlockTiles) {
            load(weights + (i + 1) * kPackedTileBytes, words);
            wgmma_wait<1>();
            // The stage before is done with now: its words were read, and its wgmma have ended. Each lane says so for
            // itself: as fast as one for all after __syncwarp(), which racecheck does not follow.
            if (i == 0 && block == 0 && stage > 0) mbarrier_arrive(barriers_ + kEmptyAt + 8 * previous);
            convert(words, offsets, fragments[(i + 1) % 2]);
          } else if (!last || stage + 1 < stages_) {
            if (last) wait_full(next, next_parity);
            load(last ? next * kWeightStageBytes : weights + kBlockTiles * kPackedTileBytes, words);
            wgmma_wait<1>();
            convert(words, offsets, fragments[0]);
          }
        }
      }
      slot = next;
      parity = next_parity;
    }
    wgmma_wait<0>();
  }

 private:
  // Tiles by which the loop is unrolled: enough to hide its bookkeeping, few enough for the registers.
  static constexpr int kBlockTiles = kGroupTiles % 4 == 0 ? 4 : 2;
  static constexpr int kBlocks = kGroupTiles / kBlockTiles;

  __device__ __forceinline__ void wait_full(int slot, uint32_t parity) const {
    mbarrier_wait(barriers_ + kFullAt + 8 * slot, parity);
  }

  __device__ __forceinline__ void load(uint32_t offset, Words &words) const {
#pragma unroll
    for (int r = 0; r < GROUP_TILES; ++r) {
      words.codes[r] = load_shared_16(codes_[r] + offset);
      words.scales[r] = load_shared_4(scales_[r] + offset);
    }
  }

  uint32_t x_;
  uint32_t barriers_;
  uint32_t codes_[GROUP_TILES];  // of the lane in the first slot
  uint32_t scales_[GROUP_TILES];
  int field_offsets_[GROUP_TILES][2];  // as they were loaded: nothing waits for them before run()
  int stages_;
};

}  // namespace
}  // namespace quern

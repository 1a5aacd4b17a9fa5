// As decode_multiply.cuh, for one token. The eight columns of B are the eight K32 blocks of a group of four tiles: each
// has X in one block and zeros elsewhere, so that a column of the sums is one block's. Then the weights need not be
// scaled: the four sums that a lane has are, all with scales of the group's tile lane % 4. That saves 16 multiplies a
// tile of 16 x 64, and three quarters of the work on scales.
//
// Unscaled bf16 weights are E2M1 * 2^-126. So X is first multiplied by the power of two that brings its largest element
// to 2^96, or as far as it can, and the sums are multiplied back: products are exact down to 2^-110 of that element,
// and no sum overflows before that.
#pragma once

#include "decode_multiply.cuh"

namespace quern {
namespace {

constexpr int kGroupTiles = 4;

template <int kStrips>
class BlockSums {
 public:
  __device__ __forceinline__ BlockSums(const GemmParams &, const Plan &plan, uint32_t rows, const Warp &w)
      : weights_at_(static_cast<uint32_t>(w.lane * 16)),
        scales_at_(static_cast<uint32_t>(kPackedTileScales + w.lane / 4 * 4)),
        x_at_(static_cast<uint32_t>(w.lane / 8 * 16)),
        zeros_(w.shared + plan.zeros()),
        lane_(w.lane),
        strip_bytes_(plan.strip_bytes),
        rows_(rows),
        x_scale_(w.x_scale) {}

  __device__ __forceinline__ void add_tile(uint32_t weights, uint32_t x) {
    uint4 words[kStrips];
    uint32_t fragments[8];
    const int column = lane_ % 8 - 2 * tile_;
#pragma unroll
    for (int s = 0; s < kStrips; ++s) words[s] = load_shared_16(weights + weights_at_ + s * strip_bytes_);
    if (lane_ % 4 == tile_) {
#pragma unroll
      for (int s = 0; s < kStrips; ++s) bytes_[s] = load_shared_4(weights + scales_at_ + s * strip_bytes_);
    }
    load_matrices(column == 0 ? x + x_at_ : zeros_, fragments);
    load_matrices(column == 1 ? x + x_at_ + 64 : zeros_, fragments + 4);
    x_scale_.apply(fragments);
#pragma unroll
    for (int s = 0; s < kStrips; ++s) {
      const uint32_t word[4] = {words[s].x, words[s].y, words[s].z, words[s].w};
#pragma unroll
      for (int step = 0; step < 4; ++step) {
        uint32_t a[4];
        packed_pairs<kX>(word[step], a);
        mma_m16n8k16<kX>(blocks_[s], a, fragments[2 * step], fragments[2 * step + 1]);
      }
    }
    if (++tile_ == kGroupTiles) add_blocks();
  }

  __device__ __forceinline__ void finish() {
    if (tile_ > 0) add_blocks();
  }

  __device__ __forceinline__ void store(float *to, int s, int) const {
    float low = sums_[s][0], high = sums_[s][1];
#pragma unroll
    for (int step = 1; step < 4; step *= 2) {
      low += __shfl_xor_sync(0xffffffffu, low, step);
      high += __shfl_xor_sync(0xffffffffu, high, step);
    }
    if (lane_ % 4 == 0) {
      to[lane_ / 4] = low * x_scale_.back;
      to[lane_ / 4 + 8] = high * x_scale_.back;
    }
  }

 private:
  // The blocks of the group times their scales. A tile that it lacks has sums of zero, and bytes of an earlier group.
  __device__ __forceinline__ void add_blocks() {
    tile_ = 0;
#pragma unroll
    for (int s = 0; s < kStrips; ++s) {
      const uint32_t row = rows_ + s * (kPackedTileRows * sizeof(PackedRow)) + offsetof(PackedRow, field_offset);
      const uint32_t low = load_shared_4(row), high = load_shared_4(row + 8 * sizeof(PackedRow));
      sums_[s][0] = fmaf(blocks_[s][0], packed_block_scale<kX>(bytes_[s], 0, low), sums_[s][0]);
      sums_[s][1] = fmaf(blocks_[s][2], packed_block_scale<kX>(bytes_[s], 1, high), sums_[s][1]);
      sums_[s][0] = fmaf(blocks_[s][1], packed_block_scale<kX>(bytes_[s], 2, low), sums_[s][0]);
      sums_[s][1] = fmaf(blocks_[s][3], packed_block_scale<kX>(bytes_[s], 3, high), sums_[s][1]);
      blocks_[s][0] = blocks_[s][1] = blocks_[s][2] = blocks_[s][3] = 0.0f;
    }
  }

  const uint32_t weights_at_, scales_at_, x_at_, zeros_;
  const int lane_;
  const uint32_t strip_bytes_;
  const uint32_t rows_;  // g of the first strip
  const XScale x_scale_;
  int tile_ = 0;                   // of the group
  uint32_t bytes_[kStrips] = {};   // scales of tile lane % 4
  float blocks_[kStrips][4] = {};  // columns 2 t and 2 t + 1: the blocks of tile t; rows g, then g + 8
  float sums_[kStrips][2] = {};
};

}  // namespace
}  // namespace quern

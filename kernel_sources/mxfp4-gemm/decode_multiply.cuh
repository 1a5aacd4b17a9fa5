// The K64 tiles of several strips that one warp has, for up to 8 or 16 tokens: packed words to A fragments, mma.sync
// with the B fragments of X.
#pragma once

#include <quern/mma_sync.cuh>
#include <quern/packed_convert.cuh>
#include <quern/shared_memory.cuh>

#include "decode_load_x.cuh"

namespace quern {
namespace {

constexpr int kTokenTiles = (TOKENS + 7) / 8;

// One that multiplies.
struct Warp {
  uint32_t shared;
  int warp, lane;
  XScale x_scale;
};

// A lane's share of what a warp multiplies in a pass of kStrips strips.
template <int kStrips>
class TokenSums {
 public:
  // `rows` is where row g of the first strip stands in shared memory.
  __device__ __forceinline__ TokenSums(const GemmParams &p, const Plan &plan, uint32_t rows, const Warp &w)
      : weights_at_(static_cast<uint32_t>(w.lane * 16)),
        scales_at_(static_cast<uint32_t>(kPackedTileScales + w.lane / 4 * 4)),
        lane_(w.lane),
        strip_bytes_(plan.strip_bytes) {
#pragma unroll
    for (int s = 0; s < kStrips; ++s) {
      const uint32_t row = rows + s * (kPackedTileRows * sizeof(PackedRow)) + offsetof(PackedRow, field_offset);
      offsets_[s] = packed_scale_offset<kX>(static_cast<int>(load_shared_4(row)),
                                            static_cast<int>(load_shared_4(row + 8 * sizeof(PackedRow))));
    }
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) {
      x_at_[n] = static_cast<uint32_t>(min(8 * n + w.lane % 8, p.m - 1)) * plan.x_row_bytes +
                 static_cast<uint32_t>(w.lane / 8 * 16);
    }
  }

  // The tile of each strip at `weights`, and of X at `x`, in shared memory.
  __device__ __forceinline__ void add_tile(uint32_t weights, uint32_t x) {
    uint4 words[kStrips];
    uint32_t bytes[kStrips];
    uint32_t fragments[kTokenTiles][8];
#pragma unroll
    for (int s = 0; s < kStrips; ++s) {
      words[s] = load_shared_16(weights + weights_at_ + s * strip_bytes_);
      bytes[s] = load_shared_4(weights + scales_at_ + s * strip_bytes_);
    }
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) {
      // Half of the B fragments of the tile's four steps each. The lane's address: its column of B, 8 (lane / 8) of K.
      load_matrices(x + x_at_[n], fragments[n]);
      load_matrices(x + x_at_[n] + 64, fragments[n] + 4);
    }
#pragma unroll
    for (int s = 0; s < kStrips; ++s) {
      const uint32_t word[4] = {words[s].x, words[s].y, words[s].z, words[s].w};
      const uint32_t scales[2] = {packed_scales<kX>(bytes[s], 0, offsets_[s]),
                                  packed_scales<kX>(bytes[s], 1, offsets_[s])};
#pragma unroll
      for (int step = 0; step < 4; ++step) {
        uint32_t a[4];
        packed_fragment<kX>(word[step], scales[step / 2], a);
#pragma unroll
        for (int n = 0; n < kTokenTiles; ++n) {
          mma_m16n8k16<kX>(sums_[s][n], a, fragments[n][2 * step], fragments[n][2 * step + 1]);
        }
      }
    }
  }

  __device__ __forceinline__ void finish() {}

  // The sums of a strip as [token][row] with kSumStride, tokens that exist only.
  __device__ __forceinline__ void store(float *to, int s, int tokens) const {
    const int g = lane_ / 4, t = lane_ % 4;
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int token = 8 * n + 2 * t + i;
        if (token < tokens) {
          to[token * kSumStride + g] = sums_[s][n][i];
          to[token * kSumStride + g + 8] = sums_[s][n][2 + i];
        }
      }
    }
  }

 private:
  const uint32_t weights_at_, scales_at_;
  const int lane_;
  const uint32_t strip_bytes_;
  uint32_t offsets_[kStrips];
  uint32_t x_at_[kTokenTiles];
  float sums_[kStrips][kTokenTiles][4] = {};
};

}  // namespace
}  // namespace quern

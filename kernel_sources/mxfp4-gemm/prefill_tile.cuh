// The tile of prefill_sm90a.cu and fp8_sm90a.cu: its constants, its shared memory, and the order in which tiles are
// taken.
#pragma once

#include <quern/async_copy.cuh>
#include <quern/cluster_sums.cuh>
#include <quern/mbarrier.cuh>
#include <quern/named_barrier.cuh>
#include <quern/packed_convert.cuh>
#include <quern/shared_memory.cuh>

namespace quern {
namespace {

constexpr uint32_t kX = QUERN_X_DTYPE;
constexpr bool kFp8 = kX == kE4m3;
constexpr int kGroups = WARPGROUPS;                     // consumers, each with a share of the rows
constexpr int kBlocks = TILE_ROWS / (64 * WARPGROUPS);  // m64 blocks of a consumer
constexpr int kWarpRows = 16 * kBlocks;                 // a warp's strips of 16 rows lie next to each other
constexpr int kConsumers = 128 * WARPGROUPS;
constexpr int kThreads = kConsumers + 128;  // behind the consumers, one thread copies in, kStorers copy out
constexpr int kStorers = 3;
static_assert(kBlocks * 64 * WARPGROUPS == TILE_ROWS, "rows are m64 blocks");
static_assert(kBlocks * TILE_TOKENS <= 256, "sums stay in registers");
static_assert(WARPGROUPS == 2 || WARPGROUPS == 3, "registers are shared out for these");
constexpr bool kHasTail = TAIL_TOKENS > 0;
constexpr int kTailTokens = kHasTail ? TAIL_TOKENS : TILE_TOKENS;
static_assert(!kHasTail || (CLUSTER_K == 1 && kBlocks == 1), "two loops of two blocks serialize wgmma (C7512)");
static_assert(TILE_TOKENS % X_BOXES == 0 && TAIL_TOKENS % (TILE_TOKENS / X_BOXES) == 0, "tiles are whole boxes");

// A stage is STAGE_TILES packed tiles along K. A box of x_map has 128 bytes of every token: K of one packed tile, or of
// two if X is E4M3.
constexpr int kXBoxTiles = kFp8 ? 2 : 1;
static_assert(STAGE_TILES % kXBoxTiles == 0, "stages are whole boxes");
constexpr uint32_t kStripBytes = STAGE_TILES * kPackedTileBytes;
constexpr uint32_t kWeightBytes = TILE_ROWS / kPackedTileRows * kStripBytes;
constexpr uint32_t kXBoxBytes = TILE_TOKENS * 128;
constexpr int kXBoxTokens = TILE_TOKENS / X_BOXES;  // of x_map
constexpr uint32_t kXBytes = STAGE_TILES / kXBoxTiles * kXBoxBytes;
constexpr int kPackedTileWords = kPackedTileBytes / 8;  // elements of the weights' tensor map

// Where the packed tiles of a stage lie in its parts of the rings. A tile of few tokens leaves X's part half empty:
// then a stage is two packed tiles along K, of which the second has its weights behind X, and so the ring reaches far
// enough for its short steps.
template <int kTokens>
struct StageShape {
  static constexpr bool kDouble =
      kTokens < TILE_TOKENS && STAGE_TILES == 1 && !kFp8 && 2 * kTokens * 128 + kWeightBytes <= kXBytes;
  static constexpr int kTiles = kDouble ? 2 : STAGE_TILES;
  static constexpr uint32_t kXTile = kDouble ? kTokens * 128 : kXBoxBytes;  // from one packed tile's X to the next
};

// Tiles begin at slot 0 of the ring, so that a loop that is unrolled over all slots knows their places: conversion
// bounds small tiles, and beside wgmma every instruction counts. Large tiles rather have the ring run on, since then
// the next tile's first stages come while this one's last are multiplied.
constexpr bool kFixedSlots = FIXED_SLOTS;
constexpr int kRingTiles = STAGES * STAGE_TILES;
static_assert(!FIXED_SLOTS || (kBlocks == 1 && kRingTiles >= 8 && kRingTiles % 2 == 0), "words are loaded ahead");

// Of the tile's tokens each CTA of a cluster finishes a share: its staging holds a tile of 16-bit Y, [token][row], with
// a pitch that keeps stmatrix free of bank conflicts; or fewer tokens in f32, for all other Y. Behind it is what the
// other CTAs send of their sums.
constexpr int kShareTokens = TILE_TOKENS / CLUSTER_K;
static_assert(CLUSTER_K == 1 || (TILE_TOKENS % (16 * CLUSTER_K) == 0 && kBlocks == 1), "shares are whole matrices");
constexpr int kYPitch = 2 * TILE_ROWS + 16;  // bytes
constexpr int kTilePitch = TILE_ROWS + 4;    // elements
constexpr uint32_t kStagingBytes = kShareTokens * kYPitch;
using Parts = ClusterSums<CLUSTER_K, kConsumers, TILE_TOKENS / 2>;

// Offsets in shared memory. The X ring begins at 0, since its swizzle needs 1024 bytes of alignment.
constexpr uint32_t kWeightsAt = STAGES * kXBytes;
constexpr uint32_t kStagingAt = kWeightsAt + STAGES * kWeightBytes;
constexpr uint32_t kReceiveAt = kStagingAt + kStagingBytes;
constexpr uint32_t kTokenScalesAt = kReceiveAt + Parts::kBytes;  // of E4M3 X: f32 [warp][kShareTokens]
constexpr uint32_t kTokenScalesBytes = kFp8 ? kConsumers / 32 * kShareTokens * 4 : 0;
constexpr uint32_t kBarriersAt = kTokenScalesAt + kTokenScalesBytes;
static_assert(kWeightBytes % 128 == 0 && 16 * STAGES + 24 <= 256, "");

struct Stages {
  uint32_t base;
  __device__ __forceinline__ uint32_t x(uint32_t slot) const { return base + slot * kXBytes; }
  __device__ __forceinline__ uint32_t weights(uint32_t slot) const { return base + kWeightsAt + slot * kWeightBytes; }
  // Of the stage's packed tile `tile`, in a shape where those do not lie side by side.
  template <int kTokens>
  __device__ __forceinline__ uint32_t weights(uint32_t slot, int tile) const {
    if constexpr (!StageShape<kTokens>::kDouble) return weights(slot) + tile * kPackedTileBytes;
    return tile == 0 ? weights(slot) : x(slot) + 2 * StageShape<kTokens>::kXTile;
  }
  __device__ __forceinline__ uint32_t full(uint32_t slot) const { return base + kBarriersAt + slot * 8; }
  __device__ __forceinline__ uint32_t empty(uint32_t slot) const { return base + kBarriersAt + (STAGES + slot) * 8; }
  // Of the tile of Y: the consumers have written it, the storing warp's copies have read it.
  __device__ __forceinline__ uint32_t staged() const { return base + kBarriersAt + 2 * STAGES * 8; }
  __device__ __forceinline__ uint32_t stored() const { return base + kBarriersAt + (2 * STAGES + 1) * 8; }
  // The other CTAs' sums of this one's share have arrived.
  __device__ __forceinline__ uint32_t received() const { return base + kBarriersAt + (2 * STAGES + 2) * 8; }
};

// Where a tile lies.
struct TilePlace {
  int row;     // the first
  int token;   // the first
  int tokens;  // TILE_TOKENS, TAIL_TOKENS or kShareTokens

  __device__ __forceinline__ TilePlace share(int rank) const {
    return {row, token + rank * kShareTokens, kShareTokens};
  }
};

// What this CTA does: `count` tiles, and of each the packed tiles of K from k_begin on. A CTA (with CLUSTER_K above 1,
// a cluster) takes every step-th tile.
//
// Tiles go through RASTER row tiles, then to the next tokens, and so through all tokens before the next RASTER row
// tiles: what runs at a time is about square, so that L2 serves both operands. With TAIL_TOKENS, the rows that whole
// waves of tiles leave over are taken as tiles of so many tokens, if that is at most one for each CTA.
struct Work {
  int row_tiles, token_tiles;  // of TILE_TOKENS
  int first, step;
  int whole;  // tiles of TILE_TOKENS that are this CTA's
  int count;
  int k_begin, k_count;

  __device__ __forceinline__ Work(const GemmParams &p, int rank) {
    row_tiles = (p.n - 1) / TILE_ROWS + 1;
    token_tiles = (p.m - 1) / TILE_TOKENS + 1;
    first = static_cast<int>(blockIdx.x) / CLUSTER_K;
    step = static_cast<int>(gridDim.x) / CLUSTER_K;
    int tail = 0;
    if constexpr (kHasTail) {
      const int in_waves = row_tiles * token_tiles / step * step / token_tiles;  // row tiles
      const int tiles = (row_tiles - in_waves) * tail_tiles(p);
      if (tiles <= step) {
        tail = tiles;
        row_tiles = in_waves;
      }
    }
    whole = (row_tiles * token_tiles - first + step - 1) / step;
    count = whole + (first < tail ? 1 : 0);
    const int k_tiles = (p.k - 1) / kPackedTileK + 1;
    if constexpr (kXBoxTiles == 1) {
      k_begin = k_tiles * rank / CLUSTER_K;
      k_count = k_tiles * (rank + 1) / CLUSTER_K - k_begin;
    } else {
      const int k_boxes = (k_tiles + kXBoxTiles - 1) / kXBoxTiles;
      k_begin = k_boxes * rank / CLUSTER_K * kXBoxTiles;
      k_count = min(k_tiles, k_boxes * (rank + 1) / CLUSTER_K * kXBoxTiles) - k_begin;
    }
    if constexpr (kHasTail) tail_columns = tail_tiles(p);
  }

  __device__ __forceinline__ bool in_tail(int i) const { return kHasTail && i >= whole; }

  __device__ __forceinline__ TilePlace place(int i) const {
    if (in_tail(i)) {
      const int row = first / tail_columns;
      return {(row_tiles + row) * TILE_ROWS, (first - row * tail_columns) * kTailTokens, kTailTokens};
    }
    const int index = first + i * step;
    const int band = index / (RASTER * token_tiles);
    const int in_band = index - band * RASTER * token_tiles;
    const int height = min(RASTER, row_tiles - band * RASTER);
    const int column = in_band / height;
    return {(band * RASTER + in_band - column * height) * TILE_ROWS, column * TILE_TOKENS, TILE_TOKENS};
  }

 private:
  static __device__ __forceinline__ int tail_tiles(const GemmParams &p) { return (p.m - 1) / kTailTokens + 1; }
  int tail_columns;  // tiles of TAIL_TOKENS along the tokens
};

// The cluster's parts of the sums, where it has several.
__device__ __forceinline__ Parts parts(Stages stages) { return {stages.base + kReceiveAt, stages.received()}; }

using Sums = float[kBlocks][TILE_TOKENS / 2];

// A barrier of the consumers alone.
__device__ __forceinline__ void consumers_sync() { named_barrier_sync_aligned<1, kConsumers>(); }

}  // namespace
}  // namespace quern

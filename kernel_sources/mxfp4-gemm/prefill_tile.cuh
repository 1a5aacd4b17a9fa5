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
constexpr bool kOnlyPlain = QUERN_PLAIN_Y;  // Y is (prefill_epilogue.cuh); all other takes longer to compile
constexpr int kGroups = WARPGROUPS;         // consumers, each with a share of the rows
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
constexpr int kCluster = CLUSTER_K * TAIL_SPLIT;  // CTAs of a cluster
static_assert(TAIL_SPLIT == 1 || (TAIL_SPLIT == 2 && kHasTail), "tiles of the tail are split between two");
static_assert(TILE_TOKENS % X_BOXES == 0, "tiles are whole boxes");

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

// With UNROLLED_STAGES tiles begin at slot 0 of the ring, so that a loop that is unrolled over so many of its slots
// knows their places: conversion bounds small tiles, and beside wgmma every instruction counts. Large tiles rather have
// the ring run on, since then the next tile's first stages come while this one's last are multiplied.
constexpr bool kFixedSlots = UNROLLED_STAGES > 0;
constexpr int kRingTiles = STAGES * STAGE_TILES;
static_assert(!kFixedSlots || (kBlocks == 1 && kRingTiles >= 8 && STAGE_TILES == 2), "words are loaded ahead");
static_assert(!kFixedSlots || (UNROLLED_STAGES > 1 && STAGES % (kFixedSlots ? UNROLLED_STAGES : 1) == 0),
              "the ring is whole parts of at least two slots");

// Of the tile's tokens each CTA of a cluster finishes a share: its staging holds a tile of 16-bit Y, [token][row], with
// a pitch that keeps stmatrix free of bank conflicts; or fewer tokens in f32, for all other Y. Behind it is what the
// other CTAs send of their sums.
constexpr int kShareTokens = TILE_TOKENS / CLUSTER_K;
static_assert(CLUSTER_K == 1 || (TILE_TOKENS % (16 * CLUSTER_K) == 0 && kBlocks == 1), "shares are whole matrices");
constexpr int kYPitch = 2 * TILE_ROWS + 16;  // bytes
constexpr int kTilePitch = TILE_ROWS + 4;    // elements
constexpr uint32_t kStagingBytes = kShareTokens * kYPitch;
using Parts = ClusterSums<CLUSTER_K, kConsumers, TILE_TOKENS / 2>;
// A tile of the tail that is split leaves room in the staging, where the other CTA's sums go.
using TailParts = ClusterSums<TAIL_SPLIT, kConsumers, kTailTokens / 2>;
constexpr int kTailShareTokens = kTailTokens / TAIL_SPLIT;
constexpr uint32_t kTailStagingBytes = kTailShareTokens * kYPitch;
// If both do not fit, the tile goes where the ring was, once all have multiplied.
constexpr bool kTailInRing = TAIL_SPLIT > 1 && kTailStagingBytes + TailParts::kBytes > kStagingBytes;
static_assert(TAIL_SPLIT == 1 || TailParts::kBytes <= kStagingBytes, "what is sent fits");
static_assert(kTailInRing || kTailShareTokens % 16 == 0, "nothing lies behind a tile that ends in half a step");

// Offsets in shared memory. The X ring begins at 0, since its swizzle needs 1024 bytes of alignment.
constexpr uint32_t kWeightsAt = STAGES * kXBytes;
constexpr uint32_t kStagingAt = kWeightsAt + STAGES * kWeightBytes;
constexpr uint32_t kReceiveAt = kStagingAt + kStagingBytes;
constexpr uint32_t kTokenScalesAt = kReceiveAt + Parts::kBytes;  // of E4M3 X: f32 [warp][kShareTokens]
constexpr uint32_t kTokenScalesBytes = kFp8 ? kConsumers / 32 * kShareTokens * 4 : 0;
constexpr uint32_t kBarriersAt = kTokenScalesAt + kTokenScalesBytes;
static_assert(kWeightBytes % 128 == 0 && 16 * STAGES + 32 <= 256, "");

struct Stages {
  uint32_t base;
  __device__ __forceinline__ uint32_t x(uint32_t slot) const { return base + slot * kXBytes; }
  __device__ __forceinline__ uint32_t weights(uint32_t slot) const { return base + kWeightsAt + slot * kWeightBytes; }
  __device__ __forceinline__ uint32_t full(uint32_t slot) const { return base + kBarriersAt + slot * 8; }
  __device__ __forceinline__ uint32_t empty(uint32_t slot) const { return base + kBarriersAt + (STAGES + slot) * 8; }
  // Of the tile of Y: the consumers have written it, the storing warp's copies have read it.
  __device__ __forceinline__ uint32_t staged() const { return base + kBarriersAt + 2 * STAGES * 8; }
  __device__ __forceinline__ uint32_t stored() const { return base + kBarriersAt + (2 * STAGES + 1) * 8; }
  // The other CTAs' sums of this one's share have arrived.
  __device__ __forceinline__ uint32_t received() const { return base + kBarriersAt + (2 * STAGES + 2) * 8; }
  // The other CTA of a tile that is split is done with its staging, and so can receive.
  __device__ __forceinline__ uint32_t can_send() const { return base + kBarriersAt + (2 * STAGES + 3) * 8; }
};

// Where a tile lies.
struct TilePlace {
  int row;     // the first
  int token;   // the first
  int tokens;  // TILE_TOKENS, TAIL_TOKENS, kShareTokens or kTailShareTokens

  template <int kTokens>
  __device__ __forceinline__ TilePlace share(int rank) const {
    return {row, token + rank * kTokens, kTokens};
  }
};

// Packed tiles along K.
struct Range {
  int begin, count;
};

// What this CTA does: `count` tiles, and of each the packed tiles of K in range(). A CTA (with CLUSTER_K above 1,
// a cluster) takes every step-th tile.
//
// Tiles go through RASTER row tiles, then to the next tokens, and so through all tokens before the next RASTER row
// tiles: what runs at a time is about square, so that L2 serves both operands. With TAIL_TOKENS, the rows that whole
// waves of tiles leave over are taken as tiles of so many tokens, if that is at most one for each CTA; with TAIL_SPLIT
// a pair of CTAs shares the K of each, if there are two for each, and Y is stored in bulk.
struct Work {
  int row_tiles, token_tiles;  // of TILE_TOKENS
  int first, step;
  int whole;  // tiles of TILE_TOKENS that are this CTA's
  int count;
  int k_tiles;
  Range k;              // of a tile that is not split
  int tail_shares = 1;  // of K: how many CTAs share a tile of the tail
  const GemmParams &params;

  __device__ __forceinline__ Work(const GemmParams &p, int rank, bool in_bulk) : params(p) {
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
        if (TAIL_SPLIT > 1 && in_bulk && TAIL_SPLIT * tiles <= step && p.k > kXBoxTiles * kPackedTileK) {
          tail_shares = TAIL_SPLIT;
        }
      }
    }
    whole = (row_tiles * token_tiles - first + step - 1) / step;
    count = whole + (tail_index() < tail ? 1 : 0);
    k_tiles = (p.k - 1) / kPackedTileK + 1;
    k = CLUSTER_K > 1 ? part(k_tiles, rank) : Range{0, k_tiles};
  }

  __device__ __forceinline__ bool in_tail(int i) const { return kHasTail && i >= whole; }

  __device__ __forceinline__ bool tail_is_split() const { return TAIL_SPLIT > 1 && tail_shares > 1; }

  // Of tile i.
  __device__ __forceinline__ Range range(int i) const {
    return tail_is_split() && in_tail(i) ? part(k_tiles, static_cast<int>(cluster_rank())) : k;
  }

  __device__ __forceinline__ TilePlace place(int i) const {
    if (in_tail(i)) {
      const int index = tail_index();
      const int columns = tail_tiles(params);  // anew each time: registers are scarce
      const int row = index / columns;
      return {(row_tiles + row) * TILE_ROWS, (index - row * columns) * kTailTokens, kTailTokens};
    }
    const int index = first + i * step;
    const int band = index / (RASTER * token_tiles);
    const int in_band = index - band * RASTER * token_tiles;
    const int height = min(RASTER, row_tiles - band * RASTER);
    const int column = in_band / height;
    return {(band * RASTER + in_band - column * height) * TILE_ROWS, column * TILE_TOKENS, TILE_TOKENS};
  }

 private:
  // The cluster's CTA `rank` has whole boxes of X.
  static __device__ __forceinline__ Range part(int k_tiles, int rank) {
    const int boxes = (k_tiles + kXBoxTiles - 1) / kXBoxTiles;
    const int begin = boxes * rank / kCluster * kXBoxTiles, end = boxes * (rank + 1) / kCluster * kXBoxTiles;
    return {begin, min(end, k_tiles) - begin};
  }
  static __device__ __forceinline__ int tail_tiles(const GemmParams &p) { return (p.m - 1) / kTailTokens + 1; }
  __device__ __forceinline__ int tail_index() const { return first / tail_shares; }
};

// The cluster's parts of the sums, where it has several.
__device__ __forceinline__ Parts parts(Stages stages) { return {stages.base + kReceiveAt, stages.received()}; }
__device__ __forceinline__ TailParts tail_parts(Stages stages) {
  return {stages.base + kStagingAt + (kTailInRing ? 0 : kTailStagingBytes), stages.received()};
}

// What a consumer thread has of a tile of so many tokens, as wgmma gives it.
template <int kTokens>
using Sums = float[kBlocks][kTokens / 2];

// A barrier of the consumers alone.
__device__ __forceinline__ void consumers_sync() { named_barrier_sync_aligned<1, kConsumers>(); }

}  // namespace
}  // namespace quern

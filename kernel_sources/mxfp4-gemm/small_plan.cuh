// How small_sm90a.cu divides the work and its shared memory: constants from the variant's defines, and one CTA's share.
// The grid is CLUSTER_K times any number of clusters from n / kRows, rounded up, on; by tokens / TILE_TOKENS.
#pragma once

#include <quern/gemm_params.h>
#include <quern/packed_layout.h>
#include <quern/cluster_sums.cuh>

namespace quern {
namespace {

constexpr uint32_t kX = QUERN_X_DTYPE;
constexpr int kRows = 64 * ROW_GROUPS * GROUP_TILES;  // of W, at most, per cluster
constexpr int kStrips = kRows / kPackedTileRows;
constexpr int kWarps = 4 * ROW_GROUPS * K_GROUPS;  // that multiply; LOADERS more load
constexpr int kThreads = 32 * kWarps;
constexpr int kGroupTiles = STAGE_TILES / K_GROUPS;  // consecutive K64 tiles of a stage that one warpgroup takes
static_assert(kGroupTiles % 2 == 0 && STAGE_TILES % K_GROUPS == 0, "fragments alternate between two slots");
static_assert(STAGES >= 2, "a stage is filled while another is read");
static_assert(kRows <= kThreads, "a thread per row reads its scale");
static_assert(STAGE_TILES <= 32 * LOADERS && kStrips <= 32 * LOADERS, "a lane per tile of X and per strip");
static_assert(EARLY_STAGES >= 1 && EARLY_STAGES <= STAGES, "of the ring");

// A stage: X [K64 tile][token][128 bytes, swizzled], and the weights [strip][K64 tile][544 bytes].
constexpr int kXTileBytes = 128 * TILE_TOKENS;
constexpr int kXStageBytes = STAGE_TILES * kXTileBytes;
constexpr int kStripBytes = STAGE_TILES * kPackedTileBytes;
constexpr int kWeightStageBytes = kStrips * kStripBytes;
static_assert(kXTileBytes % 1024 == 0, "the swizzle repeats every 1024 bytes");

// Shared memory: all X stages, all weight stages, row scales, biases, barriers, and what the other CTAs of the cluster
// send of their sums. In the end the stages hold the sums that are left to add.
constexpr int kWeightsAt = STAGES * kXStageBytes;
constexpr int kRowsAt = kWeightsAt + STAGES * kWeightStageBytes;
constexpr int kFullAt = kRowsAt + 8 * kRows;  // barriers, one per slot
constexpr int kEmptyAt = kFullAt + 8 * STAGES;
constexpr int kReceivedAt = kEmptyAt + 8 * STAGES;  // a barrier
constexpr int kReceiveAt = kReceivedAt + 16;
static_assert(kReceiveAt % 16 == 0, "fours are received");
constexpr int kShareTokens = TILE_TOKENS / CLUSTER_K;  // that a CTA of the cluster finishes
static_assert(CLUSTER_K == 1 || (GROUP_TILES == 1 && kShareTokens % 8 == 0), "threads finish fours");
constexpr int kSumStride = kRows + 4;  // floats; conflict-free for the lanes of a warp
static_assert(4 * K_GROUPS * kShareTokens * kSumStride <= kRowsAt, "the sums reuse the stages");

using Parts = ClusterSums<CLUSTER_K, kThreads, TILE_TOKENS / 2>;
__device__ __forceinline__ Parts parts(uint32_t shared) { return {shared + kReceiveAt, shared + kReceivedAt}; }

// One CTA's part of the work: its cluster's strips, its own K.
struct Share {
  int first_strip;  // of 16 rows
  int strips;       // that exist, at most kStrips
  int first_tile;   // of 64 K
  int tiles;        // this CTA's; may be 0
  int stages;
  int groups;       // warpgroups along the rows that have any
  int first_token;  // of the cluster's, of which each CTA finishes kShareTokens
  int rank;         // in the cluster

  __device__ __forceinline__ explicit Share(const GemmParams &p) {
    const int clusters = static_cast<int>(gridDim.x) / CLUSTER_K;
    const int cluster = static_cast<int>(blockIdx.x) / CLUSTER_K;
    rank = static_cast<int>(blockIdx.x) % CLUSTER_K;
    // Even shares: no cluster has more than one strip more than another.
    const int all_strips = static_cast<int>(packed_row_tiles(p.n));
    const int least = all_strips / clusters, more = all_strips % clusters;
    first_strip = cluster * least + min(cluster, more);
    strips = least + (cluster < more ? 1 : 0);
    groups = (strips + 4 * GROUP_TILES - 1) / (4 * GROUP_TILES);
    const int all_tiles = static_cast<int>(packed_k_tiles(p.k));
    first_tile = all_tiles * rank / CLUSTER_K;
    tiles = all_tiles * (rank + 1) / CLUSTER_K - first_tile;
    stages = strips == 0 ? 0 : (tiles + STAGE_TILES - 1) / STAGE_TILES;
    first_token = static_cast<int>(blockIdx.y) * TILE_TOKENS;
  }
};

}  // namespace
}  // namespace quern

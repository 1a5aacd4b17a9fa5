// Canonical MXFP4 weights to a packed tensor and back (packed_layout.h), sm_75 and up.
//
// Algorithm: a CTA takes 16 rows of W. To pack, it first finds each row's largest scale byte, then its warps go through
// the tiles of 64 K: a lane gathers the four bytes of each of its four words, and their bits change places.
// Tile: 16 rows x 64 K a warp. Shared memory: 128 bytes. Bound: memory traffic, about a byte per two elements either
// way; it runs once in a tensor's life.
#include <quern/repack_params.h>

namespace quern {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr uint32_t kLayout = QUERN_LAYOUT;

struct Statistics {
  int largest;  // scale byte other than 255
  int has_nan;
};

// What a warp's lane works on: rows g and g + 8 of the CTA's 16.
struct Lane {
  int g, t;
  int64_t row[2];
};

__device__ __forceinline__ Lane this_lane() {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kPackedTileRows;
  return {lane / 4, lane % 4, {first + lane / 4, first + lane / 4 + 8}};
}

__device__ __forceinline__ void raise_flag(const RepackParams &p, uint32_t flag) {
  atomicOr(&reinterpret_cast<PackedHeader *>(p.packed)->flags, flag);
}

__device__ __forceinline__ void find_statistics(const RepackParams &p, Statistics (&rows)[kPackedTileRows]) {
  if (threadIdx.x < kPackedTileRows) rows[threadIdx.x] = {0, 0};
  __syncthreads();
  const int row = static_cast<int>(threadIdx.x) % kPackedTileRows;
  const int64_t source = static_cast<int64_t>(blockIdx.x) * kPackedTileRows + row;
  if (source < p.n) {
    int largest = 0, has_nan = 0;
    for (int64_t block = threadIdx.x / kPackedTileRows; block < p.k / kMxfp4Block;
         block += kThreads / kPackedTileRows) {
      const int byte = p.scales[source * p.scales_stride + block];
      has_nan |= byte == 255;
      if (byte != 255) largest = max(largest, byte);
    }
    atomicMax(&rows[row].largest, largest);
    if (has_nan) atomicOr(&rows[row].has_nan, 1);
  }
  __syncthreads();
}

// The byte at K position `k` of a row as it is to be packed; 0 where there is none.
__device__ __forceinline__ uint32_t read_pair(const RepackParams &p, int64_t row, int64_t k, uint32_t scale) {
  if (row >= p.n || k >= p.k || (scale == 0 && p.scale_zero == kScaleZeroFlush)) return 0;
  return p.blocks[row * p.blocks_stride + k / 2];
}

__device__ __forceinline__ uint32_t read_scale(const RepackParams &p, int64_t row, int64_t k) {
  return row < p.n && k < p.k ? p.scales[row * p.scales_stride + k / kMxfp4Block] : 0u;
}

__device__ __forceinline__ void pack_tile(const RepackParams &p, const Lane &lane, const PackedRow (&rows)[2],
                                          int64_t k, uint8_t *tile) {
  uint32_t scales[2][2];  // of the lane's rows and the tile's blocks
#pragma unroll
  for (int i = 0; i < 4; ++i) scales[i / 2][i % 2] = read_scale(p, lane.row[i / 2], k + i % 2 * kMxfp4Block);
  uint32_t words[4];
  bool inexact = false;
#pragma unroll
  for (int word = 0; word < 4; ++word) {
    uint8_t pairs[4];
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      const PackedPair at = packed_pair(kLayout, lane.t, word, pair);
      const uint32_t scale = scales[at.half][at.byte / (kMxfp4Block / 2)];
      const uint32_t byte = read_pair(p, lane.row[at.half], k + 2 * at.byte, scale);
      inexact |= (byte & 0x77u) != 0 && scale != 255 &&
                 !packed_holds(kLayout, static_cast<int>(scale), rows[at.half].field_offset);
      pairs[pair] = static_cast<uint8_t>(byte);
    }
    words[word] = pack_word(kLayout, pairs);
  }
  if (inexact) raise_flag(p, kPackedInexact);
  reinterpret_cast<uint4 *>(tile)[lane.g * 4 + lane.t] = make_uint4(words[0], words[1], words[2], words[3]);
  // Lane t of a row pair writes the scale of block t / 2, row half t % 2.
  tile[packed_scale_at(lane.g + lane.t % 2 * 8, lane.t / 2)] =
      static_cast<uint8_t>(read_scale(p, lane.t % 2 == 0 ? lane.row[0] : lane.row[1], k + lane.t / 2 * kMxfp4Block));
}

__device__ __forceinline__ void unpack_tile(const RepackParams &p, const Lane &lane, int64_t k, const uint8_t *tile) {
  const uint4 loaded = reinterpret_cast<const uint4 *>(tile)[lane.g * 4 + lane.t];
  const uint32_t words[4] = {loaded.x, loaded.y, loaded.z, loaded.w};
#pragma unroll
  for (int word = 0; word < 4; ++word) {
    uint8_t pairs[4];
    unpack_word(kLayout, words[word], pairs);
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      const PackedPair at = packed_pair(kLayout, lane.t, word, pair);
      const int64_t row = lane.row[at.half], byte = k / 2 + at.byte;
      if (row < p.n && byte < p.k / 2) p.blocks[row * p.blocks_stride + byte] = pairs[pair];
    }
  }
  const int64_t row = lane.t % 2 == 0 ? lane.row[0] : lane.row[1];
  const int64_t block = k / kMxfp4Block + lane.t / 2;
  if (row < p.n && block < p.k / kMxfp4Block) {
    p.scales[row * p.scales_stride + block] = tile[packed_scale_at(lane.g + lane.t % 2 * 8, lane.t / 2)];
  }
}

// Zeros between the rows and the tiles, and behind the tiles: equal weights give equal bytes.
__device__ __forceinline__ void zero_gaps(const RepackParams &p) {
  const auto clear = [&](int64_t begin, int64_t end) {
    for (int64_t at = begin + threadIdx.x; at < end; at += kThreads) p.packed[at] = 0;
  };
  clear(packed_rows_end(p.n), packed_tiles_offset(p.n));
  clear(packed_tiles_end(p.n, p.k), packed_bytes(p.n, p.k));
}

}  // namespace
}  // namespace quern

extern "C" __global__ void __launch_bounds__(quern::kThreads, 1)
    quern_repack_pack(const __grid_constant__ quern::RepackParams p) {
  using namespace quern;
  __shared__ Statistics statistics[kPackedTileRows];
  find_statistics(p, statistics);
  const auto row_of = [&](int row) {
    return packed_row(kLayout, statistics[row].largest, statistics[row].has_nan != 0);
  };
  if (threadIdx.x < kPackedTileRows) {
    PackedRow *rows = reinterpret_cast<PackedRow *>(p.packed + kPackedHeaderBytes);
    rows[static_cast<int64_t>(blockIdx.x) * kPackedTileRows + threadIdx.x] = row_of(static_cast<int>(threadIdx.x));
    if (statistics[threadIdx.x].has_nan) raise_flag(p, kPackedHasNan);
  }
  if (blockIdx.x == 0) zero_gaps(p);
  const Lane lane = this_lane();
  const PackedRow rows[2] = {row_of(lane.g), row_of(lane.g + 8)};
  const int64_t k_tiles = packed_k_tiles(p.k);
  uint8_t *tiles = p.packed + packed_tiles_offset(p.n) + static_cast<int64_t>(blockIdx.x) * k_tiles * kPackedTileBytes;
  for (int64_t tile = threadIdx.x / 32; tile < k_tiles; tile += kWarps) {
    pack_tile(p, lane, rows, tile * kPackedTileK, tiles + tile * kPackedTileBytes);
  }
}

extern "C" __global__ void __launch_bounds__(quern::kThreads, 1)
    quern_repack_unpack(const __grid_constant__ quern::RepackParams p) {
  using namespace quern;
  const Lane lane = this_lane();
  const int64_t k_tiles = packed_k_tiles(p.k);
  const uint8_t *tiles =
      p.packed + packed_tiles_offset(p.n) + static_cast<int64_t>(blockIdx.x) * k_tiles * kPackedTileBytes;
  for (int64_t tile = threadIdx.x / 32; tile < k_tiles; tile += kWarps) {
    unpack_tile(p, lane, tile * kPackedTileK, tiles + tile * kPackedTileBytes);
  }
}

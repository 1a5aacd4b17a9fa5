// Packing and unpacking on the CPU: a task is 16 rows of W.
#include <quern/repack_params.h>

#include <atomic>
#include <cstring>

#include "runtime/cpu/kernels.hpp"

namespace quern::cpu {
namespace {

constexpr int64_t kRowBytesOfTile = kPackedTileK / 2;

struct Job {
  const RepackParams &params;
  std::atomic<uint32_t> flags{0};
};

// Where a tile's bytes lie. Rows beyond n and K beyond k do not exist in the canonical tensors.
struct Tile {
  int64_t row, k;
  uint8_t *packed;
};

Tile find_tile(const RepackParams &p, int64_t row_tile, int64_t k_tile) {
  return {row_tile * kPackedTileRows, k_tile * kPackedTileK,
          p.packed + packed_tiles_offset(p.n) + (row_tile * packed_k_tiles(p.k) + k_tile) * kPackedTileBytes};
}

PackedRow pack_row(const RepackParams &p, int64_t row, uint32_t &flags) {
  int largest = 0;
  bool has_nan = false;
  for (int64_t block = 0; row < p.n && block < p.k / kMxfp4Block; ++block) {
    const int byte = p.scales[row * p.scales_stride + block];
    has_nan = has_nan || byte == 255;
    if (byte != 255 && byte > largest) largest = byte;
  }
  if (has_nan) flags |= kPackedHasNan;
  return packed_row(p.layout, largest, has_nan);
}

// The 16 bytes and the scale of a block, as they are to be packed.
uint8_t read_block(const RepackParams &p, int64_t row, int64_t k, const PackedRow &packed, uint8_t (&codes)[16],
                   uint32_t &flags) {
  std::memset(codes, 0, sizeof codes);
  if (row >= p.n || k >= p.k) return 0;
  const uint8_t byte = p.scales[row * p.scales_stride + k / kMxfp4Block];
  if (byte == 0 && p.scale_zero == kScaleZeroFlush) return byte;
  std::memcpy(codes, p.blocks + row * p.blocks_stride + k / 2, sizeof codes);
  uint8_t magnitudes = 0;
  for (const uint8_t pair : codes) magnitudes |= pair & 0x77;
  if (byte != 255 && magnitudes != 0 && !packed_holds(p.layout, byte, packed.field_offset)) flags |= kPackedInexact;
  return byte;
}

void pack_tile(const RepackParams &p, const Tile &tile, const PackedRow *rows, uint32_t &flags) {
  uint8_t codes[kPackedTileRows][kRowBytesOfTile];
  for (int row = 0; row < kPackedTileRows; ++row) {
    for (int block = 0; block < 2; ++block) {
      uint8_t block_codes[16];
      const uint8_t byte = read_block(p, tile.row + row, tile.k + block * kMxfp4Block, rows[row], block_codes, flags);
      std::memcpy(codes[row] + block * 16, block_codes, 16);
      tile.packed[packed_scale_at(row, block)] = byte;
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      uint8_t pairs[4];
      for (int pair = 0; pair < 4; ++pair) {
        const PackedPair at = packed_pair(p.layout, lane % 4, i, pair);
        pairs[pair] = codes[lane / 4 + 8 * at.half][at.byte];
      }
      const uint32_t word = pack_word(p.layout, pairs);
      std::memcpy(tile.packed + lane * 16 + i * 4, &word, 4);
    }
  }
}

void unpack_tile(const RepackParams &p, const Tile &tile) {
  uint8_t codes[kPackedTileRows][kRowBytesOfTile];
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      uint32_t word;
      uint8_t pairs[4];
      std::memcpy(&word, tile.packed + lane * 16 + i * 4, 4);
      unpack_word(p.layout, word, pairs);
      for (int pair = 0; pair < 4; ++pair) {
        const PackedPair at = packed_pair(p.layout, lane % 4, i, pair);
        codes[lane / 4 + 8 * at.half][at.byte] = pairs[pair];
      }
    }
  }
  for (int row = 0; row < kPackedTileRows && tile.row + row < p.n; ++row) {
    for (int block = 0; block < 2 && tile.k + block * kMxfp4Block < p.k; ++block) {
      const int64_t first = tile.k + block * kMxfp4Block;
      std::memcpy(p.blocks + (tile.row + row) * p.blocks_stride + first / 2, codes[row] + block * 16, 16);
      p.scales[(tile.row + row) * p.scales_stride + first / kMxfp4Block] = tile.packed[packed_scale_at(row, block)];
    }
  }
}

void pack_task(void *context, int64_t row_tile) {
  Job &job = *static_cast<Job *>(context);
  const RepackParams &p = job.params;
  uint32_t flags = 0;
  PackedRow rows[kPackedTileRows];
  for (int row = 0; row < kPackedTileRows; ++row) rows[row] = pack_row(p, row_tile * kPackedTileRows + row, flags);
  std::memcpy(p.packed + kPackedHeaderBytes + row_tile * static_cast<int64_t>(sizeof rows), rows, sizeof rows);
  for (int64_t k_tile = 0; k_tile < packed_k_tiles(p.k); ++k_tile) {
    pack_tile(p, find_tile(p, row_tile, k_tile), rows, flags);
  }
  if (flags != 0) job.flags.fetch_or(flags, std::memory_order_relaxed);
}

void unpack_task(void *context, int64_t row_tile) {
  const RepackParams &p = static_cast<Job *>(context)->params;
  for (int64_t k_tile = 0; k_tile < packed_k_tiles(p.k); ++k_tile) unpack_tile(p, find_tile(p, row_tile, k_tile));
}

}  // namespace

void repack(const RepackParams &params, ThreadPool &pool) noexcept {
  Job job{params};
  const int64_t row_tiles = packed_row_tiles(params.n);
  if (params.direction == kRepackUnpack) {
    pool.run(row_tiles, unpack_task, &job);
    return;
  }
  pool.run(row_tiles, pack_task, &job);
  // What lies between and behind is zero, so that equal weights give equal bytes.
  const auto clear = [&](int64_t begin, int64_t end) {
    std::memset(params.packed + begin, 0, static_cast<size_t>(end - begin));
  };
  clear(packed_rows_end(params.n), packed_tiles_offset(params.n));
  clear(packed_tiles_end(params.n, params.k), packed_bytes(params.n, params.k));
  reinterpret_cast<PackedHeader *>(params.packed)->flags |= job.flags.load(std::memory_order_relaxed);
}

size_t packed_gemm_workspace_bytes(int64_t n, int64_t k) { return static_cast<size_t>(n * (k / 2 + k / kMxfp4Block)); }

void packed_gemm(const GemmParams &params, ThreadPool &pool) noexcept {
  RepackParams unpacking{};
  unpacking.blocks = static_cast<uint8_t *>(params.workspace);
  unpacking.scales = unpacking.blocks + int64_t{params.n} * (params.k / 2);
  unpacking.packed = const_cast<uint8_t *>(params.blocks) - packed_tiles_offset(params.n);
  unpacking.blocks_stride = params.k / 2;
  unpacking.scales_stride = params.k / kMxfp4Block;
  unpacking.n = params.n;
  unpacking.k = params.k;
  unpacking.layout = params.x_dtype == kF16    ? kLayoutMma16F16
                     : params.x_dtype == kE4m3 ? kLayoutMma16E5m2
                                               : kLayoutMma16Bf16;
  unpacking.direction = kRepackUnpack;
  repack(unpacking, pool);
  GemmParams canonical = params;
  canonical.blocks = unpacking.blocks;
  canonical.scales = unpacking.scales;
  canonical.blocks_stride = unpacking.blocks_stride;
  canonical.scales_stride = unpacking.scales_stride;
  gemm(canonical, pool);
}

}  // namespace quern::cpu

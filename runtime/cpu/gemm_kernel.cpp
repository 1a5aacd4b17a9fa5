// One tile of Y = activation(alpha * X * W^T + bias) + residual, once per instruction set.
//
// A block of 32 along K of the tile's rows of W is decoded to f32 and multiplied into six rows of X at a time, whose
// sums stay in registers. Summation has three levels, so that rounding grows with their lengths and not with K: 32
// products within a block, 32 blocks in `sums`, and those in `totals`. The order is the same for every shape of tile
// and width of vector.
//
// A block's sum is multiplied by its scale, which is exact. Where elements, sums or products would leave the range of
// f32 before that, the scale is applied first instead.
#include "runtime/cpu/highway_targets.hpp"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/gemm_kernel.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <string.h>

#include <quern/activation.h>

#include "runtime/cpu/gemm_single_row-inl.hpp"
#include "runtime/cpu/gemm_types-inl.hpp"
#include "runtime/cpu/gemm_weights-inl.hpp"
#include "runtime/cpu/instruction_sets.hpp"

HWY_BEFORE_NAMESPACE();
namespace quern::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kSumBlocks = 32;  // blocks added up in `sums`
constexpr int kTileVectors = kTileColumns / kLanes;
constexpr int kColumnStep = 16;
static_assert(kColumnStep % kLanes == 0 && kTileColumns % kColumnStep == 0);

// Vectors of columns that one pass over a block takes, so that its sums fill the registers but do not spill.
constexpr int pass_vectors(int rows) {
  constexpr int kRegisters = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 32 : 16;
  const int vectors = rows == 1 ? 8 : rows == 2 ? 4 : kRegisters == 32 ? 4 : 2;
  return vectors < kTileVectors ? vectors : kTileVectors;
}

// sums[m, n] += scales[n] * (sum over the block of x[m, k] * weights[k, n])
template <int kRows>
void add_rows(const float *weights, const float *scales, const float *x, int columns, float *sums) {
  constexpr int kVectors = pass_vectors(kRows);
  const Floats d;
  for (int first = 0; first < columns; first += kVectors * kLanes) {
    hn::Vec<Floats> sum[kRows][kVectors];
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[m][v] = hn::Zero(d);
    }
    const float *w = weights + first;
    for (int k = 0; k < kMxfp4Block; ++k, w += kTileColumns) {
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const auto factor = hn::Set(d, x[m * kMxfp4Block + k]);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sum[m][v] = hn::MulAdd(factor, hn::Load(d, w + v * kLanes), sum[m][v]);
      }
    }
    float *out = sums + first;
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m, out += kTileColumns) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        const auto scale = hn::Load(d, scales + first + v * kLanes);
        hn::Store(hn::MulAdd(sum[m][v], scale, hn::Load(d, out + v * kLanes)), d, out + v * kLanes);
      }
    }
  }
}

struct Workspace {
  WeightRows rows;
  int columns;  // of the tile, rounded up to kColumnStep; what lies beyond is computed and dropped
  alignas(64) float weights[kMxfp4Block * kTileColumns];
  alignas(64) float scaled_weights[kMxfp4Block * kTileColumns];
  alignas(64) float scales[kScaleBlocks * kTileColumns];
  alignas(64) float ones[kTileColumns];
  alignas(64) float x[kRegisterRows * kMxfp4Block];
  alignas(64) float factors[kLanes * kMxfp4Block];
  alignas(64) float sums[kTileRows * kTileColumns];
  alignas(64) float totals[kTileRows * kTileColumns];
};

// Rows of X whose values are not all ordinary, one by one so that no row's result depends on its neighbours.
HWY_NOINLINE void add_unusual_rows(Workspace &work, int rows, float *sums) {
  apply_all_scales(work.weights, work.scales, kTileColumns, work.scaled_weights);
  for (int m = 0; m < rows; ++m) {
    const float *x = work.x + m * kMxfp4Block;
    const bool ordinary = are_ordinary(x, kMxfp4Block);
    add_rows<1>(ordinary ? work.weights : work.scaled_weights, ordinary ? work.scales : work.ones, x, work.columns,
                sums + m * kTileColumns);
  }
}

HWY_INLINE void load_x(const GemmParams &p, const GemmTile &tile, int row, int64_t block, int count, float *x) {
  const int64_t first = (tile.first_row + int64_t{row}) * p.x_stride + block * kMxfp4Block;
  load_as_f32(p.x, first, p.x_dtype, count, x);
  // The next blocks, which no hardware sees coming among so many rows. At the end it is of no use and does no harm.
  const int64_t next = first + count;
  hwy::Prefetch(static_cast<const uint8_t *>(p.x) + next * (p.x_dtype == kF32 ? 4 : p.x_dtype == kE4m3 ? 1 : 2));
}

void add_block(const GemmParams &p, const GemmTile &tile, int64_t block, Workspace &work) {
  static constexpr void (*kAddRows[])(const float *, const float *, const float *, int, float *) = {
      add_rows<1>, add_rows<2>, add_rows<3>, add_rows<4>, add_rows<5>, add_rows<6>};
  static_assert(sizeof kAddRows / sizeof kAddRows[0] == kRegisterRows);

  decode_block(work.rows, block, work.columns, work.weights);
  const bool any_large = decode_scales(work.rows, block, work.columns, work.scales);
  if (any_large) apply_large_scales(work.weights, work.scales, work.columns);
  for (int row = 0; row < tile.rows; row += kRegisterRows) {
    const int rows = tile.rows - row < kRegisterRows ? tile.rows - row : kRegisterRows;
    for (int m = 0; m < rows; ++m) load_x(p, tile, row + m, block, kMxfp4Block, work.x + m * kMxfp4Block);
    float *sums = work.sums + row * kTileColumns;
    if (are_ordinary(work.x, rows * kMxfp4Block)) {
      kAddRows[rows - 1](work.weights, work.scales, work.x, work.columns, sums);
    } else {
      add_unusual_rows(work, rows, sums);
    }
  }
}

// Up to kScaleBlocks blocks.
void add_blocks(const GemmParams &p, const GemmTile &tile, int64_t block, int64_t end, Workspace &work) {
  read_scales(work.rows, block + kScaleBlocks, work.columns);
#if HWY_TARGET != HWY_SCALAR
  while (tile.rows == 1 && block < end) {
    const int blocks = end - block < kBlocksAbreast ? static_cast<int>(end - block) : kBlocksAbreast;
    bool any_large = false;
    for (int b = 0; b < blocks; ++b) {
      any_large |= decode_scales(work.rows, block + b, work.columns, work.scales + b * kTileColumns);
    }
    load_x(p, tile, 0, block, blocks * kMxfp4Block, work.x);
    if (any_large || !are_ordinary(work.x, blocks * kMxfp4Block)) break;
    spread_row(work.x, work.factors);
    const auto add = blocks == kBlocksAbreast ? add_single_row<true> : add_single_row<false>;
    add(work.rows, block, blocks, work.factors, work.scales, work.columns, work.sums);
    block += blocks;
  }
#endif
  for (; block < end; ++block) add_block(p, tile, block, work);
}

HWY_INLINE float load_element(const void *from, int64_t at, uint32_t dtype) {
  if (dtype == kF32) return static_cast<const float *>(from)[at];
  const uint16_t bits = static_cast<const uint16_t *>(from)[at];
  return dtype == kBf16 ? f32_from_bf16(bits) : f32_from_f16(bits);
}

HWY_INLINE void load_bias(const GemmParams &p, const GemmTile &tile, float *bias) {
  for (int i = 0; i < kTileColumns; ++i) {
    const int64_t at = tile.first_column + int64_t{i};
    bias[i] = !p.bias || i >= tile.columns ? 0.0f : load_element(p.bias, at, p.bias_dtype);
  }
}

// values = activation(values) + residual, for one row of the tile.
HWY_INLINE void finish_row(const GemmParams &p, const GemmTile &tile, int row, float *values) {
  if (p.activation != kActivationNone) {
    for (int i = 0; i < tile.columns; ++i) values[i] = activate(p.activation, values[i]);
  }
  if (p.residual != nullptr) {
    const int64_t first = (tile.first_row + int64_t{row}) * p.residual_stride + tile.first_column;
    for (int i = 0; i < tile.columns; ++i) values[i] += load_element(p.residual, first + i, p.y_dtype);
  }
}

HWY_INLINE void store_row(const GemmParams &p, const GemmTile &tile, int row, const float *values) {
  const int64_t first = (tile.first_row + int64_t{row}) * p.y_stride + tile.first_column;
  if (p.y_dtype == kF32) {
    memcpy(static_cast<float *>(p.y) + first, values, static_cast<size_t>(tile.columns) * sizeof(float));
    return;
  }
  uint16_t rounded[kTileColumns];
  round_f32(values, p.y_dtype, kTileColumns, rounded);
  memcpy(static_cast<uint16_t *>(p.y) + first, rounded, static_cast<size_t>(tile.columns) * sizeof(uint16_t));
}

// to[i] += from[i] for whole rows of a tile, `from` repeating after `period`.
HWY_INLINE void add_to(float *to, const float *from, int count, int period) {
  const Floats d;
  for (int i = 0; i < count; i += kLanes) {
    hn::Store(hn::Add(hn::Load(d, to + i), hn::Load(d, from + i % period)), d, to + i);
  }
}

HWY_INLINE void multiply_by(float *values, float factor, int count) {
  const Floats d;
  for (int i = 0; i < count; i += kLanes) {
    hn::Store(hn::Mul(hn::Load(d, values + i), hn::Set(d, factor)), d, values + i);
  }
}

// Declared here because the only other declaration is the dispatcher's.
void gemm_tile(const GemmParams &p, const GemmTile &tile);

void gemm_tile(const GemmParams &p, const GemmTile &tile) {
  Workspace work;
  open_rows(p, tile, work.rows);
  work.columns = (tile.columns + kColumnStep - 1) / kColumnStep * kColumnStep;
  const int count = tile.rows * kTileColumns;
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  if (work.columns < kTileColumns) memset(work.weights, 0, sizeof work.weights);
  memset(work.scales, 0, sizeof work.scales);
  memset(work.x, 0, sizeof work.x);
  for (float &one : work.ones) one = 1.0f;
  memset(work.totals, 0, bytes);
  read_scales(work.rows, 0, work.columns);

  for (int64_t block = 0; block < work.rows.row_blocks;) {
    memset(work.sums, 0, bytes);
    for (int i = 0; i < kSumBlocks && block < work.rows.row_blocks; i += kScaleBlocks, block += kScaleBlocks) {
      const int64_t left = work.rows.row_blocks - block;
      add_blocks(p, tile, block, block + (left < kScaleBlocks ? left : kScaleBlocks), work);
    }
    add_to(work.totals, work.sums, count, count);
  }

  alignas(64) float bias[kTileColumns];
  load_bias(p, tile, bias);
  if (p.x_scales != nullptr) {
    for (int row = 0; row < tile.rows; ++row) {
      multiply_by(work.totals + row * kTileColumns, p.x_scales[tile.first_row + row], kTileColumns);
    }
  }
  if (p.alpha != 1.0f) multiply_by(work.totals, p.alpha, count);
  add_to(work.totals, bias, count, kTileColumns);
  for (int row = 0; row < tile.rows; ++row) {
    finish_row(p, tile, row, work.totals + row * kTileColumns);
    store_row(p, tile, row, work.totals + row * kTileColumns);
  }
}

}  // namespace quern::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

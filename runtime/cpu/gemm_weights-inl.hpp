// MXFP4 weights for the GEMM kernel: a block of 32 along K of up to kTileColumns rows of W, as f32, transposed so that
// a vector holds one k of neighbouring rows. Elements and scales are kept apart: the kernel scales sums over a block,
// which is exact and a 32nd of the work. Compiled once per Highway target.
#if defined(QUERN_GEMM_WEIGHTS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_GEMM_WEIGHTS_INL
#undef QUERN_GEMM_WEIGHTS_INL
#else
#define QUERN_GEMM_WEIGHTS_INL
#endif

#include <string.h>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "runtime/cpu/instruction_sets.hpp"

HWY_BEFORE_NAMESPACE();
namespace quern::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Words = hn::RebindToUnsigned<Floats>;

constexpr int kLanes = HWY_LANES(float);
// Scale bytes are read four blocks at a time, a word per row.
constexpr int kScaleBlocks = 4;
// Blocks ahead that are asked for: the rows of a tile are more streams than hardware follows.
constexpr int kPrefetchBlocks = 4;
// From this scale byte on, elements can be infinite whose sum, scaled later, would not be: they are scaled at once.
constexpr uint32_t kLargeScale = 253;

// The rows of W of a tile. Columns beyond the last repeat it, so that whole vectors can be read.
struct WeightRows {
  const uint8_t *blocks;
  const uint8_t *scales;
  int64_t row_blocks;
  uint32_t zero_scale;  // f32 bits of scale byte 0
  int64_t block_offsets[kTileColumns];
  int64_t scale_offsets[kTileColumns];
  alignas(64) uint32_t scale_words[2][kTileColumns];  // of the scale blocks at hand and the next
};

HWY_INLINE void open_rows(const GemmParams &p, const GemmTile &tile, WeightRows &rows) {
  rows.blocks = p.blocks;
  rows.scales = p.scales;
  rows.row_blocks = p.k / kMxfp4Block;
  rows.zero_scale = p.scale_zero == kScaleZeroFlush ? 0u : 0x00400000u;
  for (int i = 0; i < kTileColumns; ++i) {
    const int64_t row = tile.first_column + (i < tile.columns ? i : tile.columns - 1);
    rows.block_offsets[i] = row * p.blocks_stride;
    rows.scale_offsets[i] = row * p.scales_stride;
  }
}

HWY_INLINE int scale_slot(int64_t block) { return static_cast<int>(block / kScaleBlocks % 2); }

// The scale bytes of kScaleBlocks blocks, the first in the lowest byte, and a hint to fetch blocks to come. To be
// called as many blocks ahead: a vector load close behind the narrow stores would wait for them to leave the core.
HWY_INLINE void read_scales(WeightRows &rows, int64_t block, int columns) {
  const int64_t left = rows.row_blocks - block;
  if (left <= 0) return;
  uint32_t *words = rows.scale_words[scale_slot(block)];
  for (int i = 0; i < columns; ++i) {
    const uint8_t *bytes = rows.scales + rows.scale_offsets[i] + block;
    uint32_t word = 0;
    if (left >= kScaleBlocks) {
      memcpy(&word, bytes, kScaleBlocks);
    } else {
      for (int b = 0; b < left; ++b) word |= static_cast<uint32_t>(bytes[b]) << 8 * b;
    }
    words[i] = word;
  }
  if (left <= kPrefetchBlocks) return;
  for (int i = 0; i < columns; ++i) {
    hwy::Prefetch(rows.blocks + rows.block_offsets[i] + (block + kPrefetchBlocks) * (kMxfp4Block / 2));
  }
}

// scales[i] of a block, like e8m0_to_f32() but with the policy for byte 0. Returns whether one of them is large.
HWY_INLINE bool decode_scales(const WeightRows &rows, int64_t block, int columns, float *scales) {
  const Words d;
  auto largest = hn::Zero(d);
  for (int i = 0; i < columns; i += kLanes) {
    const auto words = hn::Load(d, rows.scale_words[scale_slot(block)] + i);
    const auto bytes = hn::And(hn::ShiftRightSame(words, static_cast<int>(block % kScaleBlocks) * 8), hn::Set(d, 255u));
    auto bits = hn::ShiftLeft<23>(bytes);
    bits = hn::IfThenElse(hn::Eq(bytes, hn::Zero(d)), hn::Set(d, rows.zero_scale), bits);
    bits = hn::IfThenElse(hn::Eq(bytes, hn::Set(d, 255u)), hn::Set(d, 0x7fc00000u), bits);
    hn::Store(hn::BitCast(Floats(), bits), Floats(), scales + i);
    largest = hn::Max(largest, bytes);
  }
  return !hn::AllFalse(d, hn::Gt(largest, hn::Set(d, kLargeScale - 1)));
}

// Scales the elements of columns whose scale is large, and leaves these a scale of 1.
HWY_INLINE void apply_large_scales(float *weights, float *scales, int columns) {
  const Floats d;
  const auto one = hn::Set(d, 1.0f);
  for (int i = 0; i < columns; i += kLanes) {
    const auto scale = hn::Load(d, scales + i);
    const auto small = hn::Lt(scale, hn::Set(d, f32_from_bits(kLargeScale << 23)));  // NaN is not
    for (int k = 0; k < kMxfp4Block; ++k) {
      float *at = weights + k * kTileColumns + i;
      hn::Store(hn::Mul(hn::Load(d, at), hn::IfThenElse(small, one, scale)), d, at);
    }
    hn::Store(hn::IfThenElse(small, scale, one), d, scales + i);
  }
}

HWY_INLINE void apply_all_scales(const float *weights, const float *scales, int columns, float *scaled) {
  const Floats d;
  for (int k = 0; k < kMxfp4Block; ++k, weights += kTileColumns, scaled += kTileColumns) {
    for (int i = 0; i < columns; i += kLanes) {
      hn::Store(hn::Mul(hn::Load(d, weights + i), hn::Load(d, scales + i)), d, scaled + i);
    }
  }
}

#if HWY_TARGET == HWY_SCALAR

struct PackedColumns {
  const uint8_t *bytes;
};

HWY_INLINE PackedColumns load_columns(const WeightRows &rows, int first, int64_t block) {
  return {rows.blocks + rows.block_offsets[first] + block * (kMxfp4Block / 2)};
}

HWY_INLINE void decode_eight(const PackedColumns &packed, int quarter, hn::Vec<Floats> (&elements)[8]) {
  for (int j = 0; j < 8; ++j) {
    elements[j] = hn::Set(Floats(), e2m1_to_f32(packed.bytes[quarter * 4 + j / 2] >> (j % 2 * 4) & 15u));
  }
}

#else

// A block of each of kLanes rows of W, which are columns of Y: words[i] has k from 8 * i on, eight nibbles a lane.
struct PackedColumns {
  hn::Vec<Words> words[4];
};

// 16 bytes, which are one block, of each of Lanes(d) / 4 rows that lie four apart.
HWY_INLINE hn::Vec<hn::Full128<uint32_t> > load_every_fourth(hn::Full128<uint32_t> d, const uint8_t *blocks,
                                                             const int64_t *offsets) {
  return hn::BitCast(d, hn::LoadU(hn::Full128<uint8_t>(), blocks + *offsets));
}
template <class D>
HWY_INLINE hn::Vec<D> load_every_fourth(D d, const uint8_t *blocks, const int64_t *offsets) {
  const hn::Half<D> half;
  return hn::Combine(d, load_every_fourth(half, blocks, offsets + hn::Lanes(half)),
                     load_every_fourth(half, blocks, offsets));
}

// Four rows of four words become four words of four rows, in every 16 bytes.
HWY_INLINE PackedColumns transpose(hn::Vec<Words> row0, hn::Vec<Words> row1, hn::Vec<Words> row2, hn::Vec<Words> row3) {
  const Words d;
  const hn::Repartition<uint64_t, Words> pairs;
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, row0, row1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, row2, row3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, row0, row1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, row2, row3));
  return {{hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)),
           hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)),
           hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)),
           hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23))}};
}

HWY_INLINE PackedColumns load_columns(const WeightRows &rows, int first, int64_t block) {
  const Words d;
  const uint8_t *blocks = rows.blocks + block * (kMxfp4Block / 2);
  const int64_t *offsets = rows.block_offsets + first;
  return transpose(load_every_fourth(d, blocks, offsets), load_every_fourth(d, blocks, offsets + 1),
                   load_every_fourth(d, blocks, offsets + 2), load_every_fourth(d, blocks, offsets + 3));
}

#if HWY_TARGET == HWY_AVX3

// The element of each lane's lowest nibble.
HWY_INLINE hn::Vec<Floats> decode_lowest(hn::Vec<Words> words) {
  alignas(64) static constexpr float kElements[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                                      -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
  // The permute takes the lowest four bits of a lane for its index and ignores the others.
  return hn::TableLookupLanes(hn::Load(Floats(), kElements), hn::IndicesFromVec(Floats(), words));
}

HWY_INLINE void decode_eight(const PackedColumns &packed, int quarter, hn::Vec<Floats> (&elements)[8]) {
  auto words = packed.words[quarter];
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j, words = hn::ShiftRight<4>(words)) elements[j] = decode_lowest(words);
}

#else

// The elements of nibbles that lie a byte apart, 2 apart along k. E2M1 fits the upper half of f32, whose two bytes are
// looked up apart.
HWY_INLINE void decode_four(hn::Vec<Words> nibbles, hn::Vec<Floats> *elements) {
  alignas(16) static constexpr uint8_t kHigh[16] = {0x00, 0x3f, 0x3f, 0x3f, 0x40, 0x40, 0x40, 0x40,
                                                    0x80, 0xbf, 0xbf, 0xbf, 0xc0, 0xc0, 0xc0, 0xc0};
  alignas(16) static constexpr uint8_t kLow[16] = {0x00, 0x00, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0,
                                                   0x00, 0x00, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0};
  const Floats d;
  const hn::Repartition<uint8_t, Words> bytes;
  const hn::Repartition<uint16_t, Words> halves;
  const auto index = hn::BitCast(bytes, nibbles);
  const auto high = hn::BitCast(halves, hn::TableLookupBytes(hn::LoadDup128(bytes, kHigh), index));
  const auto low = hn::BitCast(halves, hn::TableLookupBytes(hn::LoadDup128(bytes, kLow), index));
  const auto low_byte = hn::Set(halves, uint16_t{0x00ff});
  const auto even = hn::BitCast(Words(), hn::Or(hn::ShiftLeft<8>(high), hn::And(low, low_byte)));
  const auto odd = hn::BitCast(Words(), hn::Or(hn::AndNot(low_byte, high), hn::ShiftRight<8>(low)));
  const auto upper_half = hn::Set(Words(), 0xffff0000u);
  elements[0] = hn::BitCast(d, hn::ShiftLeft<16>(even));
  elements[2] = hn::BitCast(d, hn::ShiftLeft<16>(odd));
  elements[4] = hn::BitCast(d, hn::And(even, upper_half));
  elements[6] = hn::BitCast(d, hn::And(odd, upper_half));
}

HWY_INLINE void decode_eight(const PackedColumns &packed, int quarter, hn::Vec<Floats> (&elements)[8]) {
  const auto mask = hn::Set(Words(), 0x0f0f0f0fu);
  const auto words = packed.words[quarter];
  decode_four(hn::And(words, mask), elements);
  decode_four(hn::And(hn::ShiftRight<4>(words), mask), elements + 1);
}

#endif
#endif

// weights[k * kTileColumns + i] = the element of column i at k, without its scale.
HWY_INLINE void decode_block(const WeightRows &rows, int64_t block, int columns, float *weights) {
  for (int first = 0; first < columns; first += kLanes) {
    const PackedColumns packed = load_columns(rows, first, block);
    float *out = weights + first;
#pragma GCC unroll 4
    for (int quarter = 0; quarter < 4; ++quarter) {
      hn::Vec<Floats> elements[8];
      decode_eight(packed, quarter, elements);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j, out += kTileColumns) hn::Store(elements[j], Floats(), out);
    }
  }
}

}  // namespace quern::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif

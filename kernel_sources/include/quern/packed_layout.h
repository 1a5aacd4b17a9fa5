// Packed weights, layouts "mma16_bf16" and "mma16_f16", version 1: MXFP4 in the order in which the lanes of a warp feed
// m16n8k16 MMAs and wgmma (PTX ISA, "Matrix fragments for mma.m16n8k16"), weights on the M side.
//
// A packed tensor, for n rows padded to 16 and k padded to 64:
//     header        256 bytes, PackedHeader
//     rows          PackedRow [n padded]; padded to 256 bytes
//     tiles         [n/16][k/64][544 bytes]; then one tile of zeros, since stages of two tiles read past an odd end
// so 16 rows are one contiguous stream along K. A tile, 16 rows x 64 of K:
//     words         [lane 32][step 4] uint32: the A fragment of the step's m16n8k16, eight E2M1 codes
//     scales        [g 8][block 2][half 2]: E8M0 bytes as they were, of row g + 8 half and block `block` of 32
// Lane 4 g + t holds in the word of step s the pairs of codes (even k in the low half)
//     pair 0: row g,     k = 16 s + 2 t        pair 2: row g,     k = 16 s + 2 t + 8
//     pair 1: row g + 8, k = 16 s + 2 t        pair 3: row g + 8, k = 16 s + 2 t + 8
// The bits of a word stand where few instructions bring each pair to its place (packed_convert.cuh). Padding is codes
// and scale bytes of 0. Everything but the bits within a word is the same in both layouts.
//
// Scales: an MMA operand is E2M1 * 2^(field - bias) with field = max(0, byte + field_offset) of the row, an exponent
// field of the operand's type; the row's sum is then multiplied by `scale`. bf16 reaches from byte 0 up to 128 with
// scale = 1; rows that go beyond are moved down. f16 has every row moved so that its largest byte is field 30.
// So every row is exact if its bytes span at most kPackedSpan*; a row that spans more is refused when it is packed.
#pragma once

#include <quern/mxfp4.h>

namespace quern {

// ABI: the numbers of quern_layout.
enum Layout : uint32_t { kLayoutCanonical = 0, kLayoutMma16Bf16 = 1, kLayoutMma16F16 = 2 };

constexpr uint32_t kPackedVersion = 1;
constexpr uint32_t kPackedMagic = 0x4e525551u;  // "QURN"
constexpr int kPackedTileRows = 16;
constexpr int kPackedTileK = 64;
constexpr int kPackedTileScales = 512;  // where the scale bytes begin
constexpr int kPackedTileBytes = 544;
constexpr int kPackedHeaderBytes = 256;

// Why a row could not be packed exactly, and what it holds.
enum PackedFlags : uint32_t {
  kPackedHasNan = 1,      // some scale byte is 255: its row's results are NaN
  kPackedInexact = 2,     // a row spans more than its layout holds: never in a tensor handed out
  kPackedZeroFlushed = 4  // packed under kScaleZeroFlush: the codes of blocks with byte 0 are 0
};

struct PackedHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t format;  // quern_format
  uint32_t layout;
  int64_t n;
  int64_t k;
  uint32_t flags;
  uint32_t reserved[55];  // zero
};
static_assert(sizeof(PackedHeader) == kPackedHeaderBytes, "ABI");
static_assert(offsetof(PackedHeader, n) == 16 && offsetof(PackedHeader, flags) == 32, "ABI");

struct PackedRow {
  float scale;  // NaN if a scale byte of the row is 255
  int32_t field_offset;
};
static_assert(sizeof(PackedRow) == 8, "ABI");

QUERN_HOST_DEVICE int64_t packed_round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
QUERN_HOST_DEVICE int64_t packed_row_tiles(int64_t n) { return (n + kPackedTileRows - 1) / kPackedTileRows; }
QUERN_HOST_DEVICE int64_t packed_k_tiles(int64_t k) { return (k + kPackedTileK - 1) / kPackedTileK; }
// Where in the tensor the tiles begin.
QUERN_HOST_DEVICE int64_t packed_tiles_offset(int64_t n) {
  return kPackedHeaderBytes +
         packed_round_up(packed_row_tiles(n) * kPackedTileRows * static_cast<int64_t>(sizeof(PackedRow)), 256);
}
QUERN_HOST_DEVICE int64_t packed_bytes(int64_t n, int64_t k) {
  return packed_round_up(packed_tiles_offset(n) + (packed_row_tiles(n) * packed_k_tiles(k) + 1) * kPackedTileBytes,
                         256);
}

// The row's exponent shift from its largest scale byte other than 255 (0 if there is none).
QUERN_HOST_DEVICE PackedRow packed_row(uint32_t layout, int largest, bool has_nan) {
  PackedRow row;
  int exponent;  // of row.scale
  if (layout == kLayoutMma16F16) {
    row.field_offset = 30 - largest;
    exponent = largest - 128;
  } else {
    exponent = largest > 128 ? largest - 128 : 0;
    row.field_offset = 126 - exponent;
  }
  row.scale = has_nan            ? f32_from_bits(0x7fc00000u)
              : exponent >= -126 ? f32_from_bits(static_cast<uint32_t>(exponent + 127) << 23)
                                 : f32_from_bits(1u << (exponent + 149));
  return row;
}

// Whether a block with this scale byte and codes other than zero is held exactly in a row.
QUERN_HOST_DEVICE bool packed_holds(uint32_t layout, int byte, int field_offset) {
  // The smallest element, 2^(byte - 128), must not fall below the least subnormal of the operand's type.
  return layout == kLayoutMma16F16 ? byte + field_offset >= 6 : byte + field_offset >= 121;
}

// Where a bit of a pair's code stands in the word: `half` 0 is the even k; bits 0 to 2 are the magnitude, 3 the sign.
QUERN_HOST_DEVICE uint32_t packed_bit(uint32_t layout, int pair, int half, int bit) {
  // A byte for each bit, the place in the even half's word. As numbers, since an array would be read from memory.
  const uint32_t bf16 = pair == 0 ? 0x0f080706u : pair == 1 ? 0x130c0b0au : pair == 2 ? 0x09020100u : 0x0d0e0504u;
  const uint32_t f16 = pair == 0 ? 0x0f0b0a09u : pair == 1 ? 0x07030201u : pair == 2 ? 0x08060504u : 0x100e0d0cu;
  const uint32_t place = (layout == kLayoutMma16F16 ? f16 : bf16) >> (8 * bit) & 0xffu;
  return (place + 16u * static_cast<uint32_t>(half)) % 32u;
}

// The word of four pairs, each a byte as in the canonical layout: the even k in the low nibble.
QUERN_HOST_DEVICE uint32_t pack_word(uint32_t layout, const uint8_t (&pairs)[4]) {
  uint32_t word = 0;
  QUERN_UNROLL for (int pair = 0; pair < 4; ++pair) {
    QUERN_UNROLL for (int half = 0; half < 2; ++half) {
      QUERN_UNROLL for (int bit = 0; bit < 4; ++bit) {
        word |= (static_cast<uint32_t>(pairs[pair]) >> (4 * half + bit) & 1u) << packed_bit(layout, pair, half, bit);
      }
    }
  }
  return word;
}

QUERN_HOST_DEVICE void unpack_word(uint32_t layout, uint32_t word, uint8_t (&pairs)[4]) {
  QUERN_UNROLL for (int pair = 0; pair < 4; ++pair) {
    uint32_t byte = 0;
    QUERN_UNROLL for (int half = 0; half < 2; ++half) {
      QUERN_UNROLL for (int bit = 0; bit < 4; ++bit) {
        byte |= (word >> packed_bit(layout, pair, half, bit) & 1u) << (4 * half + bit);
      }
    }
    pairs[pair] = static_cast<uint8_t>(byte);
  }
}

}  // namespace quern

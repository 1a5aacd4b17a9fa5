// Packed weights, layouts "mma16_bf16", "mma16_f16" and "mma16_e5m2", version 1: MXFP4 in the order in which the lanes
// of a warp feed m16n8k16 (16-bit operands) or m16n8k32 (8-bit) MMAs and wgmma (PTX ISA, "Matrix fragments for
// mma.m16n8k16" and "mma.m16n8k32"), weights on the M side.
//
// A packed tensor, for n rows padded to 16 and k padded to 64:
//     header        256 bytes, PackedHeader
//     rows          PackedRow [n padded]; padded to 256 bytes
//     tiles         [n/16][k/64][544 bytes]; then one tile of zeros, since stages of two tiles read past an odd end
// so 16 rows are one contiguous stream along K. A tile, 16 rows x 64 of K:
//     words         [lane 32][word 4] uint32, eight E2M1 codes each
//     scales        [g 8][block 2][half 2]: E8M0 bytes as they were, of row g + 8 half and block `block` of 32
// Lane 4 g + t holds in its words pairs of codes (even k first). With 16-bit operands word s is step s of 16 K:
//     pair 0: row g,     k = 16 s + 2 t        pair 2: row g,     k = 16 s + 2 t + 8
//     pair 1: row g + 8, k = 16 s + 2 t        pair 3: row g + 8, k = 16 s + 2 t + 8
// With 8-bit operands word 2 b + h is block b of 32 K of row g + 8 h:
//     pairs 0, 1: k = 32 b + 4 t, + 2          pairs 2, 3: k = 32 b + 16 + 4 t, + 2
// The bits of a word stand where few instructions bring each code to its place (packed_convert.cuh). Padding is codes
// and scale bytes of 0.
//
// Scales: an MMA operand is E2M1 * 2^(field - bias) with field = max(0, byte + field_offset) of the row, an exponent
// field of the operand's type; the row's sum is then multiplied by `scale`. bf16 reaches from byte 0 up to 128 with
// scale = 1; rows that go beyond are moved down. f16 has every row moved so that its largest byte is field 30, e5m2 so
// that it is field 27 for the code 0.5: then 6 is below E5M2's largest and no code but 0 is subnormal.
// So every row is exact if its bytes span at most kPackedSpan*; a row that spans more is refused when it is packed.
#pragma once

#include <quern/mxfp4.h>

namespace quern {

// ABI: the numbers of quern_layout.
enum Layout : uint32_t { kLayoutCanonical = 0, kLayoutMma16Bf16 = 1, kLayoutMma16F16 = 2, kLayoutMma16E5m2 = 3 };

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
// Where rows and tiles begin and end in a tensor. What lies between and behind is zero.
QUERN_HOST_DEVICE int64_t packed_rows_end(int64_t n) {
  return kPackedHeaderBytes + packed_row_tiles(n) * kPackedTileRows * static_cast<int64_t>(sizeof(PackedRow));
}
QUERN_HOST_DEVICE int64_t packed_tiles_offset(int64_t n) { return packed_round_up(packed_rows_end(n), 256); }
QUERN_HOST_DEVICE int64_t packed_tiles_end(int64_t n, int64_t k) {
  return packed_tiles_offset(n) + packed_row_tiles(n) * packed_k_tiles(k) * kPackedTileBytes;
}
QUERN_HOST_DEVICE int64_t packed_bytes(int64_t n, int64_t k) {
  return packed_round_up(packed_tiles_end(n, k) + kPackedTileBytes, 256);
}

// The row's exponent shift from its largest scale byte other than 255 (0 if there is none).
QUERN_HOST_DEVICE PackedRow packed_row(uint32_t layout, int largest, bool has_nan) {
  PackedRow row;
  int exponent;  // of row.scale
  if (layout == kLayoutMma16F16) {
    row.field_offset = 30 - largest;
    exponent = largest - 128;
  } else if (layout == kLayoutMma16E5m2) {
    row.field_offset = 27 - largest;
    exponent = largest - 140;
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
  // The smallest element, 2^(byte - 128), must not fall below the least subnormal of the operand's type; with e5m2 not
  // below the least normal number.
  return byte + field_offset >= (layout == kLayoutMma16F16 ? 6 : layout == kLayoutMma16E5m2 ? 1 : 121);
}

// Where a lane finds a pair of one of its words: in row g + 8 half, byte `byte` of the tile's 32 of a row.
struct PackedPair {
  int half, byte;
};
QUERN_HOST_DEVICE PackedPair packed_pair(uint32_t layout, int t, int word, int pair) {
  if (layout == kLayoutMma16E5m2) return {word % 2, word / 2 * 16 + pair / 2 * 8 + 2 * t + pair % 2};
  return {pair % 2, word * 8 + pair / 2 * 4 + t};
}
// Where in a tile the scale byte of a row stands.
QUERN_HOST_DEVICE int packed_scale_at(int row, int block) {
  return kPackedTileScales + row % 8 * 4 + block * 2 + row / 8;
}

// Where a bit of a pair's code stands in the word: `half` 0 is the even k; bits 0 to 2 are the magnitude, 3 the sign.
QUERN_HOST_DEVICE uint32_t packed_bit(uint32_t layout, int pair, int half, int bit) {
  if (layout == kLayoutMma16E5m2) {
    // Magnitudes in the order of the codes, as selectors of a byte permutation; signs where the other bits leave room:
    // those of codes 0 to 3 at the top of each byte, those of 4 to 7 four below.
    const int code = 2 * pair + half;
    return static_cast<uint32_t>(bit < 3 ? 4 * code + bit : code < 4 ? 8 * code + 7 : 8 * code - 29);
  }
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

// The packed layouts on the host: where bits stand, what lanes make of them, and that every scale byte gives exactly
// what decode_mxfp4() gives, through the very functions that the kernels use.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include <quern/packed_convert.cuh>

namespace quern {
namespace {

constexpr uint32_t kLayouts[] = {kLayoutMma16Bf16, kLayoutMma16F16};  // of 16-bit operands
constexpr uint32_t kAllLayouts[] = {kLayoutMma16Bf16, kLayoutMma16F16, kLayoutMma16E5m2};

uint32_t dtype_of(uint32_t layout) { return layout == kLayoutMma16F16 ? kF16 : kBf16; }

double value_of(uint16_t bits, uint32_t layout) {
  return double{layout == kLayoutMma16F16 ? f32_from_f16(bits) : f32_from_bf16(bits)};
}

void pairs_of(uint32_t word, uint32_t layout, uint32_t (&pairs)[4]) {
  if (layout == kLayoutMma16F16) {
    packed_pairs<kF16>(word, pairs);
  } else {
    packed_pairs<kBf16>(word, pairs);
  }
}

// The two multipliers of rows g and g + 8, from scale bytes in the place that block 0 or 1 has in a tile.
uint32_t scales_of(uint32_t layout, int block, uint32_t low, uint32_t high, const PackedRow &row_low,
                   const PackedRow &row_high) {
  const uint32_t bytes = (low | high << 8) << (16 * block) | 0xa5a5u << (16 * (1 - block));
  if (layout == kLayoutMma16F16) {
    return packed_scales<kF16>(bytes, block, packed_scale_offset<kF16>(row_low.field_offset, row_high.field_offset));
  }
  return packed_scales<kBf16>(bytes, block, packed_scale_offset<kBf16>(row_low.field_offset, row_high.field_offset));
}

float block_scale_of(uint32_t layout, uint32_t bytes, int index, const PackedRow &row) {
  const auto offset = static_cast<uint32_t>(row.field_offset);
  return layout == kLayoutMma16F16 ? packed_block_scale<kF16>(bytes, index, offset)
                                   : packed_block_scale<kBf16>(bytes, index, offset);
}

TEST(PackedLayout, EveryBitOfAWordIsUsedOnce) {
  for (const uint32_t layout : kAllLayouts) {
    std::set<uint32_t> places;
    for (int pair = 0; pair < 4; ++pair) {
      for (int half = 0; half < 2; ++half) {
        for (int bit = 0; bit < 4; ++bit) places.insert(packed_bit(layout, pair, half, bit));
      }
    }
    EXPECT_EQ(places.size(), 32u);
    EXPECT_EQ(*places.rbegin(), 31u);
  }
}

TEST(PackedLayout, WordsUnpackToWhatWasPacked) {
  std::mt19937 random(1);
  for (const uint32_t layout : kAllLayouts) {
    for (int i = 0; i < 20000; ++i) {
      const uint32_t bits = random();
      const uint8_t pairs[4] = {static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8),
                                static_cast<uint8_t>(bits >> 16), static_cast<uint8_t>(bits >> 24)};
      uint8_t back[4];
      unpack_word(layout, pack_word(layout, pairs), back);
      for (int pair = 0; pair < 4; ++pair) ASSERT_EQ(back[pair], pairs[pair]);
    }
  }
}

// Bytes on disk: never changes.
TEST(PackedLayout, WordsArePinned) {
  const uint8_t pairs[4] = {0x21, 0x43, 0x65, 0x87};
  EXPECT_EQ(pack_word(kLayoutMma16Bf16, pairs), 0x30864c75u);
  EXPECT_EQ(pack_word(kLayoutMma16F16, pairs), 0x04687257u);
  EXPECT_EQ(pack_word(kLayoutMma16E5m2, pairs), 0x0f654321u);
  EXPECT_EQ(packed_bytes(2880, 2880), 4430336);
  EXPECT_EQ(packed_bytes(1, 32), 1792);
  EXPECT_EQ(packed_tiles_offset(2880), 23296);
  EXPECT_EQ(packed_tiles_offset(17), 512);
  EXPECT_EQ(kPackedMagic, 0x4e525551u);
}

// Row and column in 16 x 16 of the element in half `half` of register `reg` of lane `lane`. PTX ISA, "Matrix Fragments
// for mma.m16n8k16 with floating point type"; a warp's part of the A of wgmma.m64nNk16 is the same.
std::pair<int, int> a_position(int lane, int reg, int half) {
  return {lane / 4 + (reg % 2 == 0 ? 0 : 8), lane % 4 * 2 + half + (reg < 2 ? 0 : 8)};
}

// A tile packed as packed_layout.h says, read as the lanes of a warp read it: every weight where its MMA looks for it.
TEST(PackedLayout, LanesFindTheirWeightsInATile) {
  for (const uint32_t layout : kLayouts) {
    std::mt19937 random(5);
    uint8_t codes[16][64];
    for (auto &row : codes) {
      for (uint8_t &code : row) code = random() & 15;
    }
    const double unit = layout == kLayoutMma16F16 ? 0x1p-14 : 0x1p-126;
    std::set<std::pair<int, int>> seen;
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int step = 0; step < 4; ++step) {
        const auto pair_at = [&](int row, int k) {
          return static_cast<uint8_t>(codes[row][k] | codes[row][k + 1] << 4);
        };
        const int k = 16 * step + 2 * t;
        const uint8_t bytes[4] = {pair_at(g, k), pair_at(g + 8, k), pair_at(g, k + 8), pair_at(g + 8, k + 8)};
        uint32_t fragment[4];
        pairs_of(pack_word(layout, bytes), layout, fragment);
        for (int reg = 0; reg < 4; ++reg) {
          for (int half = 0; half < 2; ++half) {
            const auto [row, column] = a_position(lane, reg, half);
            EXPECT_EQ(value_of(static_cast<uint16_t>(fragment[reg] >> (16 * half)), layout),
                      double{e2m1_to_f32(codes[row][16 * step + column])} * unit);
            seen.emplace(row, 16 * step + column);
          }
        }
      }
    }
    EXPECT_EQ(seen.size(), 16u * 64u);
  }
}

// Four tiles as the one-token kernel takes them: column 2 i + b of B is X in block b of tile i, a lane scales the four
// sums that it has by bytes of tile lane % 4, and the lanes of a row add up to its product with X.
TEST(PackedLayout, BlocksInColumnsAddUpToTheirRows) {
  for (const uint32_t layout : kLayouts) {
    std::mt19937 random(9);
    uint8_t codes[16][256], bytes[4][32];
    int x[256];
    PackedRow rows[16];
    for (int row = 0; row < 16; ++row) {
      rows[row] = packed_row(layout, 120 + row, false);
      for (uint8_t &code : codes[row]) code = random() & 15;
      for (int block = 0; block < 8; ++block) {
        bytes[block / 2][packed_scale_at(row, block % 2) - kPackedTileScales] =
            static_cast<uint8_t>(120 + row - static_cast<int>(random() % 5));
      }
    }
    for (int &value : x) value = static_cast<int>(random() % 17) - 8;
    double columns[16][8] = {};
    for (int row = 0; row < 16; ++row) {
      for (int k = 0; k < 256; ++k) columns[row][k / 32] += double{e2m1_to_f32(codes[row][k])} * x[k];
    }
    double sums[16] = {};
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      uint32_t own;
      std::memcpy(&own, bytes[t] + 4 * g, 4);
      for (int index = 0; index < 4; ++index) {  // c0 and c2, then c1 and c3, of the accumulator
        const int row = g + index % 2 * 8;
        sums[row] += columns[row][2 * t + index / 2] * double{block_scale_of(layout, own, index, rows[row])};
      }
    }
    const double unit = layout == kLayoutMma16F16 ? 0x1p-14 : 0x1p-126;
    for (int row = 0; row < 16; ++row) {
      double expected = 0;
      for (int k = 0; k < 256; ++k) {
        const int byte = bytes[k / 64][packed_scale_at(row, k / 32 % 2) - kPackedTileScales];
        expected += std::ldexp(double{e2m1_to_f32(codes[row][k])}, byte - 127) * x[k];
      }
      EXPECT_EQ(sums[row] * unit * double{rows[row].scale}, expected) << row;
    }
  }
}

TEST(PackedLayout, PairsAreTheCodesTimesOnePowerOfTwo) {
  for (const uint32_t layout : kLayouts) {
    const double unit = layout == kLayoutMma16F16 ? 0x1p-14 : 0x1p-126;
    for (uint32_t pair_byte = 0; pair_byte < 256; ++pair_byte) {
      for (int pair = 0; pair < 4; ++pair) {
        uint8_t bytes[4] = {0x5a, 0xa5, 0x3c, 0xc3};
        bytes[pair] = static_cast<uint8_t>(pair_byte);
        uint32_t pairs[4];
        pairs_of(pack_word(layout, bytes), layout, pairs);
        EXPECT_EQ(value_of(static_cast<uint16_t>(pairs[pair]), layout), double{e2m1_to_f32(pair_byte & 15)} * unit);
        EXPECT_EQ(value_of(static_cast<uint16_t>(pairs[pair] >> 16), layout),
                  double{e2m1_to_f32(pair_byte >> 4)} * unit);
      }
    }
  }
}

// Every scale byte in rows whose largest byte is any: held exactly, or refused. The neighbour row shares the register.
TEST(PackedLayout, EveryScaleByteIsExactOrRefused) {
  const DecodePolicy policy{kScaleZeroExact, kScaleNanPropagate, 0, 0};
  for (const uint32_t layout : kLayouts) {
    int refused = 0;
    for (int largest = 0; largest < 255; ++largest) {
      for (int byte = 0; byte <= largest; ++byte) {
        const PackedRow row = packed_row(layout, largest, false);
        const int other = (largest * 7 + byte * 13) % 255;
        const PackedRow neighbour = packed_row(layout, std::max(other, 3), false);
        const int block = (largest + byte) % 2;
        const uint32_t as_low =
            scales_of(layout, block, static_cast<uint32_t>(byte), static_cast<uint32_t>(other), row, neighbour);
        const uint32_t as_high =
            scales_of(layout, block, static_cast<uint32_t>(other), static_cast<uint32_t>(byte), neighbour, row);
        ASSERT_EQ(as_low & 0xffffu, as_high >> 16) << largest << " " << byte << " beside " << other;
        const double multiplier = value_of(static_cast<uint16_t>(as_low), layout);
        const bool holds = packed_holds(layout, byte, row.field_offset);
        refused += !holds;
        const int index = (largest + byte) % 4;
        const float block_scale = block_scale_of(layout, static_cast<uint32_t>(byte) << (8 * index), index, row);
        ASSERT_TRUE(std::isfinite(block_scale)) << "times the zeros of a block far below";
        if (holds) ASSERT_EQ(double{block_scale}, multiplier);
        const double unit = layout == kLayoutMma16F16 ? 0x1p-14 : 0x1p-126;
        for (uint32_t nibble = 0; nibble < 16; ++nibble) {
          const double operand = double{e2m1_to_f32(nibble)} * unit * multiplier;
          const double weight = double{e2m1_to_f32(nibble)} * std::ldexp(1.0, byte - 127);
          const bool zero = (nibble & 7) == 0;
          if (!holds && !zero) continue;
          ASSERT_EQ(operand * double{row.scale}, weight) << layout << " " << largest << " " << byte << " " << nibble;
          const auto rounded = static_cast<float>(operand);  // the operand's type must hold it
          const uint16_t bits = layout == kLayoutMma16F16 ? f16_from_f32(rounded) : bf16_from_f32(rounded);
          ASSERT_EQ(value_of(bits, layout), operand);
          if (byte < 253) {
            ASSERT_EQ(weight, double{decode_mxfp4(nibble, decode_scale(static_cast<uint32_t>(byte), policy, kF32),
                                                  static_cast<uint32_t>(byte), policy)});
          }
        }
      }
    }
    EXPECT_GT(refused, 0) << "a span that cannot be held must be told";
  }
}

// Row and column in 16 x 32 of byte `byte` of register `reg` of lane `lane`. PTX ISA, "Matrix Fragments for
// mma.m16n8k32"; a warp's part of the A of wgmma.m64nNk32 is the same.
std::pair<int, int> a_position_8bit(int lane, int reg, int byte) {
  return {lane / 4 + (reg % 2 == 0 ? 0 : 8), lane % 4 * 4 + byte + (reg < 2 ? 0 : 16)};
}

double value_of_e5m2(uint32_t reg, int byte) {
  return double{f32_from_f16(static_cast<uint16_t>((reg >> (8 * byte) & 0xffu) << 8))};
}

// The same of 8-bit operands: a tile is packed by packed_pair() and packed_scale_at(), and read as lanes do.
TEST(PackedLayout, LanesFindTheirWeightsInATileOfE5m2) {
  std::mt19937 random(7);
  uint8_t codes[16][64], scales[16][2], tile[kPackedTileBytes];
  PackedRow rows[16];
  for (int row = 0; row < 16; ++row) {
    for (uint8_t &code : codes[row]) code = random() & 15;
    for (uint8_t &scale : scales[row]) scale = static_cast<uint8_t>(40 + 9 * row + random() % 26);
    rows[row] = packed_row(kLayoutMma16E5m2, std::max(scales[row][0], scales[row][1]), false);
    for (int block = 0; block < 2; ++block) tile[packed_scale_at(row, block)] = scales[row][block];
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int word = 0; word < 4; ++word) {
      uint8_t pairs[4];
      for (int pair = 0; pair < 4; ++pair) {
        const PackedPair place = packed_pair(kLayoutMma16E5m2, lane % 4, word, pair);
        const uint8_t *row = codes[lane / 4 + 8 * place.half];
        pairs[pair] = static_cast<uint8_t>(row[2 * place.byte] | row[2 * place.byte + 1] << 4);
      }
      const uint32_t bits = pack_word(kLayoutMma16E5m2, pairs);
      std::memcpy(tile + 4 * (4 * lane + word), &bits, 4);
    }
  }
  std::set<std::pair<int, int>> seen;
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4;
    uint32_t words[4], bytes;
    std::memcpy(words, tile + 16 * lane, 16);
    std::memcpy(&bytes, tile + kPackedTileScales + 4 * g, 4);
    const uint32_t fields = packed_fields(bytes, packed_field_offsets(rows[g].field_offset, rows[g + 8].field_offset));
    for (int block = 0; block < 2; ++block) {
      uint32_t fragment[4];
      packed_e5m2(words[2 * block], fields, 2 * block, fragment[0], fragment[2]);
      packed_e5m2(words[2 * block + 1], fields, 2 * block + 1, fragment[1], fragment[3]);
      for (int reg = 0; reg < 4; ++reg) {
        for (int byte = 0; byte < 4; ++byte) {
          const auto [row, column] = a_position_8bit(lane, reg, byte);
          const int k = 32 * block + column;
          EXPECT_EQ(value_of_e5m2(fragment[reg], byte) * double{rows[row].scale},
                    std::ldexp(double{e2m1_to_f32(codes[row][k])}, scales[row][block] - 127));
          seen.emplace(row, k);
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 16u * 64u);
}

// Every scale byte in rows whose largest byte is any, beside any neighbour: held exactly or refused, and zeros are zero
// even where the byte is none that the row holds.
TEST(PackedLayout, EveryScaleByteIsExactInE5m2OrRefused) {
  int refused = 0;
  for (int largest = 0; largest < 255; ++largest) {
    const PackedRow row = packed_row(kLayoutMma16E5m2, largest, false);
    for (int byte = 0; byte < 256; ++byte) {
      const int word = (largest + byte) % 4;
      const uint32_t others = static_cast<uint32_t>(largest * 7 + byte * 13) * 2654435761u;  // of any kind
      const uint32_t bytes = (others & ~(0xffu << (8 * word))) | static_cast<uint32_t>(byte) << (8 * word);
      const int other = packed_row(kLayoutMma16E5m2, (largest * 3 + byte) % 255, false).field_offset;
      const uint32_t offsets =
          word % 2 == 0 ? packed_field_offsets(row.field_offset, other) : packed_field_offsets(other, row.field_offset);
      const bool holds = byte <= largest && packed_holds(kLayoutMma16E5m2, byte, row.field_offset);
      refused += byte <= largest && !holds;
      for (int first_code = 0; first_code < 16; ++first_code) {
        uint8_t pairs[4];
        for (int pair = 0; pair < 4; ++pair) {
          pairs[pair] = static_cast<uint8_t>((first_code + 2 * pair) % 16 | (first_code + 2 * pair + 1) % 16 << 4);
        }
        uint32_t registers[2];
        packed_e5m2(pack_word(kLayoutMma16E5m2, pairs), packed_fields(bytes, offsets), word, registers[0],
                    registers[1]);
        for (int code = 0; code < 8; ++code) {
          const uint32_t nibble = static_cast<uint32_t>((first_code + code) % 16);
          const uint32_t operand = registers[code / 4] >> (8 * (code % 4)) & 0xffu;
          if (nibble % 8 == 0) {
            ASSERT_EQ(operand, nibble << 4) << largest << " " << byte;  // with its sign
          } else if (holds) {
            ASSERT_EQ(value_of_e5m2(operand, 0) * double{row.scale},
                      std::ldexp(double{e2m1_to_f32(nibble)}, byte - 127))
                << largest << " " << byte << " " << nibble;
          }
        }
      }
      ASSERT_TRUE(byte > largest || holds == (largest - byte <= 26));
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(PackedLayout, SpansThatAreHeld) {
  for (int largest = 0; largest < 255; ++largest) {
    for (int byte = 0; byte <= largest; ++byte) {
      EXPECT_EQ(packed_holds(kLayoutMma16F16, byte, packed_row(kLayoutMma16F16, largest, false).field_offset),
                largest - byte <= 24);
      EXPECT_EQ(packed_holds(kLayoutMma16Bf16, byte, packed_row(kLayoutMma16Bf16, largest, false).field_offset),
                largest <= 128 || largest - byte <= 133);
    }
  }
}

// A byte of 255 makes its own row NaN and leaves the row in the other half of the register alone.
TEST(PackedLayout, NanStaysInItsRow) {
  for (const uint32_t layout : kLayouts) {
    for (int largest = 0; largest < 255; ++largest) {
      const PackedRow nan = packed_row(layout, largest, true), row = packed_row(layout, 120, false);
      EXPECT_TRUE(std::isnan(nan.scale));
      const uint32_t clean = scales_of(layout, 0, 119, 119, row, row);
      EXPECT_EQ(scales_of(layout, 0, 255, 119, nan, row) >> 16, clean >> 16) << dtype_of(layout) << " " << largest;
      EXPECT_EQ(scales_of(layout, 0, 119, 255, row, nan) & 0xffffu, clean & 0xffffu);
    }
  }
}

}  // namespace
}  // namespace quern

// The conversions that kernels use, run on the host over every four nibbles in either half of a word and every scale
// byte, against decode_mxfp4().
#include <gtest/gtest.h>

#include <cmath>

#include <quern/e2m1_convert.cuh>

namespace quern {
namespace {

uint32_t nibble_of(uint32_t word, int element) { return word >> (4 * element) & 15u; }

// Runs through all 65536 values in the low half, and, as the multiplier is odd, all in the high half.
uint32_t word_of(uint32_t quadruple) { return quadruple | (quadruple * 0x9e37u & 0xffffu) << 16; }

bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || f32_bits(a) == f32_bits(b); }

uint16_t half_of(const uint32_t (&pairs)[4], int element) {
  return static_cast<uint16_t>(pairs[element / 2] >> (16 * (element % 2)) & 0xffffu);
}

TEST(E2m1Convert, Bf16HoldsEveryScaledWeight) {
  for (uint32_t quadruple = 0; quadruple < 65536; ++quadruple) {
    const uint32_t word = word_of(quadruple);
    uint32_t pairs[4];
    e2m1x8_to_bf16x2(word, pairs);
    for (uint32_t choice = 0; choice <= 256; ++choice) {
      const uint32_t byte = choice % 256;
      const bool flush = choice == 256;
      const DecodePolicy policy{flush ? kScaleZeroFlush : kScaleZeroExact, kScaleNanPropagate, 0, 0};
      const float scale = decode_scale(byte, policy, kF32);
      uint32_t scaled[4];
      for (int i = 0; i < 4; ++i) scaled[i] = multiply_bf16x2(pairs[i], e8m0_to_bf16x2(byte, flush));
      for (int i = 0; i < 8; ++i) {
        const float want = decode_mxfp4(nibble_of(word, i), scale, byte, policy);
        if (same(f32_from_bf16(half_of(scaled, i)), want)) continue;
        FAIL() << std::hex << "word " << word << " byte " << byte << " element " << i;
      }
    }
  }
}

TEST(E2m1Convert, F16HoldsEveryWeightAndInfinityWhereScalingOverflows) {
  const DecodePolicy policy{kScaleZeroExact, kScaleNanPropagate, 0, 0};
  for (uint32_t quadruple = 0; quadruple < 65536; ++quadruple) {
    const uint32_t word = word_of(quadruple);
    uint32_t pairs[4];
    e2m1x8_to_f16x2(word, pairs);
    for (int i = 0; i < 8; ++i) ASSERT_EQ(f32_from_f16(half_of(pairs, i)), e2m1_to_f32(nibble_of(word, i))) << word;
    for (uint32_t byte = 250; byte < 256; ++byte) {
      const float scale = decode_scale(byte, policy, kF32);
      uint32_t marked[4];
      for (int i = 0; i < 4; ++i) marked[i] = f16x2_overflow(pairs[i], f16_overflow_limit(byte));
      for (int i = 0; i < 8; ++i) {
        const float element = f32_from_f16(half_of(marked, i));
        const float want = decode_mxfp4(nibble_of(word, i), scale, byte, policy);
        if (same(element * scale, want) && std::isinf(element) == std::isinf(want)) continue;
        FAIL() << std::hex << "word " << word << " byte " << byte << " element " << i;
      }
    }
  }
  for (uint32_t byte = 0; byte < 253; ++byte) EXPECT_EQ(f16_overflow_limit(byte), 0x7c00u);
}

TEST(E2m1Convert, BytePermute) {
  EXPECT_EQ(byte_permute(0x33221100u, 0x77665544u, 0x7362u), 0x77336622u);
  EXPECT_EQ(byte_permute(0x33221100u, 0x77665544u, 0x5140u), 0x55114400u);
  EXPECT_EQ(byte_permute(0x33221100u, 0x77665544u, 0x0123u), 0x00112233u);
}

}  // namespace
}  // namespace quern

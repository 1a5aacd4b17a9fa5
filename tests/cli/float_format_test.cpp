// The references of `quern selftest` are themselves held to the compiler's own types.
#include "cli/float_format.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace quern::cli {
namespace {

double load_bits(uint16_t bits, quern_dtype dtype) {
  std::byte element[2];
  std::memcpy(element, &bits, 2);
  return load(element, 0, dtype);
}

TEST(FloatFormat, EveryHalfSurvivesTheWayThroughF64) {
  for (const quern_dtype dtype : {QUERN_DTYPE_F16, QUERN_DTYPE_BF16}) {
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      const double value = load_bits(static_cast<uint16_t>(bits), dtype);
      std::byte stored[2];
      store(value, stored, 0, dtype);
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(load(stored, 0, dtype)));
        continue;
      }
      uint16_t back = 0;
      std::memcpy(&back, stored, 2);
      ASSERT_EQ(back, bits);
      ASSERT_EQ(round_to(value, dtype), value);
    }
  }
}

TEST(FloatFormat, EveryE4m3SurvivesTheWayThroughF64) {
  double before = -1;
  for (unsigned code = 0; code < 256; ++code) {
    const auto element = static_cast<std::byte>(code);
    const double value = load(&element, 0, QUERN_DTYPE_E4M3);
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(value));
      continue;
    }
    std::byte back{};
    store(value, &back, 0, QUERN_DTYPE_E4M3);
    EXPECT_EQ(back, element);
    EXPECT_EQ(round_to(value, QUERN_DTYPE_E4M3), value);
    EXPECT_EQ(std::signbit(value), code >= 128);
    if (code >= 128) continue;
    EXPECT_GT(value, before);
    // Halfway from the one before goes to the even code.
    if (code > 0) {
      EXPECT_EQ(round_to((value + before) / 2, QUERN_DTYPE_E4M3), code % 2 == 0 ? value : before);
    }
    before = value;
  }
  EXPECT_EQ(before, 448);
  EXPECT_EQ(round_to(-1e9, QUERN_DTYPE_E4M3), -448);
  EXPECT_EQ(round_to(0x1p-11, QUERN_DTYPE_E4M3), 0);
}

TEST(FloatFormat, F32IsRoundedAsTheHostRounds) {
  uint64_t state = 1;
  for (int i = 0; i < 100'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const double value =
        std::ldexp(static_cast<double>(static_cast<int64_t>(state)), static_cast<int>((state >> 8) % 300) - 210);
    ASSERT_EQ(round_to(value, QUERN_DTYPE_F32), static_cast<double>(static_cast<float>(value)));
  }
}

TEST(FloatFormat, TiesAndLimits) {
  EXPECT_EQ(round_to(65519.99, QUERN_DTYPE_F16), 65504);
  EXPECT_EQ(round_to(65520, QUERN_DTYPE_F16), INFINITY);
  EXPECT_EQ(round_to(-65520, QUERN_DTYPE_F16), -INFINITY);
  EXPECT_EQ(round_to(2049, QUERN_DTYPE_F16), 2048);
  EXPECT_EQ(round_to(2051, QUERN_DTYPE_F16), 2052);
  EXPECT_EQ(round_to(0x1p-25, QUERN_DTYPE_F16), 0);
  EXPECT_EQ(round_to(0x1.8p-25, QUERN_DTYPE_F16), 0x1p-24);
  EXPECT_EQ(round_to(257, QUERN_DTYPE_BF16), 256);
  EXPECT_EQ(unit_in_last_place(1.0, QUERN_DTYPE_BF16), 0x1p-7);
  EXPECT_EQ(unit_in_last_place(0.0, QUERN_DTYPE_F16), 0x1p-24);
  EXPECT_EQ(unit_in_last_place(-3.0, QUERN_DTYPE_F16), 0x1p-9);
}

TEST(FloatFormat, ElementsUnderPolicies) {
  quern_decode_policy policy = QUERN_DECODE_POLICY_INIT;
  EXPECT_EQ(reference_element(7, 127, policy, QUERN_DTYPE_BF16), 6);
  EXPECT_EQ(reference_element(9, 128, policy, QUERN_DTYPE_BF16), -1);
  EXPECT_EQ(reference_element(1, 0, policy, QUERN_DTYPE_BF16), 0x1p-128);
  EXPECT_EQ(reference_element(7, 254, policy, QUERN_DTYPE_F32), INFINITY);
  EXPECT_TRUE(std::signbit(reference_element(8, 127, policy, QUERN_DTYPE_F32)));
  EXPECT_TRUE(std::isnan(reference_element(0, 255, policy, QUERN_DTYPE_F32)));
  policy.scale_zero = QUERN_SCALE_ZERO_FLUSH;
  policy.scale_nan = QUERN_SCALE_NAN_LDEXP;
  policy.canonical_zero = 1;
  EXPECT_EQ(reference_element(7, 0, policy, QUERN_DTYPE_F32), 0);
  EXPECT_EQ(reference_element(1, 255, policy, QUERN_DTYPE_F32), 0x1p127);
  EXPECT_FALSE(std::signbit(reference_element(8, 127, policy, QUERN_DTYPE_F32)));
  policy.scale_nan = QUERN_SCALE_NAN_INF;
  EXPECT_TRUE(std::isnan(reference_element(0, 255, policy, QUERN_DTYPE_F32)));
  policy.scale_in_dst = 1;
  EXPECT_EQ(reference_element(7, 100, policy, QUERN_DTYPE_F16), 0);
}

}  // namespace
}  // namespace quern::cli

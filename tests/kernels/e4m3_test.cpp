// e4m3.h against independent arithmetic: every code, every rounding at and around every midpoint, what is no number.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <quern/e4m3.h>

namespace quern {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// OFP8 1.0, written with ldexp.
double value_of(int code) {
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return std::nan("");
  const double size = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return code & 0x80 ? -size : size;
}

int rounded(float value) { return e4m3_from_f32(value); }

TEST(E4m3, EveryCodeIsWhatTheStandardSaysAndComesBack) {
  for (int code = 0; code < 256; ++code) {
    const float value = f32_from_e4m3(static_cast<uint8_t>(code));
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(value)) << code;
      EXPECT_EQ(std::signbit(value), code >= 0x80);
    } else {
      EXPECT_EQ(double{value}, value_of(code)) << code;
      EXPECT_EQ(std::signbit(value), code >= 0x80) << code;
    }
    EXPECT_EQ(rounded(value), code);
  }
  EXPECT_EQ(f32_from_e4m3(0x7e), kE4m3Largest);
}

TEST(E4m3, EveryMidpointGoesToTheEvenCodeAndItsNeighboursToTheirs) {
  for (int code = 0; code < 0x7e; ++code) {
    // Exact in f32: one bit more than a code has.
    const auto middle = static_cast<float>((value_of(code) + value_of(code + 1)) / 2);
    const int even = code % 2 == 0 ? code : code + 1;
    for (const int sign : {0, 0x80}) {
      const float factor = sign ? -1.0f : 1.0f;
      EXPECT_EQ(rounded(factor * middle), sign | even) << code;
      EXPECT_EQ(rounded(factor * std::nextafter(middle, 0.0f)), sign | code) << code;
      EXPECT_EQ(rounded(factor * std::nextafter(middle, kInfinity)), sign | (code + 1)) << code;
      const auto exact = static_cast<float>(value_of(code + 1));
      EXPECT_EQ(rounded(factor * std::nextafter(exact, 0.0f)), sign | (code + 1)) << code;
      EXPECT_EQ(rounded(factor * std::nextafter(exact, kInfinity)), sign | (code + 1)) << code;
    }
  }
}

TEST(E4m3, ZerosKeepTheirSignAndTheTiniestBecomeThem) {
  EXPECT_EQ(rounded(0.0f), 0);
  EXPECT_EQ(rounded(-0.0f), 0x80);
  for (const float tiny : {std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::min(), 0x1p-11f,
                           0x1p-10f}) {  // the last is halfway to the least code
    EXPECT_EQ(rounded(tiny), 0);
    EXPECT_EQ(rounded(-tiny), 0x80);
  }
  EXPECT_EQ(rounded(std::nextafter(0x1p-10f, 1.0f)), 1);
}

TEST(E4m3, TooLargeIsTheLargestAndNanIsNan) {
  for (const float large :
       {448.0f, std::nextafter(448.0f, 449.0f), 464.0f, 480.0f, 1e30f, std::numeric_limits<float>::max(), kInfinity}) {
    EXPECT_EQ(rounded(large), 0x7e) << large;
    EXPECT_EQ(rounded(-large), 0xfe) << large;
  }
  EXPECT_EQ(rounded(kNan) & 0x7f, 0x7f);
  EXPECT_EQ(rounded(-kNan) & 0x7f, 0x7f);
  EXPECT_EQ(rounded(f32_from_bits(0x7f800001u)) & 0x7f, 0x7f);
}

TEST(E4m3, RowScales) {
  EXPECT_EQ(e4m3_row_scale(448.0f), 1.0f);
  EXPECT_EQ(e4m3_row_scale(1.0f), 1.0f / 448.0f);
  EXPECT_EQ(e4m3_row_scale(0.0f), 0x1p-126f);
  EXPECT_EQ(e4m3_row_scale(448.0f * 0x1p-126f), 0x1p-126f);
  EXPECT_EQ(e4m3_row_scale(std::numeric_limits<float>::denorm_min()), 0x1p-126f);
  EXPECT_EQ(e4m3_row_scale(kInfinity), kInfinity);
}

}  // namespace
}  // namespace quern

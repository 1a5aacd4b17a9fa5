// mxfp4.h against independent arithmetic: tables written out, ldexp, and rounding done in f64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include <quern/mxfp4.h>

namespace quern {
namespace {

constexpr double kE2m1[16] = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0};

// A floating-point type of 16 bits, as IEEE 754 describes one.
struct Format {
  int exponent_bits;
  int mantissa_bits;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }

  double value(uint32_t bits) const {
    const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1u);
    const int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1u));
    const double sign = bits >> 15 != 0 ? -1.0 : 1.0;
    if (exponent == (1 << exponent_bits) - 1) {
      return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
    }
    const double fraction = std::ldexp(mantissa, -mantissa_bits);
    return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias()) : std::ldexp(1.0 + fraction, exponent - bias()));
  }

  // To nearest, ties to even, in f64: exact, for an f32 has many bits fewer.
  double round(double x) const {
    if (x == 0.0 || !std::isfinite(x)) return x;
    const int unit = std::max(std::ilogb(x), 1 - bias()) - mantissa_bits;
    const double rounded = std::ldexp(std::nearbyint(std::ldexp(x, -unit)), unit);
    const double largest = std::ldexp(2.0 - std::ldexp(1.0, -mantissa_bits), bias());
    return std::fabs(rounded) > largest ? std::copysign(std::numeric_limits<double>::infinity(), x) : rounded;
  }
};

constexpr Format kHalf{5, 10};
constexpr Format kBrain{8, 7};

bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && std::signbit(a) == std::signbit(b);
}

void check_widening(const Format &format, const std::function<float(uint16_t)> &widen,
                    const std::function<uint16_t(float)> &narrow) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float wide = widen(static_cast<uint16_t>(bits));
    ASSERT_TRUE(same(wide, format.value(bits))) << std::hex << bits;
    const uint16_t back = narrow(wide);
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(widen(back))) << std::hex << bits;
      ASSERT_EQ(back >> 15, bits >> 15) << std::hex << bits;
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

// Every representable value, every midpoint of two, and the f32 on either side of each; then random f32.
void check_narrowing(const Format &format, const std::function<uint16_t(float)> &narrow) {
  const auto check = [&](float x) {
    ASSERT_TRUE(same(format.value(narrow(x)), format.round(x))) << std::hexfloat << x;
    ASSERT_TRUE(same(format.value(narrow(-x)), format.round(-x))) << std::hexfloat << -x;
  };
  const uint32_t infinity = ((1u << format.exponent_bits) - 1u) << format.mantissa_bits;
  for (uint32_t bits = 0; bits < infinity; ++bits) {
    const double low = format.value(bits);
    // The step above the largest finite value is as wide as the one below it.
    const double high = bits + 1 < infinity ? format.value(bits + 1) : 2 * low - format.value(bits - 1);
    for (const double x : {low, (low + high) / 2, low + (high - low) / 4, low + (high - low) * 3 / 4}) {
      if (x > FLT_MAX) continue;
      const float f = static_cast<float>(x);
      check(f);
      check(std::nextafterf(f, 0.0f));
      check(std::nextafterf(f, INFINITY));
    }
  }
  for (const float x : {FLT_MAX, FLT_MIN, FLT_TRUE_MIN, INFINITY, 65519.996f, 65520.0f, 65536.0f}) check(x);
  std::mt19937 random(1);
  for (int i = 0; i < 2000000; ++i) {
    const float x = f32_from_bits(static_cast<uint32_t>(random()));
    if (!std::isnan(x)) check(x);
  }
}

TEST(Numerics, EveryElement) {
  for (uint32_t nibble = 0; nibble < 16; ++nibble) EXPECT_TRUE(same(e2m1_to_f32(nibble), kE2m1[nibble])) << nibble;
}

TEST(Numerics, EveryScale) {
  for (int byte = 0; byte < 255; ++byte)
    EXPECT_EQ(e8m0_to_f32(static_cast<uint32_t>(byte)), std::ldexp(1.0, byte - 127));
  EXPECT_TRUE(std::isnan(e8m0_to_f32(255)));
}

TEST(Numerics, F16ToF32) { check_widening(kHalf, f32_from_f16, f16_from_f32); }
TEST(Numerics, Bf16ToF32) { check_widening(kBrain, f32_from_bf16, bf16_from_f32); }
TEST(Numerics, F16FromF32) { check_narrowing(kHalf, f16_from_f32); }
TEST(Numerics, Bf16FromF32) { check_narrowing(kBrain, bf16_from_f32); }

// What each policy means, in words of its own: element times scale in f64, rounded once to f32.
double expected(uint32_t nibble, uint32_t byte, DecodePolicy policy, Dtype dst) {
  const double element = policy.canonical_zero != 0 && nibble == 8 ? 0.0 : kE2m1[nibble];
  double scale = std::ldexp(1.0, static_cast<int>(byte) - 127);
  if (byte == 0 && policy.scale_zero == kScaleZeroFlush) scale = 0.0;
  if (byte == 255 && policy.scale_nan == kScaleNanPropagate) scale = NAN;
  if (byte == 255 && policy.scale_nan == kScaleNanInf) scale = INFINITY;
  const bool ldexp_of_255 = byte == 255 && policy.scale_nan == kScaleNanLdexp;
  if (policy.scale_in_dst != 0 && dst == kF16 && !ldexp_of_255) scale = kHalf.round(scale);
  return static_cast<float>(element * scale);  // 2^128 and more: infinite
}

TEST(Numerics, EveryPolicyDecodesEveryCase) {
  for (const Dtype dst : {kF32, kF16, kBf16}) {
    for (uint8_t choice = 0; choice < 24; ++choice) {
      const DecodePolicy policy{static_cast<uint8_t>(choice % 2), static_cast<uint8_t>(choice / 2 % 3),
                                static_cast<uint8_t>(choice / 6 % 2), static_cast<uint8_t>(choice / 12)};
      for (uint32_t byte = 0; byte < 256; ++byte) {
        const float scale = decode_scale(byte, policy, dst);
        for (uint32_t nibble = 0; nibble < 16; ++nibble) {
          ASSERT_TRUE(same(decode_mxfp4(nibble, scale, byte, policy), expected(nibble, byte, policy, dst)))
              << "dst " << dst << " policy " << int{choice} << " byte " << byte << " nibble " << nibble;
        }
      }
    }
  }
}

}  // namespace
}  // namespace quern

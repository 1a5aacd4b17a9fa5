#include "cli/float_format.hpp"

#include <cmath>
#include <cstring>
#include <limits>

namespace quern::cli {
namespace {

constexpr double kLargestE4m3 = 448;

struct Format {
  int precision;     // bits of the significand, the hidden one included
  int min_exponent;  // of the smallest normal number
  int max_exponent;  // of the largest
};

constexpr Format format(quern_dtype dtype) {
  if (dtype == QUERN_DTYPE_F32) return {24, -126, 127};
  if (dtype == QUERN_DTYPE_E4M3) return {4, -6, 8};
  return dtype == QUERN_DTYPE_F16 ? Format{11, -14, 15} : Format{8, -126, 127};
}

double load_f16(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  double magnitude = std::ldexp(fraction + (exponent > 0 ? 1024 : 0), (exponent > 0 ? exponent : 1) - 25);
  if (exponent == 31) {
    magnitude = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  return bits & 0x8000 ? -magnitude : magnitude;
}

uint16_t store_f16(double value) {
  const auto sign = static_cast<unsigned>(std::signbit(value) ? 0x8000 : 0);
  const double magnitude = std::fabs(value);
  if (!std::isfinite(value)) return static_cast<uint16_t>(sign | (std::isinf(value) ? 0x7c00u : 0x7e00u));
  if (magnitude < 0x1p-14) return static_cast<uint16_t>(sign | static_cast<unsigned>(magnitude * 0x1p24));
  const int exponent = std::ilogb(magnitude);
  const auto fraction = static_cast<unsigned>(std::ldexp(magnitude, 10 - exponent)) - 1024u;
  return static_cast<uint16_t>(sign | static_cast<unsigned>(exponent + 15) << 10 | fraction);
}

double load_e4m3(unsigned bits) {
  const int exponent = static_cast<int>(bits >> 3 & 15), fraction = static_cast<int>(bits & 7);
  double magnitude = std::ldexp(fraction + (exponent > 0 ? 8 : 0), (exponent > 0 ? exponent : 1) - 10);
  if ((bits & 0x7f) == 0x7f) magnitude = std::numeric_limits<double>::quiet_NaN();
  return bits & 0x80 ? -magnitude : magnitude;
}

unsigned store_e4m3(double value) {
  const unsigned sign = std::signbit(value) ? 0x80 : 0;
  const double magnitude = std::fabs(value);
  if (!std::isfinite(value)) return sign | 0x7f;
  if (magnitude < 0x1p-6) return sign | static_cast<unsigned>(magnitude * 0x1p9);
  const int exponent = std::ilogb(magnitude);
  const auto fraction = static_cast<unsigned>(std::ldexp(magnitude, 3 - exponent)) - 8u;
  return sign | static_cast<unsigned>(exponent + 7) << 3 | fraction;
}

}  // namespace

size_t dtype_bytes(quern_dtype dtype) { return dtype == QUERN_DTYPE_F32 ? 4 : dtype == QUERN_DTYPE_E4M3 ? 1 : 2; }

double load(const std::byte *array, int64_t index, quern_dtype dtype) {
  const std::byte *element = array + static_cast<size_t>(index) * dtype_bytes(dtype);
  float single = 0;
  if (dtype == QUERN_DTYPE_F32) {
    std::memcpy(&single, element, 4);
    return static_cast<double>(single);
  }
  if (dtype == QUERN_DTYPE_E4M3) return load_e4m3(std::to_integer<unsigned>(*element));
  uint16_t half = 0;
  std::memcpy(&half, element, 2);
  if (dtype == QUERN_DTYPE_F16) return load_f16(half);
  const uint32_t widened = static_cast<uint32_t>(half) << 16;
  std::memcpy(&single, &widened, 4);
  return static_cast<double>(single);
}

void store(double value, std::byte *array, int64_t index, quern_dtype dtype) {
  std::byte *element = array + static_cast<size_t>(index) * dtype_bytes(dtype);
  const auto single = static_cast<float>(value);
  if (dtype == QUERN_DTYPE_F32) {
    std::memcpy(element, &single, 4);
    return;
  }
  if (dtype == QUERN_DTYPE_E4M3) {
    *element = static_cast<std::byte>(store_e4m3(value));
    return;
  }
  uint32_t bits = 0;
  std::memcpy(&bits, &single, 4);
  const uint16_t half = dtype == QUERN_DTYPE_F16 ? store_f16(value) : static_cast<uint16_t>(bits >> 16);
  std::memcpy(element, &half, 2);
}

double unit_in_last_place(double value, quern_dtype dtype) {
  const Format f = format(dtype);
  const double magnitude = std::fabs(value);
  int exponent = f.min_exponent;
  if (magnitude >= std::ldexp(1.0, f.max_exponent)) {
    exponent = f.max_exponent;
  } else if (magnitude >= std::ldexp(1.0, f.min_exponent)) {
    exponent = std::ilogb(magnitude);
  }
  return std::ldexp(1.0, exponent - f.precision + 1);
}

double round_to(double value, quern_dtype dtype) {
  if (!std::isfinite(value)) return value;
  if (std::fabs(value) >= overflow_threshold(dtype)) {
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  }
  const double unit = unit_in_last_place(value, dtype);
  const double rounded = std::nearbyint(value / unit) * unit;
  if (dtype != QUERN_DTYPE_E4M3 || std::fabs(rounded) <= kLargestE4m3) return rounded;
  return std::copysign(kLargestE4m3, value);
}

double overflow_threshold(quern_dtype dtype) {
  const Format f = format(dtype);
  if (dtype == QUERN_DTYPE_E4M3) return std::numeric_limits<double>::infinity();
  return std::ldexp(2.0 - std::ldexp(1.0, -f.precision), f.max_exponent);
}

double reference_element(unsigned nibble, unsigned scale_byte, const quern_decode_policy &policy, quern_dtype dtype) {
  static constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  const bool negative = (nibble & 8) != 0 && !(policy.canonical_zero && nibble == 8);
  const double element = std::copysign(kMagnitudes[nibble & 7], negative ? -1.0 : 1.0);
  double scale = std::ldexp(1.0, static_cast<int>(scale_byte) - 127);
  if (scale_byte == 255) {
    if (policy.scale_nan == QUERN_SCALE_NAN_PROPAGATE) return std::numeric_limits<double>::quiet_NaN();
    if (policy.scale_nan == QUERN_SCALE_NAN_INF) scale = std::numeric_limits<double>::infinity();
  } else if (scale_byte == 0 && policy.scale_zero == QUERN_SCALE_ZERO_FLUSH) {
    scale = 0;
  } else if (policy.scale_in_dst) {
    scale = round_to(scale, dtype);
  }
  return round_to(element * scale, dtype);
}

}  // namespace quern::cli

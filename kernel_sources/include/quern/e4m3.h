// The numerics of rows in E4M3 (OCP FP8, "E4M3"; no infinity, S.1111.111 is NaN) with one f32 scale a row, written once
// for host and device.
#pragma once

#include <quern/types.h>

namespace quern {

constexpr float kE4m3Largest = 448.0f;

// The scale of a row whose largest finite or infinite magnitude is `largest`. Never 0, so that a row of zeros stays
// one; infinity makes the row NaN.
QUERN_HOST_DEVICE float e4m3_row_scale(float largest) {
  const float scale = largest / kE4m3Largest;
  const float least = f32_from_bits(1u << 23);  // 2^-126
  return scale > least ? scale : least;
}

// Rounds to nearest even; beyond 448 gives 448; NaN gives NaN.
QUERN_HOST_DEVICE uint8_t e4m3_from_f32(float value) {
  const uint32_t bits = f32_bits(value);
  const uint32_t sign = bits >> 24 & 0x80u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint8_t>(sign | 0x7fu);
  if (magnitude >= 0x43e00000u) return static_cast<uint8_t>(sign | 0x7eu);  // 448
  if (magnitude >= 0x3c800000u) {                                           // normal: 2^-6 and above
    const uint32_t rounded = magnitude + 0x7ffffu + (magnitude >> 20 & 1u);
    return static_cast<uint8_t>(sign | (rounded - 0x3c000000u) >> 20);
  }
  // The last place of 2^14 in f32 is 2^-9, that of subnormals here, so the addition rounds to it.
  const float lifted = f32_from_bits(magnitude) + 16384.0f;
  return static_cast<uint8_t>(sign | (f32_bits(lifted) & 0xffu));
}

// An element of a row with this scale. Processors differ in the sign of a NaN that a division makes: it is x's here.
QUERN_HOST_DEVICE uint8_t e4m3_quotient(float x, float scale) {
  const float quotient = x / scale;
  if (quotient != quotient) return static_cast<uint8_t>((f32_bits(x) >> 24 & 0x80u) | 0x7fu);
  return e4m3_from_f32(quotient);
}

QUERN_HOST_DEVICE float f32_from_e4m3(uint8_t bits) {
  const uint32_t sign = (bits & 0x80u) << 24;
  const uint32_t magnitude = bits & 0x7fu;
  if (magnitude == 0x7fu) return f32_from_bits(sign | 0x7fc00000u);
  // Multiplying by 2^120 moves the exponent from bias 7 to bias 127 and normalises subnormals exactly.
  const float scaled = f32_from_bits(magnitude << 20) * f32_from_bits(247u << 23);
  return f32_from_bits(sign | f32_bits(scaled));
}

}  // namespace quern

// The numerics of MXFP4, written once for host and device: E2M1 elements, E8M0 scales (OCP MX v1.0 §5.3.3, §5.4.1), and
// rounding of f32 to f16 and bf16. Only integer operations and exact multiplies by powers of two, so that every
// compiler gives the same bits. Must not be compiled with flush-to-zero: 2^-127 and its neighbours are subnormal.
#pragma once

#include <quern/types.h>

namespace quern {

constexpr int kMxfp4Block = 32;  // elements that share one scale

// Scale bytes 0 and 255, and two corners in which systems differ. ABI: the numbers of quern_decode_policy.
enum ScaleZero : uint8_t { kScaleZeroExact = 0, kScaleZeroFlush = 1 };
enum ScaleNan : uint8_t { kScaleNanPropagate = 0, kScaleNanLdexp = 1, kScaleNanInf = 2 };

struct DecodePolicy {
  uint8_t scale_zero;
  uint8_t scale_nan;
  uint8_t scale_in_dst;    // round the scale to the output type first
  uint8_t canonical_zero;  // nibble 8 is +0
};

// E2M1 nibble to f32: 0, 0.5, 1, 1.5, 2, 3, 4, 6; bit 3 is the sign.
QUERN_HOST_DEVICE float e2m1_to_f32(uint32_t nibble) {
  const uint32_t sign = (nibble & 8u) << 28;
  const uint32_t magnitude = nibble & 7u;
  // Above 0.5 the exponent and mantissa bits line up with those of f32: (e, m) -> 2^(e-1) * (1 + m/2).
  const uint32_t normal = (magnitude + (126u << 1)) << 22;
  return f32_from_bits(sign | (magnitude > 1u ? normal : magnitude * 0x3f000000u));
}

// E8M0 byte to f32: 2^(byte-127); byte 0 is the subnormal 2^-127, 255 is NaN.
QUERN_HOST_DEVICE float e8m0_to_f32(uint32_t byte) {
  return f32_from_bits(byte == 255u ? 0x7fc00000u : byte == 0u ? 0x00400000u : byte << 23);
}

QUERN_HOST_DEVICE float f32_from_bf16(uint16_t bits) { return f32_from_bits(static_cast<uint32_t>(bits) << 16); }

// Round to nearest even; NaN becomes the quiet NaN of the same sign.
QUERN_HOST_DEVICE uint16_t bf16_from_f32(float value) {
  const uint32_t bits = f32_bits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16 & 0x8000u) | 0x7fc0u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

QUERN_HOST_DEVICE float f32_from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return f32_from_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  // Multiplying by 2^112 moves the exponent from bias 15 to bias 127 and normalises subnormals exactly.
  const float scaled = f32_from_bits(magnitude << 13) * f32_from_bits(0x77800000u);
  return f32_from_bits(sign | f32_bits(scaled));
}

// Round to nearest even; above 65504 + half a unit becomes infinity; NaN becomes the quiet NaN of the same sign.
QUERN_HOST_DEVICE uint16_t f16_from_f32(float value) {
  const uint32_t bits = f32_bits(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 2^16 and above
  if (magnitude >= 0x38800000u) {                                              // normal: 2^-14 and above
    const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return static_cast<uint16_t>(sign | (rounded - 0x38000000u) >> 13);  // may carry into infinity, as it should
  }
  if (magnitude < 0x33000000u) return static_cast<uint16_t>(sign);  // below 2^-25: rounds to zero
  const uint32_t shift = 126u - (magnitude >> 23);  // 14 to 24: what f16 drops of the 24-bit significand
  const uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
  const uint32_t kept = significand >> shift;
  const uint32_t dropped = significand & ((1u << shift) - 1u);
  const uint32_t half = 1u << (shift - 1u);
  const uint32_t up = dropped > half || (dropped == half && (kept & 1u)) ? 1u : 0u;
  return static_cast<uint16_t>(sign | (kept + up));
}

// The scale of a block under a policy, before it meets the elements. `dst` matters only with scale_in_dst.
// LDEXP has no f32 for 2^128; it returns 2^127 and decode_mxfp4 doubles the element instead.
QUERN_HOST_DEVICE float decode_scale(uint32_t byte, DecodePolicy policy, Dtype dst) {
  if (byte == 255u && policy.scale_nan == kScaleNanLdexp) return f32_from_bits(254u << 23);
  if (byte == 255u && policy.scale_nan == kScaleNanInf) return f32_from_bits(0x7f800000u);
  if (byte == 0u && policy.scale_zero == kScaleZeroFlush) return 0.0f;
  const float scale = e8m0_to_f32(byte);
  return policy.scale_in_dst && dst == kF16 ? f32_from_f16(f16_from_f32(scale)) : scale;
}

// One element in f32, from its nibble and its block's decode_scale(). Exact wherever the value is finite in f32.
QUERN_HOST_DEVICE float decode_mxfp4(uint32_t nibble, float scale, uint32_t byte, DecodePolicy policy) {
  if (policy.canonical_zero && nibble == 8u) nibble = 0u;
  if (byte == 255u && policy.scale_nan == kScaleNanPropagate) return f32_from_bits(0x7fc00000u);
  const float element = e2m1_to_f32(nibble);
  const float value = (byte == 255u && policy.scale_nan == kScaleNanLdexp ? element * 2.0f : element) * scale;
  return value == value ? value : f32_from_bits(0x7fc00000u);  // processors differ in the sign of 0 * infinity
}

}  // namespace quern

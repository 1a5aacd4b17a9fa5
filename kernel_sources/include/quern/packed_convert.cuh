// A word of a packed tensor to the A fragment of m16n8k16: nine integer instructions bring the pairs' bits to their
// places in bf16 (eleven in f16), four multiplies apply the scales. packed_layout.h says which bit stands where.
//
// bf16: sign at bit 15, magnitude at bits 8 to 6, which is E2M1 * 2^-126 exactly (code 1 is subnormal, and the multiply
// keeps it). f16: magnitude at bits 11 to 9, which is E2M1 * 2^-14. Must not be compiled with flush-to-zero.
#pragma once

#include <quern/packed_layout.h>

namespace quern {

QUERN_HOST_DEVICE uint32_t rotate_left(uint32_t x, uint32_t bits) { return x << bits | x >> (32u - bits); }

// The pairs 0 to 3 of a word, unscaled.
template <uint32_t kDtype>
QUERN_HOST_DEVICE void packed_pairs(uint32_t x, uint32_t (&pairs)[4]) {
  if constexpr (kDtype == kBf16) {
    constexpr uint32_t kMask = 0x81c081c0u;
    pairs[0] = x & kMask;
    pairs[1] = rotate_left(x, 28) & kMask;
    pairs[2] = (x << 6) & kMask;
    pairs[3] = ((x << 2) & 0x80c080c0u) | ((x >> 6) & 0x01000100u);
  } else {
    constexpr uint32_t kMask = 0x8e008e00u;
    pairs[0] = x & kMask;
    pairs[1] = rotate_left(x, 8) & kMask;
    pairs[2] = (rotate_left(x, 7) & 0x80008000u) | (rotate_left(x, 5) & 0x0e000e00u);
    pairs[3] = (rotate_left(x, 31) & 0x80008000u) | ((x >> 3) & 0x0e000e00u);
  }
}

// What turns a pair of scale bytes of rows g and g + 8 into two multipliers, the row g in the low half.
// bf16: 128 times the offsets; a borrow between the halves is intended, since the sums with the bytes are not negative.
// f16: the offsets, each in its half.
template <uint32_t kDtype>
QUERN_HOST_DEVICE uint32_t packed_scale_offset(int field_offset_low, int field_offset_high) {
  const uint32_t low = static_cast<uint32_t>(field_offset_low), high = static_cast<uint32_t>(field_offset_high);
  if constexpr (kDtype == kBf16) return (high << 23) + (low << 7);
  return high << 16 | (low & 0xffffu);
}

// Two signed 16-bit sums, each clamped to 0 to 31.
QUERN_HOST_DEVICE uint32_t add_clamped_to_f16_field(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t field;
  asm("add.s16x2 %0, %1, %2;" : "=r"(field) : "r"(a), "r"(b));
  asm("max.s16x2 %0, %1, %2;" : "=r"(field) : "r"(field), "r"(0));
  asm("min.s16x2 %0, %1, %2;" : "=r"(field) : "r"(field), "r"(0x001f001f));
  return field;
#else
  uint32_t fields = 0;
  for (int half = 0; half < 2; ++half) {
    const int sum = static_cast<int16_t>(a >> (16 * half)) + static_cast<int16_t>(b >> (16 * half));
    fields |= static_cast<uint32_t>(sum < 0 ? 0 : sum > 31 ? 31 : sum) << (16 * half);
  }
  return fields;
#endif
}

// The multipliers {row g low, row g + 8 high} of block `block` of a lane's four scale bytes. Two instructions for bf16.
template <uint32_t kDtype>
QUERN_HOST_DEVICE uint32_t packed_scales(uint32_t bytes, int block, uint32_t offset) {
#if defined(__CUDA_ARCH__)
  const uint32_t both = __byte_perm(bytes, 0, block == 0 ? 0x4140 : 0x4342);
#else
  const uint32_t two = bytes >> (16 * block);
  const uint32_t both = (two & 0xffu) | (two & 0xff00u) << 8;
#endif
  if constexpr (kDtype == kBf16) return both * 128u + offset;
  // A byte of 255 stays within its half; its row becomes NaN in the end.
  return add_clamped_to_f16_field(both, offset) << 10;
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900

// Both elements of `pair` times the low or the high half of `scales`. Only in this form does ptxas take the half as an
// operand mode of the multiply, without a permutation before it.
template <uint32_t kDtype, bool kHigh>
__device__ __forceinline__ uint32_t multiply_by_scale(uint32_t pair, uint32_t scales) {
#define QUERN_MULTIPLY(type, half)                                          \
  asm("{.reg .b16 low, high; .reg .b32 both; mov.b32 {low, high}, %2;"      \
      " mov.b32 both, {" half ", " half "}; mul.rn." type " %0, %1, both;}" \
      : "=r"(product)                                                       \
      : "r"(pair), "r"(scales))
  uint32_t product;
  if constexpr (kDtype == kBf16) {
    if constexpr (kHigh) {
      QUERN_MULTIPLY("bf16x2", "high");
    } else {
      QUERN_MULTIPLY("bf16x2", "low");
    }
  } else {
    if constexpr (kHigh) {
      QUERN_MULTIPLY("f16x2", "high");
    } else {
      QUERN_MULTIPLY("f16x2", "low");
    }
  }
#undef QUERN_MULTIPLY
  return product;
}

// A word to the A fragment of its step, scaled.
template <uint32_t kDtype>
__device__ __forceinline__ void packed_fragment(uint32_t word, uint32_t scales, uint32_t (&a)[4]) {
  packed_pairs<kDtype>(word, a);
  a[0] = multiply_by_scale<kDtype, false>(a[0], scales);
  a[1] = multiply_by_scale<kDtype, true>(a[1], scales);
  a[2] = multiply_by_scale<kDtype, false>(a[2], scales);
  a[3] = multiply_by_scale<kDtype, true>(a[3], scales);
}

#endif

}  // namespace quern

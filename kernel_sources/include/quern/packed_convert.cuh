// A word of a packed tensor to the A fragment of m16n8k16: nine integer instructions bring the pairs' bits to their
// places in bf16 (eleven in f16), four multiplies apply the scales. packed_layout.h says which bit stands where.
//
// For E5M2 a word gives half a fragment of m16n8k32 instead: two permutations of bytes look its codes up in a table
// that three instructions make, and five more place selectors and signs.
//
// bf16: sign at bit 15, magnitude at bits 8 to 6, which is E2M1 * 2^-126 exactly (code 1 is subnormal, and the multiply
// keeps it). f16: magnitude at bits 11 to 9, which is E2M1 * 2^-14. Must not be compiled with flush-to-zero.
#pragma once

#include <quern/packed_layout.h>
#include <quern/word_parts.cuh>

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

// What a sum of products with unscaled pairs is multiplied by, where that is done in place of scaling the pairs, of
// byte `index` of four scale bytes: finite but for a byte of 255, whose row becomes NaN in the end.
template <uint32_t kDtype>
QUERN_HOST_DEVICE float packed_block_scale(uint32_t bytes, int index, uint32_t field_offset) {
#if defined(__CUDA_ARCH__)
  const uint32_t byte = __byte_perm(bytes, 0, 0x4440u + static_cast<uint32_t>(index));
#else
  const uint32_t byte = bytes >> (8 * index) & 0xffu;
#endif
  if constexpr (kDtype == kBf16) return f32_from_bits((byte << 23) + (field_offset << 23));
  // So far below the largest the codes are zeros; the exponent must not become that of infinity.
  const int field = static_cast<int>(byte + field_offset);
  return f32_from_bits(static_cast<uint32_t>((field < 0 ? 0 : field) + 127 - 15) << 23);
}

// e5m2: a table of the row's and block's eight magnitudes as bytes of E5M2, 0 and then 4 field + {0, 4, 6, 8, 10, 12,
// 14} for field = byte + field_offset, is looked up by byte permutations.
//
// What turns a lane's four scale bytes, of rows g and g + 8 of both blocks, into fields: four times the offsets.
QUERN_HOST_DEVICE uint32_t packed_field_offsets(int field_offset_low, int field_offset_high) {
  const uint32_t low = static_cast<uint32_t>(field_offset_low), high = static_cast<uint32_t>(field_offset_high);
  return (low << 2 & 0xffu) * 0x00010001u + (high << 2 & 0xffu) * 0x01000100u;
}

// Four times the fields, modulo 256. What one byte carries into the next is masked off, as its two low bits are free.
QUERN_HOST_DEVICE uint32_t packed_fields(uint32_t bytes, uint32_t offsets) {
  uint32_t low_bits = bytes & 0x3f3f3f3fu;
#if defined(__CUDA_ARCH__)
  asm("" : "+r"(low_bits));  // a shift and addition at once, not a shift before the mask
#endif
  return ((low_bits << 2) + offsets) & 0xfcfcfcfcu;
}

// Word `word` of a lane's four to two registers of the A fragment of block word / 2, both of row g (word % 2 = 0) or
// g + 8: `first` has k = 4 t to 4 t + 3 of the block's 32, `second` the same behind 16. Code 0 is 0 whatever the field;
// a field that is not 1 to 27, of a block of zeros or of a row with NaN, makes magnitudes of any value, the sign bit
// too.
QUERN_HOST_DEVICE void packed_e5m2(uint32_t x, uint32_t fields, int word, uint32_t &first, uint32_t &second) {
  const uint32_t field = byte_permute(fields, 0, 0x1111u * static_cast<uint32_t>(word));  // in all four bytes
  const uint32_t low = (field << 8) + 0x06040000u, high = field + 0x0e0c0a08u;
  const uint32_t magnitudes = x & 0x77777777u;
  first = byte_permute(low, high, magnitudes) | (x & 0x80808080u);
  second = byte_permute(low, high, magnitudes >> 16) | (x << 4 & 0x80808080u);
}

// Both elements of `pair` times the low or the high half of `scales`. Only in this form does ptxas take the half as an
// operand mode of the multiply, without a permutation before it.
template <uint32_t kDtype, bool kHigh>
QUERN_HOST_DEVICE uint32_t multiply_by_scale(uint32_t pair, uint32_t scales) {
  uint32_t product;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define QUERN_MULTIPLY(type, half)                                          \
  asm("{.reg .b16 low, high; .reg .b32 both; mov.b32 {low, high}, %2;"      \
      " mov.b32 both, {" half ", " half "}; mul.rn." type " %0, %1, both;}" \
      : "=r"(product)                                                       \
      : "r"(pair), "r"(scales))
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
#else
  const auto multiply = [&](uint32_t element) -> uint32_t {
    const uint16_t scale = static_cast<uint16_t>(kHigh ? scales >> 16 : scales);
    if constexpr (kDtype == kBf16)
      return bf16_from_f32(f32_from_bf16(static_cast<uint16_t>(element)) * f32_from_bf16(scale));
    return f16_from_f32(f32_from_f16(static_cast<uint16_t>(element)) * f32_from_f16(scale));
  };
  product = multiply(pair >> 16) << 16 | multiply(pair & 0xffffu);
#endif
  return product;
}

// A word to the A fragment of its step, scaled.
template <uint32_t kDtype>
QUERN_HOST_DEVICE void packed_fragment(uint32_t word, uint32_t scales, uint32_t (&a)[4]) {
  packed_pairs<kDtype>(word, a);
  a[0] = multiply_by_scale<kDtype, false>(a[0], scales);
  a[1] = multiply_by_scale<kDtype, true>(a[1], scales);
  a[2] = multiply_by_scale<kDtype, false>(a[2], scales);
  a[3] = multiply_by_scale<kDtype, true>(a[3], scales);
}

}  // namespace quern

// Eight E2M1 nibbles to eight f16 or bf16, in element order, by byte permutes. The bytes of both types are a function
// of the three magnitude bits, so a permute with the nibbles as selector reads them from a table of eight; signs are
// merged into the high bytes, and a last permute interleaves. 15 integer instructions for bf16, 13 for f16, every
// nibble exact. The same code runs on the host, where tests compare it with mxfp4.h.
#pragma once

#include <quern/word_parts.cuh>

namespace quern {

// out[i] holds element 2i in its low half and 2i+1 in its high half, as a pair of X from memory does. Tables: the high
// and low byte of 0, 0.5, 1, 1.5 and of 2, 3, 4, 6.
QUERN_HOST_DEVICE void e2m1x8_to_pairs(uint32_t word, uint32_t high_0, uint32_t high_4, uint32_t low_0, uint32_t low_4,
                                       uint32_t (&out)[4]) {
  constexpr uint32_t kFirstTwo = 0x5140u;  // interleaves bytes 0 and 1 of two words
  constexpr uint32_t kLastTwo = 0x7362u;   // and bytes 2 and 3
  const uint32_t magnitudes = word & 0x77777777u;
  const uint32_t even = word << 4;  // now every even element's sign is bit 7 of its byte, as the odd ones' are in word
  uint32_t selector = magnitudes;
  uint32_t signs = byte_permute(even, word, kFirstTwo);
  for (int half = 0; half < 2; ++half) {
    const uint32_t high = byte_permute(high_0, high_4, selector) | (signs & 0x80808080u);
    const uint32_t low = low_4 == 0u ? 0u : byte_permute(low_0, low_4, selector);
    out[2 * half] = byte_permute(low, high, kFirstTwo);
    out[2 * half + 1] = byte_permute(low, high, kLastTwo);
    selector = magnitudes >> 16;
    signs = byte_permute(even, word, kLastTwo);
  }
}

QUERN_HOST_DEVICE void e2m1x8_to_bf16x2(uint32_t word, uint32_t (&out)[4]) {
  e2m1x8_to_pairs(word, 0x3f3f3f00u, 0x40404040u, 0xc0800000u, 0xc0804000u, out);
}

QUERN_HOST_DEVICE void e2m1x8_to_f16x2(uint32_t word, uint32_t (&out)[4]) {
  e2m1x8_to_pairs(word, 0x3e3c3800u, 0x46444240u, 0u, 0u, out);
}

// A scale byte as a pair of equal bf16: exact for every byte. bf16 has the exponent range of f32, so an element times
// this is decode_mxfp4() exactly: subnormal at byte 0, infinite where f32 would be, NaN at byte 255.
QUERN_HOST_DEVICE uint32_t e8m0_to_bf16x2(uint32_t byte, bool flush_zero) {
  const uint32_t scale = byte == 255u ? 0x7fc0u : byte != 0u ? byte << 7 : flush_zero ? 0u : 0x0040u;
  return scale << 16 | scale;
}

// The smallest f16 pattern of an E2M1 magnitude that overflows f32 under a scale byte; that of infinity if none does.
QUERN_HOST_DEVICE uint32_t f16_overflow_limit(uint32_t byte) {
  return byte == 254u ? 0x4000u : byte == 253u ? 0x4400u : 0x7c00u;
}

// Halves of that magnitude and above become infinite: f16 cannot hold the scaled weight, but it can hold this.
QUERN_HOST_DEVICE uint32_t f16x2_overflow(uint32_t pair, uint32_t limit) {
  const uint32_t low = (pair & 0x7fffu) >= limit ? (pair & 0x8000u) | 0x7c00u : pair & 0xffffu;
  const uint32_t high = (pair >> 16 & 0x7fffu) >= limit ? (pair >> 16 & 0x8000u) | 0x7c00u : pair >> 16;
  return high << 16 | low;
}

}  // namespace quern

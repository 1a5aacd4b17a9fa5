// Operations on the four bytes and on the two 16-bit halves of 32-bit words: instructions on a GPU, the same on the
// host.
#pragma once

#include <quern/mxfp4.h>

namespace quern {

// Byte i of the result is byte (selector nibble i) of high:low; bit 3 of a selector nibble must be 0: __byte_perm()
// would clear it.
QUERN_HOST_DEVICE uint32_t byte_permute(uint32_t low, uint32_t high, uint32_t selector) {
#if defined(__CUDA_ARCH__)
  uint32_t result;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(low), "r"(high), "r"(selector));
  return result;
#else
  const uint64_t bytes = static_cast<uint64_t>(high) << 32 | low;
  uint32_t result = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    result |= static_cast<uint32_t>(bytes >> (8 * (selector >> (4 * i) & 7u)) & 0xffu) << (8 * i);
  }
  return result;
#endif
}

// The larger of two unsigned 16-bit numbers, twice.
QUERN_HOST_DEVICE uint32_t max_of_halves(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t larger;
  asm("max.u16x2 %0, %1, %2;" : "=r"(larger) : "r"(a), "r"(b));
  return larger;
#else
  const uint32_t low = (a & 0xffffu) > (b & 0xffffu) ? a & 0xffffu : b & 0xffffu;
  return ((a >> 16) > (b >> 16) ? a & 0xffff0000u : b & 0xffff0000u) | low;
#endif
}

QUERN_HOST_DEVICE uint32_t multiply_bf16x2(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t result;
  asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t result;  // no multiply here; adding -0 changes nothing
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(0x80008000u));
  return result;
#else
  const uint32_t low = bf16_from_f32(f32_from_bits(a << 16) * f32_from_bits(b << 16));
  const uint32_t high = bf16_from_f32(f32_from_bits(a & 0xffff0000u) * f32_from_bits(b & 0xffff0000u));
  return high << 16 | low;
#endif
}

}  // namespace quern

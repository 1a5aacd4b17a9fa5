// Elements of f32, f16 and bf16 tensors to and from f32, by a type known at run time; and pairs packed in 32 bits.
#pragma once

#include <quern/mxfp4.h>

namespace quern {

__device__ __forceinline__ float f32_of_f16(uint16_t bits) {
#if defined(__CUDA_ARCH__)
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
#else
  return f32_from_f16(bits);
#endif
}

__device__ __forceinline__ uint16_t round_to_f16(float value) {
#if defined(__CUDA_ARCH__)
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
#else
  return f16_from_f32(value);
#endif
}

__device__ __forceinline__ uint16_t round_to_bf16(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
#else
  return bf16_from_f32(value);
#endif
}

// The two elements of a packed pair of f16 or bf16.
template <uint32_t kDtype>
__device__ __forceinline__ void unpack_pair(uint32_t pair, float &low, float &high) {
  if constexpr (kDtype == kBf16) {
    low = f32_from_bits(pair << 16);
    high = f32_from_bits(pair & 0xffff0000u);
  } else {
    low = f32_of_f16(static_cast<uint16_t>(pair & 0xffffu));
    high = f32_of_f16(static_cast<uint16_t>(pair >> 16));
  }
}

// Round two f32 and pack them, the first in the low half.
template <uint32_t kDtype>
__device__ __forceinline__ uint32_t pack_pair(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t pair;
  if constexpr (kDtype == kBf16) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  }
  return pair;
#else
  const uint32_t first = kDtype == kBf16 ? round_to_bf16(low) : round_to_f16(low);
  const uint32_t second = kDtype == kBf16 ? round_to_bf16(high) : round_to_f16(high);
  return second << 16 | first;
#endif
}

__device__ __forceinline__ float load_element(const void *tensor, int64_t index, uint32_t dtype) {
  if (dtype == kF32) return static_cast<const float *>(tensor)[index];
  const uint16_t bits = static_cast<const uint16_t *>(tensor)[index];
  return dtype == kBf16 ? f32_from_bf16(bits) : f32_of_f16(bits);
}

// Needs no more than the alignment of one element.
__device__ __forceinline__ void store_element(void *tensor, int64_t index, uint32_t dtype, float value) {
  if (dtype == kF32) {
    static_cast<float *>(tensor)[index] = value;
    return;
  }
  static_cast<uint16_t *>(tensor)[index] = dtype == kBf16 ? round_to_bf16(value) : round_to_f16(value);
}

}  // namespace quern

// Fixed-width integers and function qualifiers for headers that the host compiler and NVRTC both compile. NVRTC has no
// system headers; Quern gives it those in kernel_sources/nvrtc/, and nothing else may be included.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define QUERN_HOST_DEVICE __host__ __device__ __forceinline__
#define QUERN_UNROLL _Pragma("unroll")
#else
#define QUERN_HOST_DEVICE inline
#define QUERN_UNROLL _Pragma("GCC unroll 8")
#endif

namespace quern {

// The element types of tensors. ABI: the numbers of quern_dtype, and what -DQUERN_X_DTYPE=3 and the like mean in a
// kernel.
enum Dtype : uint32_t { kNoDtype = 0, kF32 = 1, kF16 = 2, kBf16 = 3, kE4m3 = 4 };

QUERN_HOST_DEVICE uint32_t f32_bits(float value) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(value);
#else
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
#endif
}

QUERN_HOST_DEVICE float f32_from_bits(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
#endif
}

}  // namespace quern

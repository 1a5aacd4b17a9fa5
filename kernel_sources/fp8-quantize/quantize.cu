// Rows of f32, f16 or bf16 (QUERN_SRC_DTYPE) to E4M3 with one f32 scale a row, sm_75 and up; bit for bit e4m3.h.
//
// Algorithm: a CTA of THREADS takes a row: the largest magnitude over all its threads, then every element over the
// scale. Up to HELD units of 8 elements a thread stay in registers between the two, all of whose loads are under way
// together; what a longer row has beyond is read again, mostly from L2.
// Division: with r the rounded reciprocal of the scale, q = x r and one correction by the remainder give the rounded
// quotient as long as the remainder is not subnormal (Markstein, "Computation of elementary functions on the IBM RISC
// System/6000 processor", 1990). It is not where scale is at least 2^-100 and the quotient at least 2^-11; below that
// E4M3 is 0 either way. Other scales, and units with a NaN, go the slow way.
// Shared memory: 256 bytes for the warps' maxima. Bound: memory, 2 or 4 bytes in and 1 out an element.
#include <quern/quantize_params.h>
#include <quern/element_io.cuh>

namespace quern {
namespace {

constexpr uint32_t kSrc = QUERN_SRC_DTYPE;
constexpr int kUnit = 8;
constexpr int kVectors = kSrc == kF32 ? 2 : 1;  // of 16 bytes, that a unit is
constexpr int kWarps = THREADS / 32;
static_assert(THREADS % 32 == 0 && kWarps <= 32, "a warp reduces the maxima of all");

struct Unit {
  uint4 vectors[kVectors];

  __device__ __forceinline__ void load(const uint4 *row, int64_t unit) {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) vectors[i] = row[unit * kVectors + i];
  }
  __device__ __forceinline__ void values(float (&x)[kUnit]) const {
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      const uint32_t words[4] = {vectors[i].x, vectors[i].y, vectors[i].z, vectors[i].w};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if constexpr (kSrc == kF32) {
          x[4 * i + j] = f32_from_bits(words[j]);
        } else {
          unpack_pair<kSrc>(words[j], x[2 * j], x[2 * j + 1]);
        }
      }
    }
  }
  // As stored: conversion of f16 drops the sign of NaN.
  __device__ __forceinline__ uint32_t sign(int i) const {
    const uint4 &vector = vectors[i * kVectors / kUnit];
    const int word = kSrc == kF32 ? i % 4 : i / 2;
    const uint32_t bits = word == 0 ? vector.x : word == 1 ? vector.y : word == 2 ? vector.z : vector.w;
    return (kSrc == kF32 || i % 2 == 1 ? bits : bits << 16) & 0x80000000u;
  }
  // The largest magnitude, at least `so_far`. NaN is passed over.
  __device__ __forceinline__ float largest(float so_far) const {
    float x[kUnit];
    values(x);
#pragma unroll
    for (int i = 0; i < kUnit; ++i) so_far = fmaxf(so_far, fabsf(x[i]));
    return so_far;
  }
};

// What earlier kernels of the stream wrote may be read, and later ones may begin.
__device__ __forceinline__ void follow_earlier_kernels() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents; griddepcontrol.wait;" ::: "memory");
#endif
}

// Magnitudes are ordered as their bits are.
__device__ __forceinline__ uint32_t largest_of_warp(uint32_t bits) {
#if __CUDA_ARCH__ >= 800
  return __reduce_max_sync(0xffffffffu, bits);
#else
  for (int step = 16; step > 0; step /= 2) bits = max(bits, __shfl_xor_sync(0xffffffffu, bits, step));
  return bits;
#endif
}

struct Scale {
  float value, reciprocal;
  bool fast;

  __device__ __forceinline__ explicit Scale(float largest) : value(e4m3_row_scale(largest)) {
    reciprocal = 1.0f / value;
    fast =
        value >= f32_from_bits(27u << 23) && value <= kE4m3Largest * f32_from_bits(230u << 23);  // 2^-100, no infinity
  }

  __device__ __forceinline__ float quotient(float x) const {
    const float q = x * reciprocal;
    // The signs are such that a quotient of -0 stays that.
    return fmaf(-fmaf(q, value, -x), reciprocal, q);
  }

  __device__ __forceinline__ uint32_t four(const float *x) const {
#if __CUDA_ARCH__ >= 890
    uint32_t word;
    asm("{.reg .b16 low, high; cvt.rn.satfinite.e4m3x2.f32 low, %2, %1; cvt.rn.satfinite.e4m3x2.f32 high, %4, %3;"
        " mov.b32 %0, {low, high};}"
        : "=r"(word)
        : "f"(quotient(x[0])), "f"(quotient(x[1])), "f"(quotient(x[2])), "f"(quotient(x[3])));
    return word;
#else
    uint32_t word = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) word |= static_cast<uint32_t>(e4m3_from_f32(quotient(x[i]))) << (8 * i);
    return word;
#endif
  }

  __device__ __forceinline__ uint2 apply(const Unit &unit) const {
    float x[kUnit];
    unit.values(x);
    uint2 bytes = make_uint2(four(x), four(x + 4));
    const uint32_t nan =
        (((bytes.x & 0x7f7f7f7fu) + 0x01010101u) | ((bytes.y & 0x7f7f7f7fu) + 0x01010101u)) & 0x80808080u;
    if (!fast || nan != 0) {
      uint32_t words[2] = {0, 0};
#pragma unroll
      for (int i = 0; i < kUnit; ++i) {
        const float signed_x = f32_from_bits((f32_bits(x[i]) & 0x7fffffffu) | unit.sign(i));
        words[i / 4] |= static_cast<uint32_t>(e4m3_quotient(signed_x, value)) << (8 * (i % 4));
      }
      bytes = make_uint2(words[0], words[1]);
    }
    return bytes;
  }
};

}  // namespace
}  // namespace quern

extern "C" __global__ void __launch_bounds__(THREADS) quern_quantize(const __grid_constant__ quern::QuantizeParams p) {
  using namespace quern;
  __shared__ uint32_t maxima[2][32];
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t units = p.k / kUnit;
  if (thread < 64) maxima[thread / 32][thread % 32] = 0;
  __syncthreads();
  follow_earlier_kernels();
  uint32_t turn = 0;
  for (int64_t row = blockIdx.x; row < p.rows; row += gridDim.x, turn ^= 1u) {
    const uint4 *const src = reinterpret_cast<const uint4 *>(static_cast<const uint8_t *>(p.src) +
                                                             row * p.src_stride * (kSrc == kF32 ? 4 : 2));
    uint2 *const dst = reinterpret_cast<uint2 *>(p.dst + row * p.dst_stride);
    Unit held[HELD];
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      if (thread + i * THREADS < units) held[i].load(src, thread + i * THREADS);
    }
    float largest = 0.0f;
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      if (thread + i * THREADS < units) largest = held[i].largest(largest);
    }
#pragma unroll 4
    for (int64_t unit = thread + HELD * THREADS; unit < units; unit += THREADS) {
      Unit more;
      more.load(src, unit);
      largest = more.largest(largest);
    }
    const uint32_t of_warp = largest_of_warp(f32_bits(largest));
    if (thread % 32 == 0) maxima[turn][thread / 32] = of_warp;
    __syncthreads();  // one a row: the other row of maxima is written meanwhile
    const Scale scale(f32_from_bits(largest_of_warp(maxima[turn][thread % 32])));
    if (thread == 0) static_cast<float *>(p.scales)[row] = scale.value;
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      if (thread + i * THREADS < units) dst[thread + i * THREADS] = scale.apply(held[i]);
    }
#pragma unroll 4
    for (int64_t unit = thread + HELD * THREADS; unit < units; unit += THREADS) {
      Unit more;
      more.load(src, unit);
      dst[unit] = scale.apply(more);
    }
  }
}

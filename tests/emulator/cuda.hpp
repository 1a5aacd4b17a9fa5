// CUDA C++ for a C++ compiler, as far as the kernels of sm_90a need it; their PTX is in include/quern/, which stands
// before the kernels' own headers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "emulator/gpu.hpp"

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define threadIdx (::emulator::thread_index())
#define blockIdx (::emulator::block_index())
#define gridDim (::emulator::grid_size())

struct float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }

template <typename A, typename B>
constexpr std::common_type_t<A, B> min(A a, B b) {
  using C = std::common_type_t<A, B>;
  return static_cast<C>(a) < static_cast<C>(b) ? static_cast<C>(a) : static_cast<C>(b);
}
template <typename A, typename B>
constexpr std::common_type_t<A, B> max(A a, B b) {
  using C = std::common_type_t<A, B>;
  return static_cast<C>(a) < static_cast<C>(b) ? static_cast<C>(b) : static_cast<C>(a);
}

inline void __syncthreads() { ::emulator::barrier_sync(0, 0); }
inline void __syncwarp() {
  ::emulator::meet("__syncwarp()", nullptr, [](::emulator::Brought) {});
}

// What every lane gets from the values that all of them brought.
template <typename T, typename Choose>
T exchange(const char *what, T value, Choose choose) {
  struct Exchanged {
    T value, result;
    unsigned lane;
  } own{value, value, threadIdx.x % 32};
  ::emulator::meet(what, &own, [&](::emulator::Brought brought) {
    T values[32] = {};
    for (int i = 0; i < 32; ++i) {
      if (brought[i] != nullptr) values[i] = static_cast<Exchanged *>(brought[i])->value;
    }
    for (void *lane : brought) {
      if (lane == nullptr) continue;
      auto *exchanged = static_cast<Exchanged *>(lane);
      exchanged->result = choose(values, exchanged->lane);
    }
  });
  return own.result;
}
template <typename T>
T __shfl_sync(uint32_t, T value, int from, int width = 32) {
  return exchange("__shfl_sync()", value, [from, width](const T(&values)[32], unsigned lane) {
    return values[static_cast<int>(lane) / width * width + from % width];
  });
}
template <typename T>
T __shfl_xor_sync(uint32_t, T value, int mask) {
  return exchange("__shfl_xor_sync()", value,
                  [mask](const T(&values)[32], unsigned lane) { return values[lane ^ static_cast<unsigned>(mask)]; });
}
inline uint32_t __reduce_max_sync(uint32_t, uint32_t value) {
  return exchange("__reduce_max_sync()", value,
                  [](const uint32_t(&values)[32], unsigned) { return *std::max_element(values, values + 32); });
}
inline int __any_sync(uint32_t, int value) {
  return exchange("__any_sync()", value, [](const int(&values)[32], unsigned) {
    return static_cast<int>(std::any_of(values, values + 32, [](int one) { return one != 0; }));
  });
}

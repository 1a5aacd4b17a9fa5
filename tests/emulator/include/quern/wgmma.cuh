#pragma once

#include <quern/types.h>

namespace quern {

inline void wgmma_fence() {}
inline void wgmma_commit() { emulator::wgmma_commit(); }
template <int kPending>
void wgmma_wait() {
  emulator::wgmma_wait(kPending);
}
template <int kCount>
void wgmma_hold(float (&)[kCount]) {}

constexpr uint64_t kWgmmaStepK16 = 32 >> 4;
inline uint64_t wgmma_descriptor_128b(uint32_t shared) {
  return static_cast<uint64_t>((shared & 0x3ffffu) >> 4) | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}

template <uint32_t kDtype, int kTokens>
struct Wgmma {
  static void multiply(float (&sums)[kTokens / 2], const uint32_t (&a)[4], uint64_t tokens, uint32_t accumulate) {
    emulator::wgmma({tokens, accumulate != 0, kTokens, kDtype}, sums, a);
  }
};

}  // namespace quern

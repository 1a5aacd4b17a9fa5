#pragma once

#include <quern/wgmma_descriptor.cuh>

namespace quern {

inline void wgmma_fence() {}
inline void wgmma_commit() { emulator::wgmma_commit(); }
template <int kPending>
void wgmma_wait() {
  emulator::wgmma_wait(kPending);
}
template <int kCount>
void wgmma_hold(float (&)[kCount]) {}

template <uint32_t kDtype, int kTokens>
struct Wgmma {
  static void multiply(float (&sums)[kTokens / 2], const uint32_t (&a)[4], uint64_t tokens, uint32_t accumulate) {
    emulator::wgmma({tokens, accumulate != 0, kTokens, kDtype}, sums, a);
  }
};

}  // namespace quern

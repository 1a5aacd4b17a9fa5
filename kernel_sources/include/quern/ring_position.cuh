// Where a ring of stages in shared memory stands, and the parity of the phase that its barriers are in (mbarrier.cuh).
#pragma once

#include <quern/types.h>

namespace quern {

template <int kSlots>
struct RingPosition {
  uint32_t slot = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance() {
    if (++slot == kSlots) {
      slot = 0;
      parity ^= 1u;
    }
  }
};

}  // namespace quern

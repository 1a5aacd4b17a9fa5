// Barriers of some warps of a CTA (PTX ISA, "barrier"). A CTA has 16, of which 0 is that of __syncthreads(). kThreads
// counts all that arrive or wait, and is a multiple of 32.
#pragma once

#include <quern/types.h>

namespace quern {

template <int kBarrier, int kThreads>
__device__ __forceinline__ void named_barrier_sync() {
  asm volatile("barrier.sync %0, %1;" ::"n"(kBarrier), "n"(kThreads) : "memory");
}

// The same where the lanes of each warp come together.
template <int kBarrier, int kThreads>
__device__ __forceinline__ void named_barrier_sync_aligned() {
  asm volatile("bar.sync %0, %1;" ::"n"(kBarrier), "n"(kThreads) : "memory");
}

// Without waiting: those that sync see what was written before.
template <int kBarrier, int kThreads>
__device__ __forceinline__ void named_barrier_arrive() {
  asm volatile("barrier.arrive %0, %1;" ::"n"(kBarrier), "n"(kThreads) : "memory");
}

}  // namespace quern

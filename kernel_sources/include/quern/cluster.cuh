// Thread block clusters (sm_90): the barrier of all threads of a cluster, and the shared memory of its CTAs (PTX ISA,
// "barrier.cluster", "mapa").
#pragma once

#include <quern/types.h>

namespace quern {

__device__ __forceinline__ uint32_t cluster_rank() {
  uint32_t rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// The barrier of all threads of a cluster, without an order of memory: for barriers in shared memory that
// mbarrier_init_fence() has published. To order memory a thread waits for all that it has under way, about 600 clocks.
__device__ __forceinline__ void cluster_arrive_relaxed() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
}
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

// Of what is at `address` of this CTA's shared memory, in the CTA `rank`.
__device__ __forceinline__ uint32_t cluster_address(uint32_t address, uint32_t rank) {
  uint32_t mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(rank));
  return mapped;
}

// An arrival at the barrier of another CTA, at its cluster_address(). Orders what this thread has read before.
__device__ __forceinline__ void mbarrier_arrive_cluster(uint32_t barrier) {
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Sends four values to `address`; their arrival counts as 16 bytes at `barrier`, and who has waited there can read
// them. Both are cluster_address()es of the same CTA.
__device__ __forceinline__ void send_cluster_f32x4(uint32_t address, float4 value, uint32_t barrier) {
  asm volatile(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, [%5];" ::"r"(address),
      "f"(value.x), "f"(value.y), "f"(value.z), "f"(value.w), "r"(barrier)
      : "memory");
}

}  // namespace quern

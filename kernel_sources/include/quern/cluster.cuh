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

// What a thread wrote before it arrives, to any shared memory of the cluster, those that have waited can read.
__device__ __forceinline__ void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

// To what is at `address` of this CTA's shared memory, in the CTA `rank`.
__device__ __forceinline__ void store_cluster(uint32_t address, uint32_t rank, float value) {
  asm volatile(
      "{\n.reg .b32 remote;\n"
      "mapa.shared::cluster.u32 remote, %0, %1;\n"
      "st.shared::cluster.f32 [remote], %2;\n}" ::"r"(address),
      "r"(rank), "f"(value)
      : "memory");
}

// Of what is at `address` of this CTA's shared memory, in the CTA `rank`: an address for load_cluster_f32x4().
__device__ __forceinline__ uint32_t cluster_address(uint32_t address, uint32_t rank) {
  uint32_t mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(rank));
  return mapped;
}

__device__ __forceinline__ float4 load_cluster_f32x4(uint32_t address) {
  float4 value;
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(value.x), "=f"(value.y), "=f"(value.z), "=f"(value.w)
               : "r"(address)
               : "memory");
  return value;
}

}  // namespace quern

// The copy engine of sm_90 (PTX ISA, "cp.async.bulk"): whole ranges, and boxes of a tensor map, from global to this
// CTA's shared memory, complete when an mbarrier has counted their bytes; and programmatic dependent launch.
#pragma once

#include <quern/gemm_params.h>

namespace quern {

// 16-byte aligned, `bytes` a multiple of 16.
__device__ __forceinline__ void bulk_copy(uint32_t destination, const void *source, uint32_t bytes, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(destination),
      "l"(source), "r"(bytes), "r"(barrier)
      : "memory");
}

// For what is read once: the rest stays in L2.
__device__ __forceinline__ uint64_t policy_evict_first() {
  uint64_t policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

// The same under a policy.
__device__ __forceinline__ void bulk_copy(uint32_t destination, const void *source, uint32_t bytes, uint32_t barrier,
                                          uint64_t policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::
          "r"(destination),
      "l"(source), "r"(bytes), "r"(barrier), "l"(policy)
      : "memory");
}

// The box of a 2-D tensor map at element `column` of the inner dimension and `row` of the outer one. What lies outside
// the tensor arrives as zeros and is counted. The destination is 128-byte aligned, 1024 if the map swizzles.
__device__ __forceinline__ void tensor_copy(uint32_t destination, const TensorMap &map, int32_t column, int32_t row,
                                            uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
          destination),
      "l"(&map), "r"(column), "r"(row), "r"(barrier)
      : "memory");
}

// From this CTA's shared memory to global memory, 16-byte aligned, `bytes` a multiple of 16. For what ordinary stores
// wrote there fence_proxy_shared() comes before.
__device__ __forceinline__ void bulk_store(void *destination, uint32_t source, uint32_t bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(destination), "r"(source), "r"(bytes)
               : "memory");
}

// Until this thread's stores have read shared memory.
__device__ __forceinline__ void bulk_stores_read() {
  asm volatile("cp.async.bulk.commit_group; cp.async.bulk.wait_group.read 0;" ::: "memory");
}

// Until all of them, read before, have written.
__device__ __forceinline__ void bulk_stores_wait() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

// Bulk stores that follow see what ordinary stores wrote to shared memory before.
__device__ __forceinline__ void fence_proxy_shared() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Copies that follow see what ordinary stores wrote to global memory before.
__device__ __forceinline__ void fence_proxy_global() { asm volatile("fence.proxy.async.global;" ::: "memory"); }

__device__ __forceinline__ void tensor_map_prefetch(const TensorMap &map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

// What an earlier kernel of the stream wrote may be read, and what it read be overwritten, only after this. Both do
// nothing in a kernel that was launched without the attribute.
__device__ __forceinline__ void wait_for_earlier_kernels() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
__device__ __forceinline__ void let_later_kernels_start() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

}  // namespace quern

// Sums over K of which the CTAs of a cluster have parts: each CTA finishes a share of them (sm_90).
//
// They go from registers to memory that the other CTA keeps for nothing else, and count at a barrier there: nobody
// waits before it sends, nor in the end until others have read. A release over the cluster, which that would need,
// waits for all that a thread has under way, 600 clocks each time; and bulk copies from shared memory take 500 longer.
#pragma once

#include <quern/cluster.cuh>
#include <quern/mbarrier.cuh>
#include <quern/shared_memory.cuh>

namespace quern {

__device__ __forceinline__ void add_to(float4 &sum, const float4 &other) {
  sum.x += other.x;
  sum.y += other.y;
  sum.z += other.z;
  sum.w += other.w;
}

// Of kThreads threads with kSums sums each, the same elements for the same thread of all CTAs.
template <int kCtas, int kThreads, int kSums>
struct ClusterSums {
  static constexpr int kFours = kSums / (4 * kCtas);  // that a thread finishes
  static constexpr int kShare = 4 * kFours;
  static constexpr int kPartBytes = kFours * kThreads * 16;  // from one CTA to one other
  static constexpr int kBytes = (kCtas - 1) * kPartBytes;
  static_assert(kSums % (4 * kCtas) == 0, "shares are fours");

  uint32_t memory;   // kBytes, in all CTAs at the same place
  uint32_t barrier;  // 8 bytes

  // By one thread, before mbarrier_init_fence() and cluster_arrive_relaxed(): so many threads of each other CTA will
  // send.
  __device__ __forceinline__ void expect(int threads) const {
    mbarrier_init(barrier, 1);
    mbarrier_arrive_expect(barrier, static_cast<uint32_t>((kCtas - 1) * kFours * 16 * threads));
  }

  // The first kShare sums become those over all K of this CTA's share, which are sums[rank * kShare] and on; all are
  // added in the order of the ranks. After cluster_wait(). Only the first `shares` CTAs have anything to finish.
  __device__ __forceinline__ void share(float (&sums)[kSums], int rank, int shares, int thread) const {
    const auto four = [&](int first) {
      return make_float4(sums[first], sums[first + 1], sums[first + 2], sums[first + 3]);
    };
    // Where CTA `to` keeps what comes from CTA `from`.
    const auto place = [&](int from, int to, int i) {
      return memory + static_cast<uint32_t>((from < to ? from : from - 1) * kPartBytes + (i * kThreads + thread) * 16);
    };
    // The own share becomes the first; where it was stands what was the first.
#pragma unroll
    for (int r = 1; r < kCtas; ++r) {
      if (rank != r) continue;
#pragma unroll
      for (int i = 0; i < kShare; ++i) {
        const float first = sums[i];
        sums[i] = sums[r * kShare + i];
        sums[r * kShare + i] = first;
      }
    }
#pragma unroll
    for (int r = 1; r < kCtas; ++r) {
      const int to = r == rank ? 0 : r;
      if (to >= shares) continue;
      const uint32_t there = cluster_address(barrier, to), at = cluster_address(place(rank, to, 0), to);
#pragma unroll
      for (int i = 0; i < kFours; ++i) send_cluster_f32x4(at + i * kThreads * 16, four(r * kShare + 4 * i), there);
    }
    if (rank >= shares) return;
    mbarrier_wait(barrier, 0);
#pragma unroll
    for (int i = 0; i < kFours; ++i) {
      const auto part = [&](int from) { return from == rank ? four(4 * i) : load_shared_f32x4(place(from, rank, i)); };
      float4 sum = part(0);
#pragma unroll
      for (int from = 1; from < kCtas; ++from) add_to(sum, part(from));
      sums[4 * i] = sum.x, sums[4 * i + 1] = sum.y, sums[4 * i + 2] = sum.z, sums[4 * i + 3] = sum.w;
    }
  }
};

}  // namespace quern

// The emulator notices what kernels must not do.
#include <gtest/gtest.h>

#include <stdexcept>

#include "emulator/cuda.hpp"

#include <quern/cluster.cuh>
#include <quern/mbarrier.cuh>
#include <quern/named_barrier.cuh>
#include <quern/shared_memory.cuh>
#include <quern/wgmma.cuh>

extern uint8_t memory[];

namespace {

using namespace quern;

// By one seed or another: some faults show only when things come late.
void expect_fault(const std::string &says, unsigned block, unsigned cluster, const std::function<void()> &kernel) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    try {
      emulator::run({cluster, block, cluster, 4096, kernel}, seed);
    } catch (const std::runtime_error &error) {
      EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
      return;
    }
  }
  ADD_FAILURE() << "nothing was noticed; expected: " << says;
}

void run(unsigned block, unsigned cluster, const std::function<void()> &kernel) {
  for (uint64_t seed = 0; seed < 20; ++seed) emulator::run({cluster, block, cluster, 4096, kernel}, seed);
}

uint32_t at(uint32_t offset) { return shared_address(memory + offset); }

TEST(Emulator, WhoWaitsForNobodyIsNamed) {
  expect_fault("32 threads of CTA 0, warp 1: an mbarrier", 64, 1, [] {
    if (threadIdx.x == 0) mbarrier_init(at(0), 1);
    __syncthreads();
    if (threadIdx.x / 32 == 1) mbarrier_wait(at(0), 0);
  });
  expect_fault("a barrier of threads", 64, 1, [] {
    if (threadIdx.x < 32) named_barrier_sync<1, 64>();
  });
  expect_fault("the cluster", 32, 2, [] {
    if (blockIdx.x == 0) cluster_arrive_relaxed(), cluster_wait();
    if (blockIdx.x == 1) named_barrier_sync<1, 64>();
  });
}

TEST(Emulator, AnMbarrierCountsArrivalsAndBytes) {
  run(64, 1, [] {
    if (threadIdx.x == 0) mbarrier_init(at(0), 2);
    __syncthreads();
    for (uint32_t phase = 0; phase < 4; ++phase) {
      if (threadIdx.x == 1) mbarrier_arrive_expect(at(0), 16);
      if (threadIdx.x == 2) {
        const uint8_t bytes[16] = {static_cast<uint8_t>(phase + 1)};
        emulator::copy_later(at(64), {bytes, bytes + 16}, at(0));
        mbarrier_arrive(at(0));
      }
      mbarrier_wait(at(0), phase % 2);
      EXPECT_EQ(load_shared_4(at(64)), phase + 1);
      __syncthreads();
    }
  });
  expect_fault("more arrive at an mbarrier", 32, 1, [] {
    if (threadIdx.x != 0) return;
    mbarrier_init(at(0), 1);
    mbarrier_arrive_expect(at(0), 16);
    mbarrier_arrive(at(0));
  });
}

TEST(Emulator, SharedMemoryHasItsEndAndAlignment) {
  expect_fault("outside of the CTA's 4096 bytes", 32, 1, [] { load_shared_16(at(4088 + 8)); });
  expect_fault("not aligned to 16", 32, 1, [] { load_shared_16(at(8)); });
}

TEST(Emulator, LanesOfAWarpMeetAtOnePlace) {
  expect_fault("wait at", 32, 1, [] {
    if (threadIdx.x < 16) {
      __syncwarp();
    } else {
      __shfl_sync(0xffffffffu, 1, 0);
    }
  });
  run(64, 1, [] {
    if (threadIdx.x % 32 == 7) return;  // who has ended is not waited for
    __syncwarp();
    EXPECT_EQ(__shfl_xor_sync(0xffffffffu, static_cast<int>(threadIdx.x % 32), 1) == 7, false);
  });
}

TEST(Emulator, NothingIsSentToWhoHasEnded) {
  expect_fault("that has ended", 32, 2, [] {
    if (threadIdx.x == 0) mbarrier_init(at(0), 1);
    cluster_arrive_relaxed();
    cluster_wait();
    if (cluster_rank() == 0) return;
    if (threadIdx.x == 0) {
      for (int i = 0; i < 1000; ++i) __syncwarp(), named_barrier_arrive<1, 1>();
      send_cluster_f32x4(cluster_address(at(64), 0), {}, cluster_address(at(0), 0));
    } else {
      for (int i = 0; i < 1000; ++i) __syncwarp();
    }
  });
}

// A tile of ones in shared memory, and wgmma of ones: every sum is 16 a step.
template <typename Between>
void multiply_ones(Between between) {
  auto *ones = reinterpret_cast<uint16_t *>(memory + 1024);
  for (unsigned i = threadIdx.x; i < 8 * 64; i += 128) ones[i] = 0x3f80;
  __syncthreads();
  float sums[4] = {1, 2, 3, 4};
  uint32_t a[4] = {0x3f803f80u, 0x3f803f80u, 0x3f803f80u, 0x3f803f80u};
  wgmma_fence();
  Wgmma<kBf16, 8>::multiply(sums, a, wgmma_descriptor_128b(at(1024)), 1);
  Wgmma<kBf16, 8>::multiply(sums, a, wgmma_descriptor_128b(at(1024)) + kWgmmaStepK16, 1);
  wgmma_commit();
  between(sums, a);
  wgmma_wait<0>();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(sums[i], 33.0f + static_cast<float>(i));
}

TEST(Emulator, WgmmaEndWhenTheyAreWaitedFor) {
  run(128, 1, [] { multiply_ones([](float(&sums)[4], uint32_t(&)[4]) { EXPECT_TRUE(std::isnan(sums[0])); }); });
  expect_fault("a sum changed", 128, 1, [] { multiply_ones([](float(&sums)[4], uint32_t(&)[4]) { sums[2] = 0; }); });
  expect_fault("a fragment changed", 128, 1, [] { multiply_ones([](float(&)[4], uint32_t(&a)[4]) { a[1] = 0; }); });
}

}  // namespace

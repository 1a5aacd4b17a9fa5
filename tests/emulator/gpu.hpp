// One cluster of an sm_90a GPU, as far as Quern's kernels use it, for kernels that are compiled as C++ (cuda.hpp):
// every thread is a fiber, and what is asynchronous on the GPU happens as late or as early as the seed of a run has it.
//
// What it finds: wrong results, deadlocks, lanes of a warp that do not meet, accesses outside of shared memory, sums
// and fragments touched while wgmma are under way, CTAs that are sent something after they have ended. Not what only
// hardware shows: memory ordering between threads, registers, time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace emulator {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

struct Launch {
  unsigned grid, block, cluster;  // of x; y and z are 1
  size_t shared_bytes;
  std::function<void()> kernel;  // what each thread does
};

// Throws std::runtime_error if a cluster cannot finish or does what it may not.
void run(const Launch &launch, uint64_t seed);

// For the running thread.
const Index &thread_index();
const Index &block_index();
const Index &grid_size();
[[noreturn]] void fault(const std::string &what);
void wait_until(std::function<bool()> ready, const char *what);

// Of shared memory at a 32-bit address, of this CTA or by cluster_address() of another; checked.
uint8_t *shared(uint32_t address, size_t bytes, size_t alignment);
uint32_t shared_address(const void *pointer);
uint32_t cluster_rank();
uint32_t cluster_address(uint32_t address, uint32_t rank);
void cluster_arrive();
void cluster_wait();

// All lanes of a warp that have not ended meet; the last one to come does `together` with what each brought, by lane
// (null: it has ended). `what` must be the same for all.
using Brought = void *const (&)[32];
void meet(const char *what, void *brought, const std::function<void(Brought)> &together);

// Barriers of `threads` threads; 0 is of all of the CTA that have not ended.
void barrier_arrive(int barrier, int threads);
void barrier_sync(int barrier, int threads);

void mbarrier_init(uint32_t barrier, uint32_t arrivals);
void mbarrier_arrive(uint32_t barrier);  // also another CTA's
void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes);
void mbarrier_wait(uint32_t barrier, uint32_t parity);

// Some time later the bytes come to shared memory, and count at the barrier. Swizzled: as a tensor map with 128-byte
// swizzle writes them.
void copy_later(uint32_t destination, std::vector<uint8_t> bytes, uint32_t barrier, bool swizzled = false);

// What a thread started itself: cp.async in groups, and bulk stores.
void thread_copy(uint32_t destination, std::vector<uint8_t> bytes);
void thread_copies_commit();
void thread_copies_wait(size_t pending);
void thread_copies_then_arrive(uint32_t barrier);
void thread_store(void *destination, uint32_t source, uint32_t bytes);
void thread_stores_wait();

struct Wgmma {
  uint64_t descriptor;  // of B
  bool accumulate;
  int tokens;
  uint32_t dtype;
};
void wgmma(const Wgmma &operation, float *sums, const uint32_t *fragment);
void wgmma_commit();
void wgmma_wait(size_t pending);

}  // namespace emulator

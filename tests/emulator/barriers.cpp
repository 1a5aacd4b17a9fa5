// Where threads wait for each other: lanes for their warp, barriers of a CTA and of the cluster, and mbarriers.
#include <algorithm>
#include <cstring>

#include "emulator/gpu_state.hpp"

namespace emulator {
namespace {

void finish_meeting(Warp &warp) {
  warp.together(warp.brought);
  warp.arrived = 0;
  std::fill(std::begin(warp.brought), std::end(warp.brought), nullptr);
  ++warp.meetings;
}

// Barriers that count the threads that are left.
void complete_cta_barrier(Cta &cta) {
  NamedBarrier &barrier = cta.barriers[0];
  if (barrier.arrived == 0 || barrier.arrived < cta.live) return;
  barrier.arrived = 0;
  ++barrier.generation;
}

void complete_cluster_barrier() {
  bool any = false;
  for (const Cta &cta : cluster->ctas) {
    for (const auto &thread : cta.threads) {
      if (thread->ended) continue;
      if (!thread->arrived_at_cluster) return;
      any = true;
    }
  }
  if (!any) return;
  for (const Cta &cta : cluster->ctas) {
    for (const auto &thread : cta.threads) thread->arrived_at_cluster = false;
  }
  ++cluster->phase;
}

}  // namespace

void leave_barriers(Cta &cta, Warp &warp) {
  if (warp.arrived > 0 && warp.arrived == warp.live) finish_meeting(warp);
  complete_cta_barrier(cta);
  complete_cluster_barrier();
}

void meet(const char *what, void *brought, const std::function<void(Brought)> &together) {
  Warp &warp = cluster->warp();
  if (warp.arrived > 0 && std::strcmp(warp.what, what) != 0) {
    fault(std::string("comes to ") + what + " while others of its warp wait at " + warp.what);
  }
  warp.what = what;
  warp.together = together;
  warp.brought[cluster->lane()] = brought;
  if (++warp.arrived == warp.live) {
    finish_meeting(warp);
    return;
  }
  const uint64_t meeting = warp.meetings;
  wait_until([&warp, meeting] { return warp.meetings != meeting; }, what);
}

void barrier_arrive(int barrier, int threads) {
  Cta &cta = cluster->cta();
  NamedBarrier &state = cta.barriers[barrier];
  if (barrier == 0) {
    ++state.arrived;
    complete_cta_barrier(cta);
    return;
  }
  if (state.arrived > 0 && state.expected != threads) fault("a barrier is of two numbers of threads");
  state.expected = threads;
  if (++state.arrived == threads) {
    state.arrived = 0;
    ++state.generation;
  }
}

void barrier_sync(int barrier, int threads) {
  const NamedBarrier &state = cluster->cta().barriers[barrier];
  const uint64_t generation = state.generation;
  barrier_arrive(barrier, threads);
  wait_until([&state, generation] { return state.generation != generation; }, "a barrier of threads");
}

void cluster_arrive() {
  Thread &thread = *cluster->running;
  if (thread.arrived_at_cluster) fault("arrives at the cluster's barrier twice");
  thread.arrived_at_cluster = true;
  thread.cluster_phase = cluster->phase;
  complete_cluster_barrier();
}

void cluster_wait() {
  const uint64_t phase = cluster->running->cluster_phase;
  wait_until([phase] { return cluster->phase != phase; }, "the cluster");
}

namespace {

Mbarrier &mbarrier_of(int cta, uint32_t offset) {
  auto &barriers = cluster->ctas[static_cast<size_t>(cta)].mbarriers;
  const auto found = barriers.find(offset);
  if (found == barriers.end()) fault("no mbarrier was made at " + std::to_string(offset));
  return found->second;
}

void complete(Mbarrier &barrier) {
  if (barrier.pending != 0 || barrier.bytes != 0) return;
  barrier.pending = barrier.arrivals;
  ++barrier.phase;
}

void arrive(Mbarrier &barrier) {
  if (barrier.pending == 0) fault("more arrive at an mbarrier than it counts");
  --barrier.pending;
  complete(barrier);
}

}  // namespace

void mbarrier_init(uint32_t barrier, uint32_t arrivals) {
  shared(barrier, 8, 8);
  cluster->cta().mbarriers[offset_of(barrier)] = {arrivals, arrivals};
}

void mbarrier_arrive(uint32_t barrier) {
  must_live(cta_of(barrier));
  arrive(mbarrier_of(cta_of(barrier), offset_of(barrier)));
}

void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes) {
  Mbarrier &state = mbarrier_of(cta_of(barrier), offset_of(barrier));
  state.bytes += bytes;
  arrive(state);
}

void mbarrier_wait(uint32_t barrier, uint32_t parity) {
  const Mbarrier &state = mbarrier_of(cta_of(barrier), offset_of(barrier));
  if (parity > 1) fault("an mbarrier's parity is 0 or 1");
  if (state.phase % 2 != parity) return;
  wait_until([&state, parity] { return state.phase % 2 != parity; }, "an mbarrier");
}

void arrive_at(int cta, uint32_t offset) { arrive(mbarrier_of(cta, offset)); }

void bytes_came(int cta, uint32_t offset, size_t bytes) {
  Mbarrier &state = mbarrier_of(cta, offset);
  state.bytes -= static_cast<int64_t>(bytes);
  complete(state);
}

}  // namespace emulator

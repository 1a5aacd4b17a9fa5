#pragma once

namespace quern {

template <int kBarrier, int kThreads>
void named_barrier_sync() {
  emulator::barrier_sync(kBarrier, kThreads);
}
template <int kBarrier, int kThreads>
void named_barrier_sync_aligned() {
  __syncwarp();
  emulator::barrier_sync(kBarrier, kThreads);
}
template <int kBarrier, int kThreads>
void named_barrier_arrive() {
  emulator::barrier_arrive(kBarrier, kThreads);
}

}  // namespace quern

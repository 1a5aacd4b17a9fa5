#pragma once

#include <quern/ring_position.cuh>

namespace quern {

inline void mbarrier_init(uint32_t barrier, uint32_t arrivals) { emulator::mbarrier_init(barrier, arrivals); }
inline void mbarrier_init_fence() {}
inline void mbarrier_arrive(uint32_t barrier) { emulator::mbarrier_arrive(barrier); }
inline void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes) {
  emulator::mbarrier_arrive_expect(barrier, bytes);
}
inline void mbarrier_arrive_after_copies(uint32_t barrier) { emulator::thread_copies_then_arrive(barrier); }
inline void mbarrier_wait(uint32_t barrier, uint32_t parity) { emulator::mbarrier_wait(barrier, parity); }

}  // namespace quern

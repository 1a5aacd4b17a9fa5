#pragma once

#include <quern/types.h>

namespace quern {

inline uint32_t cluster_rank() { return emulator::cluster_rank(); }
inline void cluster_arrive_relaxed() { emulator::cluster_arrive(); }
inline void cluster_wait() { emulator::cluster_wait(); }
inline uint32_t cluster_address(uint32_t address, uint32_t rank) { return emulator::cluster_address(address, rank); }
inline void mbarrier_arrive_cluster(uint32_t barrier) { emulator::mbarrier_arrive(barrier); }
inline void send_cluster_f32x4(uint32_t address, float4 value, uint32_t barrier) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(&value);
  emulator::copy_later(address, {bytes, bytes + 16}, barrier);
}

}  // namespace quern

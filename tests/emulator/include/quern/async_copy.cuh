#pragma once

#include <quern/gemm_params.h>

namespace quern {

inline void bulk_copy(uint32_t destination, const void *source, uint32_t bytes, uint32_t barrier, uint64_t = 0) {
  if (reinterpret_cast<uintptr_t>(source) % 16 != 0 || bytes % 16 != 0) emulator::fault("a bulk copy is not aligned");
  const auto *from = static_cast<const uint8_t *>(source);
  emulator::copy_later(destination, {from, from + bytes}, barrier);
}
inline uint64_t policy_evict_first() { return 0; }

inline void bulk_store(void *destination, uint32_t source, uint32_t bytes) {
  if (reinterpret_cast<uintptr_t>(destination) % 16 != 0 || bytes % 16 != 0) {
    emulator::fault("a bulk store is not aligned");
  }
  emulator::thread_store(destination, source, bytes);
}
inline void bulk_stores_read() { emulator::thread_stores_wait(); }
inline void bulk_stores_wait() {}
inline void fence_proxy_shared() {}
inline void fence_proxy_global() {}

// What a tensor map's words are here.
enum TensorMapWord {
  kMapAddress,
  kMapColumns,
  kMapRows,
  kMapStride,  // bytes
  kMapBoxColumns,
  kMapBoxRows,
  kMapElementBytes,
  kMapSwizzle
};

inline void tensor_copy(uint32_t destination, const TensorMap &map, int32_t column, int32_t row, uint32_t barrier) {
  const uint64_t *words = map.words;
  const auto element = static_cast<size_t>(words[kMapElementBytes]);
  std::vector<uint8_t> bytes(words[kMapBoxColumns] * words[kMapBoxRows] * element, 0);
  uint8_t *to = bytes.data();
  for (int64_t r = row; r < row + static_cast<int64_t>(words[kMapBoxRows]); ++r) {
    for (int64_t c = column; c < column + static_cast<int64_t>(words[kMapBoxColumns]); ++c, to += element) {
      if (r < 0 || c < 0 || r >= static_cast<int64_t>(words[kMapRows]) ||
          c >= static_cast<int64_t>(words[kMapColumns])) {
        continue;
      }
      std::memcpy(to,
                  reinterpret_cast<const uint8_t *>(words[kMapAddress]) + r * static_cast<int64_t>(words[kMapStride]) +
                      c * static_cast<int64_t>(element),
                  element);
    }
  }
  emulator::copy_later(destination, std::move(bytes), barrier, words[kMapSwizzle] == 128);
}
inline void tensor_map_prefetch(const TensorMap &) {}
inline void wait_for_earlier_kernels() {}
inline void let_later_kernels_start() {}

}  // namespace quern

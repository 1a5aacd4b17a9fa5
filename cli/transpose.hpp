// Matrices turned on their diagonal, in pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace quern::cli {

// dst[k, first + r] = src[r, k] for r < rows; dst has `dst_rows` elements in a row. Tiles of 64 by 64, so that both
// sides stay in the first-level cache.
template <typename Element>
void transpose_rows(const Element *src, int64_t rows, int64_t k, Element *dst, int64_t first, int64_t dst_rows) {
  constexpr int64_t kTile = 64;
  for (int64_t k0 = 0; k0 < k; k0 += kTile) {
    const int64_t k1 = std::min(k, k0 + kTile);
    for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
      const int64_t r1 = std::min(rows, r0 + kTile);
      for (int64_t j = k0; j < k1; ++j) {
        for (int64_t r = r0; r < r1; ++r) dst[j * dst_rows + first + r] = src[r * k + j];
      }
    }
  }
}

inline void transpose_rows(const std::byte *src, int64_t element_bytes, int64_t rows, int64_t k, std::byte *dst,
                           int64_t first, int64_t dst_rows) {
  if (element_bytes == 2) {
    transpose_rows(reinterpret_cast<const uint16_t *>(src), rows, k, reinterpret_cast<uint16_t *>(dst), first,
                   dst_rows);
  } else {
    transpose_rows(reinterpret_cast<const uint32_t *>(src), rows, k, reinterpret_cast<uint32_t *>(dst), first,
                   dst_rows);
  }
}

}  // namespace quern::cli

// mma.sync m16n8k16 with f32 accumulation (sm_80 and up). Lane L = 4g + t holds, by the PTX ISA:
//   a[0] row g, a[1] row g+8, columns 2t and 2t+1; a[2] row g, a[3] row g+8, columns 2t+8 and 2t+9
//   b[0] rows 2t and 2t+1, b[1] rows 2t+8 and 2t+9, column g
//   c[0], c[1] row g, c[2], c[3] row g+8, columns 2t and 2t+1
#pragma once

#include <quern/types.h>

namespace quern {

template <uint32_t kDtype>
__device__ __forceinline__ void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  static_assert(kDtype == kF16 || kDtype == kBf16, "no such mma");
  if constexpr (kDtype == kBf16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

}  // namespace quern

// wgmma.mma_async m64nNk16, or m64nNk32 of E5M2 and E4M3, with A from registers and B from shared memory, f32
// accumulation (sm_90a; PTX ISA, "Asynchronous warpgroup level matrix instructions"). In quern the weights are A and
// the tokens are B.
//
// Lane L = 4 g + t of warp w of the warpgroup holds of A the rows 16 w + g and 16 w + g + 8, as in m16n8k16
// (mma_sync.cuh) or m16n8k32, and of the sums, for every eight tokens j:
//   sums[4 j], sums[4 j + 1]       row 16 w + g,      tokens 8 j + 2 t and 8 j + 2 t + 1
//   sums[4 j + 2], sums[4 j + 3]   row 16 w + g + 8,  the same tokens
//
// What keeps ptxas from running the instructions one after another (warnings C7510 to C7518): registers of A are named
// at compile time, are written only when at most newer groups are under way, and sums are touched only after
// wgmma_wait<0> and wgmma_hold.
#pragma once

#include <quern/wgmma_descriptor.cuh>

namespace quern {

// Orders this warpgroup's register writes before the wgmma that follow.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Wait until at most kPending of the newest groups are under way.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// Keeps the compiler from moving uses of the registers across this place.
template <int kCount>
__device__ __forceinline__ void wgmma_hold(float (&sums)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(sums[i])::"memory");
}

// sums = A * B, plus sums if `accumulate`. kDtype is that of the tokens; with E4M3 A is E5M2. Only the N that are
// listed below exist.
template <uint32_t kDtype, int kTokens>
struct Wgmma;

// The operands by number: sums first, then a[0] to a[3], the descriptor, and the flag.
#define QUERN_WGMMA_TEXT_8 "%0, %1, %2, %3"
#define QUERN_WGMMA_TEXT_16 QUERN_WGMMA_TEXT_8 ", %4, %5, %6, %7"
#define QUERN_WGMMA_TEXT_24 QUERN_WGMMA_TEXT_16 ", %8, %9, %10, %11"
#define QUERN_WGMMA_TEXT_32 QUERN_WGMMA_TEXT_24 ", %12, %13, %14, %15"
#define QUERN_WGMMA_TEXT_48 QUERN_WGMMA_TEXT_32 ", %16, %17, %18, %19, %20, %21, %22, %23"
#define QUERN_WGMMA_TEXT_64 QUERN_WGMMA_TEXT_48 ", %24, %25, %26, %27, %28, %29, %30, %31"
#define QUERN_WGMMA_TEXT_80 QUERN_WGMMA_TEXT_64 ", %32, %33, %34, %35, %36, %37, %38, %39"
#define QUERN_WGMMA_TEXT_96 QUERN_WGMMA_TEXT_80 ", %40, %41, %42, %43, %44, %45, %46, %47"
#define QUERN_WGMMA_TEXT_128 \
  QUERN_WGMMA_TEXT_96 ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define QUERN_WGMMA_TEXT_160 \
  QUERN_WGMMA_TEXT_128 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define QUERN_WGMMA_TEXT_176 QUERN_WGMMA_TEXT_160 ", %80, %81, %82, %83, %84, %85, %86, %87"
#define QUERN_WGMMA_TEXT_192 QUERN_WGMMA_TEXT_176 ", %88, %89, %90, %91, %92, %93, %94, %95"
#define QUERN_WGMMA_TEXT_208 QUERN_WGMMA_TEXT_192 ", %96, %97, %98, %99, %100, %101, %102, %103"
#define QUERN_WGMMA_TEXT_256                                                                 \
  QUERN_WGMMA_TEXT_192                                                                       \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, " \
  "%111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

#define QUERN_WGMMA_4(i) "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3])
#define QUERN_WGMMA_8(i) QUERN_WGMMA_4(i), QUERN_WGMMA_4(i + 4)
#define QUERN_WGMMA_16(i) QUERN_WGMMA_8(i), QUERN_WGMMA_8(i + 8)
#define QUERN_WGMMA_SUMS_8 QUERN_WGMMA_4(0)
#define QUERN_WGMMA_SUMS_16 QUERN_WGMMA_SUMS_8, QUERN_WGMMA_4(4)
#define QUERN_WGMMA_SUMS_24 QUERN_WGMMA_SUMS_16, QUERN_WGMMA_4(8)
#define QUERN_WGMMA_SUMS_32 QUERN_WGMMA_SUMS_24, QUERN_WGMMA_4(12)
#define QUERN_WGMMA_SUMS_48 QUERN_WGMMA_SUMS_32, QUERN_WGMMA_8(16)
#define QUERN_WGMMA_SUMS_64 QUERN_WGMMA_SUMS_48, QUERN_WGMMA_8(24)
#define QUERN_WGMMA_SUMS_80 QUERN_WGMMA_SUMS_64, QUERN_WGMMA_8(32)
#define QUERN_WGMMA_SUMS_96 QUERN_WGMMA_SUMS_80, QUERN_WGMMA_8(40)
#define QUERN_WGMMA_SUMS_128 QUERN_WGMMA_SUMS_96, QUERN_WGMMA_16(48)
#define QUERN_WGMMA_SUMS_160 QUERN_WGMMA_SUMS_128, QUERN_WGMMA_16(64)
#define QUERN_WGMMA_SUMS_176 QUERN_WGMMA_SUMS_160, QUERN_WGMMA_8(80)
#define QUERN_WGMMA_SUMS_192 QUERN_WGMMA_SUMS_160, QUERN_WGMMA_16(80)
#define QUERN_WGMMA_SUMS_208 QUERN_WGMMA_SUMS_192, QUERN_WGMMA_8(96)
#define QUERN_WGMMA_SUMS_256 QUERN_WGMMA_SUMS_192, QUERN_WGMMA_16(96), QUERN_WGMMA_16(112)

#define QUERN_WGMMA_ONE(dtype, type, n, a0, a1, a2, a3, b, flag, major)                                            \
  template <>                                                                                                      \
  struct Wgmma<dtype, n> {                                                                                         \
    static __device__ __forceinline__ void multiply(float (&sums)[n / 2], const uint32_t (&a)[4], uint64_t tokens, \
                                                    uint32_t accumulate) {                                         \
      asm volatile("{.reg .pred p; setp.ne.u32 p, " flag ", 0; wgmma.mma_async.sync.aligned.m64n" #n type          \
                   " {" QUERN_WGMMA_TEXT_##n "}, {" a0 ", " a1 ", " a2 ", " a3 "}, " b ", p, 1, 1" major ";}"      \
                   : QUERN_WGMMA_SUMS_##n                                                                          \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(tokens), "r"(accumulate));                    \
    }                                                                                                              \
  };
#define QUERN_WGMMA(n, a0, a1, a2, a3, b, flag)                                  \
  QUERN_WGMMA_ONE(kBf16, "k16.f32.bf16.bf16", n, a0, a1, a2, a3, b, flag, ", 0") \
  QUERN_WGMMA_ONE(kF16, "k16.f32.f16.f16", n, a0, a1, a2, a3, b, flag, ", 0")    \
  QUERN_WGMMA_ONE(kE4m3, "k32.f32.e5m2.e4m3", n, a0, a1, a2, a3, b, flag, "")

QUERN_WGMMA(8, "%4", "%5", "%6", "%7", "%8", "%9")
QUERN_WGMMA(16, "%8", "%9", "%10", "%11", "%12", "%13")
QUERN_WGMMA(24, "%12", "%13", "%14", "%15", "%16", "%17")
QUERN_WGMMA(32, "%16", "%17", "%18", "%19", "%20", "%21")
QUERN_WGMMA(48, "%24", "%25", "%26", "%27", "%28", "%29")
QUERN_WGMMA(64, "%32", "%33", "%34", "%35", "%36", "%37")
QUERN_WGMMA(80, "%40", "%41", "%42", "%43", "%44", "%45")
QUERN_WGMMA(96, "%48", "%49", "%50", "%51", "%52", "%53")
QUERN_WGMMA(128, "%64", "%65", "%66", "%67", "%68", "%69")
QUERN_WGMMA(160, "%80", "%81", "%82", "%83", "%84", "%85")
QUERN_WGMMA(176, "%88", "%89", "%90", "%91", "%92", "%93")
QUERN_WGMMA(192, "%96", "%97", "%98", "%99", "%100", "%101")
QUERN_WGMMA(208, "%104", "%105", "%106", "%107", "%108", "%109")
QUERN_WGMMA(256, "%128", "%129", "%130", "%131", "%132", "%133")

}  // namespace quern

#include "runtime/cpu/instruction_sets.hpp"

#include <atomic>

#include "runtime/cpu/highway_targets.hpp"
#include "runtime/cpu/kernels.hpp"

// The kernels as *_kernel.cpp define them, in Highway's namespace of each target.
#define QUERN_DECLARE_KERNELS(target)                                                                           \
  namespace target {                                                                                            \
  void dequantize_blocks(const DecodeTable &table, const uint8_t *blocks, const uint8_t *scales, int64_t count, \
                         void *dst, bool wide, bool stream);                                                    \
  void gemm_tile(const GemmParams &params, const GemmTile &tile);                                               \
  void quantize_row(const void *src, Dtype dtype, int64_t k, uint8_t *dst, float *scale);                       \
  }
#define QUERN_KERNELS(target) target::dequantize_blocks, target::gemm_tile, target::quantize_row

namespace quern::cpu {

QUERN_DECLARE_KERNELS(N_AVX3)
QUERN_DECLARE_KERNELS(N_AVX2)
QUERN_DECLARE_KERNELS(N_SSE4)
QUERN_DECLARE_KERNELS(N_NEON)
QUERN_DECLARE_KERNELS(N_SCALAR)
QUERN_DECLARE_KERNELS(N_EMU128)

namespace {

// Each tests for all that Highway lets the compiler use in that target (its HWY_TARGET_STR).
#if defined(__x86_64__) || defined(__i386__)
bool has_sse4() { return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.2"); }
bool has_avx2() {
  return has_sse4() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif
[[maybe_unused]] bool always() { return true; }

constexpr InstructionSet kCompiled[] = {
#if HWY_TARGETS & HWY_AVX3
    {"AVX-512", has_avx512, QUERN_KERNELS(N_AVX3)},
#endif
#if HWY_TARGETS & HWY_AVX2
    {"AVX2", has_avx2, QUERN_KERNELS(N_AVX2)},
#endif
#if HWY_TARGETS & HWY_SSE4
    {"SSE4", has_sse4, QUERN_KERNELS(N_SSE4)},
#endif
#if HWY_TARGETS & HWY_NEON
    {"NEON", always, QUERN_KERNELS(N_NEON)},
#endif
#if HWY_TARGETS & HWY_SCALAR
    {"scalar", always, QUERN_KERNELS(N_SCALAR)},
#endif
#if HWY_TARGETS & HWY_EMU128
    {"scalar", always, QUERN_KERNELS(N_EMU128)},
#endif
};

struct Available {
  const InstructionSet *sets[sizeof kCompiled / sizeof kCompiled[0]];
  int count = 0;
};

const Available &available() {
  static const Available found = [] {
    Available sets;
    for (const InstructionSet &set : kCompiled) {
      if (set.runs_here()) sets.sets[sets.count++] = &set;
    }
    // Built for a better processor than this one: there is no kernel that could run, nor any other code.
    if (sets.count == 0) sets.sets[sets.count++] = &kCompiled[sizeof kCompiled / sizeof kCompiled[0] - 1];
    return sets;
  }();
  return found;
}

std::atomic<const InstructionSet *> forced{nullptr};

}  // namespace

int instruction_set_count() { return available().count; }

const InstructionSet &instruction_set_at(int index) { return *available().sets[index]; }

const InstructionSet &current_instruction_set() {
  const InstructionSet *set = forced.load(std::memory_order_relaxed);
  return set ? *set : instruction_set_at(0);
}

void force_instruction_set(int index) { forced.store(&instruction_set_at(index), std::memory_order_relaxed); }

const char *instruction_set() { return current_instruction_set().name; }

}  // namespace quern::cpu

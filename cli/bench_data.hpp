// What benchmarks multiply: random, since zeros need less power than real weights and so run faster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <quern/quern.h>

namespace quern::cli {

struct RandomWeights {
  std::vector<std::byte> blocks;  // every nibble alike
  std::vector<std::byte> scales;  // 118 to 125: values of a layer's usual size
};
RandomWeights random_weights(int64_t rows, int64_t k);

// Normally distributed, mean 0 and deviation 1. Repeats itself after about a million elements.
// E4M3 is as many times larger as kE4m3BenchScale, a power of two, says, and ends at 448.
std::vector<std::byte> random_normal(int64_t count, quern_dtype dtype);
constexpr float kE4m3BenchScale = 1.0f / 128;

// E4M3 times that scale in f16 or bf16, which hold it exactly.
std::vector<std::byte> widen_e4m3(const std::vector<std::byte> &codes, quern_dtype dtype);

}  // namespace quern::cli

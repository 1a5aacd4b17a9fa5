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
std::vector<std::byte> random_normal(int64_t count, quern_dtype dtype);

}  // namespace quern::cli

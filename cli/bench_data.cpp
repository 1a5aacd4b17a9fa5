#include "cli/bench_data.hpp"

#include <algorithm>
#include <cstring>
#include <random>

#include "cli/float_format.hpp"

namespace quern::cli {
namespace {

// SplitMix64, by Steele, Lea and Flood: weights are hundreds of megabytes, and std::mt19937_64 takes its time.
std::vector<std::byte> random_bytes(size_t count, uint64_t seed) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; i += 8) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t word = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    word ^= word >> 31;
    std::memcpy(bytes.data() + i, &word, std::min<size_t>(8, count - i));
  }
  return bytes;
}

}  // namespace

RandomWeights random_weights(int64_t rows, int64_t k) {
  RandomWeights weights{random_bytes(static_cast<size_t>(rows) * static_cast<size_t>(k / 2), 1),
                        random_bytes(static_cast<size_t>(rows) * static_cast<size_t>(k / 32), 2)};
  for (std::byte &scale : weights.scales) scale = static_cast<std::byte>(118 + (std::to_integer<unsigned>(scale) & 7));
  return weights;
}

std::vector<std::byte> random_normal(int64_t count, quern_dtype dtype) {
  constexpr int64_t kPeriod = 1048573;  // a prime, so that rows do not repeat each other
  std::mt19937_64 generator(3);
  std::normal_distribution<double> normal;
  const size_t element = dtype_bytes(dtype), total = static_cast<size_t>(count) * element;
  std::vector<std::byte> values(total);
  for (int64_t i = 0; i < std::min(count, kPeriod); ++i) {
    const double factor = dtype == QUERN_DTYPE_E4M3 ? 1 / static_cast<double>(kE4m3BenchScale) : 1;
    store(round_to(factor * normal(generator), dtype), values.data(), i, dtype);
  }
  for (size_t filled = static_cast<size_t>(kPeriod) * element; filled < total;) {
    const size_t more = std::min(filled, total - filled);
    std::memcpy(values.data() + filled, values.data(), more);
    filled += more;
  }
  return values;
}

std::vector<std::byte> widen_e4m3(const std::vector<std::byte> &codes, quern_dtype dtype) {
  std::vector<std::byte> wide(codes.size() * dtype_bytes(dtype));
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    store(load(codes.data(), at, QUERN_DTYPE_E4M3) * static_cast<double>(kE4m3BenchScale), wide.data(), at, dtype);
  }
  return wide;
}

}  // namespace quern::cli

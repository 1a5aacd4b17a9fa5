// The shapes that benchmarks run by default: the linear layers of well-known models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quern::cli {

struct BenchShape {
  std::string name;  // "gpt-oss-20b qkv"; "64x96" for a shape given as such
  int64_t rows, k;   // rows: N of a GEMM
  std::string size() const { return std::to_string(rows) + "x" + std::to_string(k); }
};

// The layers of a model. Throws Failure with all names for one that is not known.
std::vector<BenchShape> model_shapes(const std::string &model);

// "5760x2880": rows by K, a multiple of 32. Throws Failure.
BenchShape parse_shape(const std::string &text);

// The layers of the models, then the shapes; those of `fallback` where neither is given.
std::vector<BenchShape> bench_shapes(const std::vector<std::string> &models, const std::vector<std::string> &shapes,
                                     const std::string &fallback);

}  // namespace quern::cli

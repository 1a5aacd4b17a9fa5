// Results of benchmarks, for people and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/bench.hpp"
#include "cli/bench_models.hpp"
#include "cli/output.hpp"

namespace quern::cli {

struct GemmPoint {
  int64_t m = 0;
  std::string kernel;
  Timing time;
  std::optional<Timing> cublas;
  std::optional<double> difference;  // from cuBLAS's result, relative, root mean square
};

struct GemmSeries {
  BenchShape shape;
  std::string layout;
  size_t copies = 0;
  std::vector<GemmPoint> points;
};

// Of dequantizing and of quantizing: `dtype` is that of the side that is not MXFP4 or E4M3.
struct ConversionPoint {
  BenchShape shape;
  std::string dtype, kernel;
  Work work;
  size_t copies = 0;
  Timing time;
};

std::string gemm_text(const BenchFacts &facts, const std::vector<GemmSeries> &all);
Json gemm_json(const BenchFacts &facts, const std::vector<GemmSeries> &all);
// to_dtype: whether `dtype` is what it is converted to.
std::string conversion_text(const BenchFacts &facts, const std::vector<ConversionPoint> &points, bool to_dtype);
Json conversion_json(const BenchFacts &facts, const std::vector<ConversionPoint> &points, bool to_dtype);

// Three significant digits or more, no exponent: "0.00774", "1.85", "52.3", "1334".
std::string short_number(double value);

}  // namespace quern::cli

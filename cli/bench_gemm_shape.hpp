// One shape of a GEMM benchmark on a device: its plan, its weights, and its times for any M.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/bench.hpp"
#include "cli/bench_report.hpp"
#include "cli/bench_weights.hpp"
#include "cli/cublas.hpp"

namespace quern::cli {

// A shape made ready: what may be refused has been.
struct GemmRequest {
  BenchShape shape;
  quern_gemm_desc desc;
  host::Plan plan;
  ServedSizes served;
  std::vector<int64_t> sizes;  // M, ascending; not empty
};

class GemmShapeBench {
 public:
  // cublas: null for none. Notes what of the method the device's memory does not allow. Throws Failure if it is too
  // small.
  GemmShapeBench(Bench &bench, const GemmRequest &request, const Cublas *cublas, std::vector<std::string> &notes);

  GemmPoint measure(int64_t m, std::vector<std::string> &notes);
  size_t copies() const { return weights_->copies(); }

 private:
  BenchRun run(int64_t m) const;
  BenchRun cublas_run(int64_t m) const;
  void poison(const host::DeviceMemory &y);
  double difference(int64_t m);
  bool is_e4m3() const { return request_.desc.x_dtype == QUERN_DTYPE_E4M3; }
  void make_x(int64_t m);

  Bench &bench_;
  const GemmRequest &request_;
  const Cublas *cublas_;
  std::unique_ptr<MxWeights> weights_;
  std::unique_ptr<DenseWeights> dense_;  // null where cuBLAS is not timed
  host::DeviceMemory x_, x_scales_, cublas_x_, y_, cublas_y_, workspace_;
};

}  // namespace quern::cli

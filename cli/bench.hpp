// What every benchmark begins with: a device with hardware behind it, its clock, and the facts that a result is worth
// nothing without.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <quern/quern.hpp>

#include "cli/bench_roofs.hpp"
#include "cli/bench_timing.hpp"
#include "cli/global_options.hpp"
#include "cli/progress.hpp"

namespace quern::cli {

// What is told beside the times.
struct BenchFacts {
  std::string operation, dtype;
  std::string x_dtype, w4a8;  // of a GEMM with E4M3 products: what X is given in, and how they are summed; else ""
  std::string device, model, arch;
  std::string driver;  // the CUDA it supports; "" on the CPU
  std::string date, version;
  int repeat = 0;
  int64_t rotation_bytes = 0;
  Roofs roofs;
  std::string cublas, cublas_missing;  // its version, or why it is not compared
  std::vector<std::string> notes;      // what a reader must know to read the times
};

// Bytes of an element of X.
inline size_t x_bytes(const BenchFacts &facts) { return facts.x_dtype == "e4m3" ? 1 : 2; }

class Bench {
 public:
  // Throws Failure for an architecture without hardware.
  Bench(const GlobalOptions &global, const std::string &device, int repeat);

  const host::Device &device() const { return device_; }
  bool on_cuda() const { return device_.info().kind == QUERN_DEVICE_CUDA; }
  int repeat() const { return repeat_; }
  Progress &progress() { return progress_; }
  // Made when first asked for, so that a wrong request is refused before a GPU is needed.
  BenchClock &clock();
  // Of the device's memory, what a benchmark may fill.
  size_t budget_bytes() const { return static_cast<size_t>(device_.info().memory_bytes) / 10 * 6; }
  BenchFacts facts(const std::string &operation, const std::string &dtype);

 private:
  host::Hub hub_;
  host::Device device_;
  int repeat_;
  Progress progress_;
  std::unique_ptr<BenchClock> clock_;
};

// The kernels of a plan, by the sizes that they serve.
class ServedSizes {
 public:
  explicit ServedSizes(const host::Plan &plan);
  // "" for a size that no kernel of the plan serves.
  std::string kernel(int64_t size) const;
  // Those of `sizes` that are served, in order and once each; a note for the others.
  std::vector<int64_t> select(const std::vector<int64_t> &sizes, const std::string &what,
                              std::vector<std::string> &notes) const;

 private:
  struct Range {
    int64_t first, last;
    std::string kernel;
  };
  std::vector<Range> ranges_;
};

}  // namespace quern::cli

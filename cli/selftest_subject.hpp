// What `quern selftest` tests: a kernel on a device, compiled for it or, through PTX, for the least it claims.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <quern/quern.hpp>

#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"

namespace quern::cli {

struct TestShape {
  int64_t size;  // M of a GEMM, else rows
  int64_t n, k;
};

struct Subject {
  std::string operation;                // "gemm", "dequantize", "quantize"
  std::string kernel;                   // "package:variant"; "cpu" for the CPU's own
  std::string force;                    // what a plan is told to use; "" for the CPU
  std::string target;                   // "compute_80"; "" compiles for the device itself
  int64_t least = 1, most = INT64_MAX;  // sizes that the kernel accepts
  std::vector<TestShape> shapes;        // of its manifest
  bool packed = false;                  // a GEMM that reads packed weights
  bool batch_invariant = false;         // a row of Y depends on its row of X alone
  // Of a GEMM that multiplies E4M3 X: how it sums. Empty for all others.
  std::vector<quern_accumulation> accumulations = {};

  const char *force_or_null() const { return force.empty() ? nullptr : force.c_str(); }
  const char *target_or_null() const { return target.empty() ? nullptr : target.c_str(); }
  bool is_cpu() const { return force.empty(); }
  // Sizes from `wanted` that the kernel accepts, with its own limits.
  std::vector<int64_t> clip(std::vector<int64_t> wanted) const;
};

// filter: "", a package, or package:variant.
std::vector<Subject> find_subjects(const host::Hub &hub, const host::Device &device, const std::string &filter);

// What came of testing one subject.
struct Outcome {
  int64_t cases = 0;
  double worst = 0;     // error divided by its bound
  std::string failure;  // "" if all passed
  std::string refused;  // why no case could run here
};

struct TestBench {
  const host::Device &device;
  const host::Device &cpu;
  bool quick;
  Progress &progress;
};

// The sizes for which a plan would use the subject, or why none.
struct Served {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  std::string reason;

  bool has(int64_t size) const {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const auto &range) { return range.first <= size && size <= range.second; });
  }
};

template <typename Desc>
Served served_sizes(const host::Device &device, const Desc &desc, const Subject &subject) {
  if (subject.is_cpu()) return {{{1, INT64_MAX}}, ""};
  Served served{{}, "another kernel is preferred for these sizes"};
  device.explain(desc, [&](const quern_candidate &candidate) {
    if (subject.kernel != candidate.kernel) return;
    if (candidate.chosen) {
      served.ranges.emplace_back(candidate.first, candidate.last);
    } else {
      served.reason = candidate.reason;
    }
  });
  return served;
}

// Every case until one is wrong. `run` gives "" or what is wrong, and says in its last argument why the kernel does not
// take the case, if it does not.
template <typename Case, typename Run>
Outcome run_cases(const TestBench &bench, const Subject &subject, const std::vector<Case> &cases, const Run &run_case) {
  Outcome outcome;
  std::string first_refusal;
  for (const Case &test : cases) {
    check_interrupt();
    bench.progress.move(text(subject.kernel, " ", subject.target, ": ", test.text()));
    std::string refused, wrong;
    try {
      wrong = run_case(bench, subject, test, refused);
    } catch (const host::StatusError &error) {
      (error.status() == QUERN_UNSUPPORTED ? refused : wrong) = error.what();
    }
    if (!refused.empty()) {
      if (first_refusal.empty()) first_refusal = refused;
      continue;
    }
    ++outcome.cases;
    if (wrong.empty()) continue;
    outcome.failure = test.text() + ": " + wrong;
    return outcome;
  }
  if (outcome.cases == 0) outcome.refused = first_refusal;
  return outcome;
}

// Cases of rows of these lengths, of every type, dense and strided, and of the package's own shapes. `random` makes one
// of rows, their length, a type and whether it is strided.
template <typename Case, typename Random>
void add_random_cases(const TestBench &bench, const Subject &subject, std::initializer_list<int64_t> lengths,
                      const Random &random, std::vector<Case> &cases) {
  for (const int64_t rows : subject.clip({1, 7, 33, 257})) {
    for (const int64_t k : lengths) {
      for (const quern_dtype dtype : {QUERN_DTYPE_BF16, QUERN_DTYPE_F16, QUERN_DTYPE_F32}) {
        if (bench.quick && dtype != QUERN_DTYPE_BF16) continue;
        cases.push_back(random(rows, k, dtype, false));
        cases.push_back(random(rows, k, dtype, true));
      }
    }
  }
  constexpr int64_t kQuickElements = 1 << 20;
  for (const TestShape &shape : subject.shapes) {
    if (bench.quick && shape.size * shape.k > kQuickElements) continue;
    cases.push_back(random(shape.size, shape.k, QUERN_DTYPE_BF16, false));
  }
}

Outcome test_gemm(const TestBench &bench, const Subject &subject);
Outcome test_dequantize(const TestBench &bench, const Subject &subject);
Outcome test_quantize(const TestBench &bench, const Subject &subject);

}  // namespace quern::cli

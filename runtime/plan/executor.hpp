// What a plan runs on: the kernels chosen for one problem, loaded on one device.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "runtime/hub/device.hpp"

namespace quern {

// A candidate as a plan explains it.
struct Explanation {
  std::string kernel, origin;
  int priority = 0;
  bool chosen = false;
  int64_t first = 0, last = 0;
  std::string target, reason;
};

class Executor {
 public:
  virtual ~Executor() = default;
  // `parameters` is the operation's block. No lock, no allocation.
  virtual void run(void *parameters, int64_t size, quern_stream stream) const = 0;
  // The run sizes it serves.
  virtual int64_t smallest() const = 0;
  virtual int64_t largest() const = 0;
  // For runs of `size`; never shrinks as size grows.
  virtual size_t workspace_bytes(int64_t size) const = 0;
  virtual const std::vector<Explanation> &explanation() const = 0;
};

// Where a matrix of a run lies, for TMA: its sizes in elements, that of a row first, and the bytes from row to row.
struct TensorView {
  const void *address;
  std::array<uint64_t, kTensorRank> sizes;
  uint64_t stride;
};
using DescribeOperand = TensorView (*)(const void *parameters, size_t operand);

// What an operation's plan asks for.
struct ExecutorRequest {
  Problem problem;
  std::string kernel;  // the descriptor's, or ""
  std::string target;  // the descriptor's, or ""
  // The operation on the CPU device.
  void (*cpu_run)(const void *parameters, cpu::ThreadPool &pool);
  size_t cpu_workspace_bytes = 0;
  DescribeOperand describe_operand = nullptr;  // of operations that have operands
  bool overlap = false;                        // a run may begin while the kernel before it is ending
  bool one_variant = false;                    // the same for every run size
};

// Throws as quern_gemm_plan() says.
std::unique_ptr<Executor> make_executor(const std::shared_ptr<Device> &device, const ExecutorRequest &request);

// Without compiling or loading; a problem that no kernel accepts is explained too.
std::vector<Explanation> explain(const Device &device, const ExecutorRequest &request);

}  // namespace quern

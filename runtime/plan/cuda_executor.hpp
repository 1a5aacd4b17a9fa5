// Plans on CUDA devices and on architectures without hardware.
#pragma once

#include <string>

#include "runtime/plan/executor.hpp"
#include "runtime/plan/plan_kernels.hpp"

namespace quern {

class CudaExecutor final : public Executor {
 public:
  // Throws as quern_gemm_plan() says.
  CudaExecutor(std::shared_ptr<Device> device, const ExecutorRequest &request);

  void run(void *parameters, int64_t size, quern_stream stream) const override;
  int64_t smallest() const override { return ranges_.front().choice.first; }
  int64_t largest() const override { return ranges_.back().choice.last; }
  size_t workspace_bytes(int64_t size) const override;
  const std::vector<Explanation> &explanation() const override { return explanation_; }

 private:
  struct Range {
    Choice choice;
    std::shared_ptr<const Module> module;  // null on a target without hardware
    unsigned shared_bytes;
  };

  using Slots = std::array<int64_t, kSlots>;
  Slots slots(int64_t size) const {
    Slots out = slots_;
    out[run_size_] = size;
    return out;
  }
  void add_range(const Choice &choice, const LoadedUnit &loaded);
  // Written in place: a temporary would not keep the alignment that the driver needs.
  void encode(const TensorMapRequest &map, const void *parameters, cu::TensorMap &encoded) const;

  std::shared_ptr<Device> device_;
  const Operation *operation_;
  DescribeOperand describe_operand_;
  bool overlap_;
  std::vector<Range> ranges_;  // by run size
  Slots slots_{};              // the problem; the run size is put in at each run
  size_t run_size_;
  std::vector<Explanation> explanation_;
};

// What is asked of dispatch for a plan.
DispatchRequest dispatch_request(const Device &device, const ExecutorRequest &request, const Target &target);

// What plans would use, without compiling or loading.
std::vector<Explanation> explain_cuda(const Device &device, const ExecutorRequest &request);

}  // namespace quern

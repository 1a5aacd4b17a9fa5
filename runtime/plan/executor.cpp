#include "runtime/plan/executor.hpp"

#include "runtime/base/error.hpp"
#include "runtime/cpu/kernels.hpp"
#include "runtime/plan/cuda_executor.hpp"

namespace quern {
namespace {

Explanation cpu_explanation(const ExecutorRequest &request) {
  const Operation &operation = *request.problem.operation;
  return {text("cpu/", operation.name, ":", cpu::instruction_set()),
          "built-in",
          0,
          true,
          1,
          request.problem.values[operation.run_size],
          "cpu",
          ""};
}

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(std::shared_ptr<Device> device, const ExecutorRequest &request)
      : device_(std::move(device)),
        run_(request.cpu_run),
        workspace_bytes_(request.cpu_workspace_bytes),
        explanation_{cpu_explanation(request)} {}

  void run(void *parameters, int64_t, quern_stream) const override { run_(parameters, device_->pool()); }
  int64_t smallest() const override { return explanation_[0].first; }
  int64_t largest() const override { return explanation_[0].last; }
  size_t workspace_bytes(int64_t) const override { return workspace_bytes_; }
  const std::vector<Explanation> &explanation() const override { return explanation_; }

 private:
  std::shared_ptr<Device> device_;
  void (*run_)(const void *, cpu::ThreadPool &);
  size_t workspace_bytes_;
  std::vector<Explanation> explanation_;
};

}  // namespace

std::unique_ptr<Executor> make_executor(const std::shared_ptr<Device> &device, const ExecutorRequest &request) {
  if (device->kind() != QUERN_DEVICE_CPU) return std::make_unique<CudaExecutor>(device, request);
  if (!request.kernel.empty() && request.kernel != "cpu") {
    fail(QUERN_UNSUPPORTED, request.kernel, " runs on CUDA devices; open cuda:N, or leave the choice free");
  }
  if (!request.target.empty()) fail(QUERN_INVALID_ARGUMENT, "target is for CUDA devices; leave it NULL on the CPU");
  return std::make_unique<CpuExecutor>(device, request);
}

std::vector<Explanation> explain(const Device &device, const ExecutorRequest &request) {
  if (device.kind() == QUERN_DEVICE_CPU) return {cpu_explanation(request)};
  return explain_cuda(device, request);
}

}  // namespace quern

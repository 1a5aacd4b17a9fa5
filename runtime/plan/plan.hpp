// A plan: a checked descriptor with an executor. One class per operation; all that a run must check is here.
#pragma once

#include <memory>

#include "runtime/plan/executor.hpp"

namespace quern {

class Plan {
 public:
  virtual ~Plan() = default;
  explicit Plan(std::unique_ptr<Executor> executor) : executor_(std::move(executor)) {}

  const Executor &executor() const { return *executor_; }

 protected:
  // The workspace that a run of this size needs is there. Throws QUERN_INVALID_ARGUMENT or QUERN_BUFFER_TOO_SMALL.
  void check_run(int64_t size, const char *size_name, const void *workspace, size_t workspace_bytes) const;

 private:
  std::unique_ptr<Executor> executor_;
};

class GemmPlan final : public Plan {
 public:
  // Throws as quern_gemm_plan() says.
  static std::unique_ptr<Plan> make(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc);
  void run(const quern_gemm_args &args, quern_stream stream) const;
  static std::vector<Explanation> explain(const Device &device, const quern_gemm_desc &desc);
  static quern_layout best_layout(const Device &device, const quern_gemm_desc &desc);
  // What is asked of dispatch on a CUDA device.
  static DispatchRequest dispatch_request(const Device &device, const quern_gemm_desc &desc);

 private:
  using Plan::Plan;
  void check(const quern_gemm_args &args) const;

  quern_gemm_desc desc_{};  // with its defaults filled in
  bool on_cpu_ = false;
  int64_t tiles_offset_ = 0;  // in packed weights
};

class DequantizePlan final : public Plan {
 public:
  // Throws as quern_dequantize_plan() says.
  static std::unique_ptr<Plan> make(const std::shared_ptr<Device> &device, const quern_dequantize_desc &desc);
  void run(const quern_dequantize_args &args, quern_stream stream) const;
  static std::vector<Explanation> explain(const Device &device, const quern_dequantize_desc &desc);

 private:
  using Plan::Plan;

  quern_dequantize_desc desc_{};
  quern_decode_policy policy_{};
  bool on_cpu_ = false;
};

class QuantizePlan final : public Plan {
 public:
  // Throws as quern_quantize_plan() says.
  static std::unique_ptr<Plan> make(const std::shared_ptr<Device> &device, const quern_quantize_desc &desc);
  void run(const quern_quantize_args &args, quern_stream stream) const;
  static std::vector<Explanation> explain(const Device &device, const quern_quantize_desc &desc);

 private:
  using Plan::Plan;

  quern_quantize_desc desc_{};
  bool on_cpu_ = false;
};

// What an executor is asked for that quantizes so. `desc` is checked, with its defaults filled in.
ExecutorRequest quantize_request(const quern_quantize_desc &desc);

// Checks that descriptors and runs share; each throws QUERN_INVALID_ARGUMENT naming the field.
quern_format resolve_format(quern_format format);  // of weights; 0 is MXFP4
void check_size(const char *name, int64_t value, int64_t most);
void check_k(int64_t k);
// An enumerator or flag from 0 to `most`; `valid` says what to use.
void check_choice(const char *name, int64_t value, int64_t most, const char *valid);
// `stride` or, where it is 0, `row`; not less than a row and, on CUDA, a multiple of `multiple`.
int64_t resolve_stride(const char *name, int64_t stride, int64_t row, int64_t multiple);
void check_pointer(const char *name, const void *pointer, size_t alignment);
size_t dtype_bytes(quern_dtype dtype);

}  // namespace quern

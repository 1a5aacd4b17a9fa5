// A GEMM whose X is bf16 or f16 and whose kernels multiply E4M3: two executors, and in the workspace what goes from one
// to the other.
#pragma once

#include <memory>
#include <vector>

#include "runtime/plan/executor.hpp"

namespace quern {

class QuantizingExecutor final : public Executor {
 public:
  // `quantize` takes X of row length k as it is given to `gemm`, whose problem has E4M3 X.
  QuantizingExecutor(std::unique_ptr<Executor> quantize, std::unique_ptr<Executor> gemm, int64_t k);

  // `parameters` are GemmParams as the caller's X and x_dtype make them. Not inlined: GCC would imagine it inside
  // itself, given the parameters of the quantization, and warn.
  [[gnu::noinline]] void run(void *parameters, int64_t size, quern_stream stream) const override;
  int64_t smallest() const override;
  int64_t largest() const override;
  size_t workspace_bytes(int64_t size) const override;
  // Of the GEMM, then of the quantization.
  const std::vector<Explanation> &explanation() const override { return explanation_; }

 private:
  std::unique_ptr<Executor> quantize_, gemm_;
  int64_t k_;
  std::vector<Explanation> explanation_;
};

}  // namespace quern

// The end of a GEMM, from an element's sum to Y: y = activation(alpha * sum + bias) + residual.
#pragma once

#include <quern/activation.h>
#include <quern/gemm_params.h>
#include <quern/element_io.cuh>

namespace quern {

__device__ __forceinline__ float load_bias(const GemmParams &p, int64_t row) {
  return p.bias_dtype == kNoDtype ? 0.0f : load_element(p.bias, row, p.bias_dtype);
}

// `bias` is load_bias()'s of the row of W.
__device__ __forceinline__ float finish_sum(const GemmParams &p, float sum, float bias, int64_t token, int64_t row) {
  float y = fmaf(p.alpha, sum, bias);
  if (p.activation != kActivationNone) y = activate(p.activation, y);
  if (p.residual != nullptr) y += load_element(p.residual, token * p.residual_stride + row, p.y_dtype);
  return y;
}

__device__ __forceinline__ void store_result(const GemmParams &p, float sum, float bias, int64_t token, int64_t row) {
  store_element(p.y, token * p.y_stride + row, p.y_dtype, finish_sum(p, sum, bias, token, row));
}

}  // namespace quern

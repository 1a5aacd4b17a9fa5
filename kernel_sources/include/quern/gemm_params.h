// The contract of operation "gemm", version 1: Y[m, n] = X[m, k] * W[n, k]^T + bias. What every kernel entry of it
// takes, as one __grid_constant__ argument. ABI between the library and kernel packages: a change of layout is a new
// version.
#pragma once

#include <quern/mxfp4.h>

namespace quern {

constexpr int kGemmParamsVersion = 1;

struct GemmParams {
  const void *x;          // [m, k] of x_dtype, 16-byte aligned
  const uint8_t *blocks;  // [n, k/2], 16-byte aligned
  const uint8_t *scales;  // [n, k/32]
  const void *bias;       // [n] of bias_dtype, or null
  void *y;                // [m, n] of y_dtype
  void *workspace;
  int64_t x_stride;       // elements, a multiple of 8
  int64_t y_stride;       // elements
  int64_t blocks_stride;  // bytes, a multiple of 16
  int64_t scales_stride;  // bytes
  int32_t m;
  int32_t n;
  int32_t k;
  uint8_t x_dtype;
  uint8_t y_dtype;
  uint8_t bias_dtype;
  uint8_t scale_zero;
};

static_assert(sizeof(GemmParams) == 96, "ABI");
static_assert(offsetof(GemmParams, x_stride) == 48, "ABI");
static_assert(offsetof(GemmParams, m) == 80, "ABI");
static_assert(offsetof(GemmParams, x_dtype) == 92, "ABI");

}  // namespace quern

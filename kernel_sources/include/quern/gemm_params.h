// The contract of operation "gemm", version 3: Y[m, n] = activation(alpha * X[m, k] * W[n, k]^T + bias) + residual.
// What every kernel entry of it takes, as one __grid_constant__ argument; the tensor maps that a variant declares
// follow it. ABI between the library and kernel packages: a change of layout is a new version.
#pragma once

#include <quern/mxfp4.h>

namespace quern {

constexpr int kGemmParamsVersion = 3;

// How products of E4M3 and E5M2 are summed: FP8 tensor cores keep 13 bits below the largest term and drop the rest.
// Promoted adds their sums into f32 every few hundred K; fast leaves all of K to them. ABI: the numbers of
// quern_accumulation.
enum Accumulation : uint8_t { kAccumulationPromoted = 0, kAccumulationFast = 1 };

struct GemmParams {
  const void *x;          // [m, k] of x_dtype, 16-byte aligned
  const float *x_scales;  // [m]: X is E4M3 times its row's scale; null for all other X
  const uint8_t *blocks;  // canonical: [n, k/2], 16-byte aligned; packed: the tiles (packed_layout.h)
  const uint8_t *scales;  // canonical: [n, k/32]; packed: PackedRow [n]
  const void *bias;       // [n] of bias_dtype, or null
  const void *residual;   // [m, n] of y_dtype, or null
  void *y;                // [m, n] of y_dtype
  void *workspace;
  int64_t x_stride;         // elements, a multiple of 8; of E4M3 a multiple of 16
  int64_t y_stride;         // elements
  int64_t residual_stride;  // elements
  int64_t blocks_stride;    // canonical: bytes, a multiple of 16
  int64_t scales_stride;    // canonical: bytes
  int32_t m;
  int32_t n;
  int32_t k;
  float alpha;
  uint8_t x_dtype;
  uint8_t y_dtype;
  uint8_t bias_dtype;
  uint8_t scale_zero;
  uint8_t activation;
  uint8_t accumulation;
  uint8_t reserved[2];
};

static_assert(sizeof(GemmParams) == 128, "ABI");
static_assert(offsetof(GemmParams, y) == 48, "ABI");
static_assert(offsetof(GemmParams, x_stride) == 64, "ABI");
static_assert(offsetof(GemmParams, m) == 104, "ABI");
static_assert(offsetof(GemmParams, x_dtype) == 120, "ABI");

// A CUtensorMap, as kernels take it: const __grid_constant__ quern::TensorMap.
struct alignas(64) TensorMap {
  uint64_t words[16];
};

}  // namespace quern

// The contract of operation "dequantize", version 1: what every kernel entry of it takes, as one __grid_constant__
// argument. ABI between the library and kernel packages: a change of layout is a new version in a new struct.
#pragma once

#include <quern/mxfp4.h>

namespace quern {

constexpr int kDequantizeParamsVersion = 1;

struct DequantizeParams {
  const uint8_t *blocks;  // [rows, k/2], 16-byte aligned
  const uint8_t *scales;  // [rows, k/32]
  void *dst;              // [rows, k] of dst_dtype, 16-byte aligned
  void *workspace;
  int64_t blocks_stride;  // bytes
  int64_t scales_stride;  // bytes
  int64_t dst_stride;     // elements
  int64_t rows;
  int64_t k;
  DecodePolicy policy;
  uint32_t dst_dtype;
};

static_assert(sizeof(DequantizeParams) == 80, "ABI");
static_assert(offsetof(DequantizeParams, blocks_stride) == 32, "ABI");
static_assert(offsetof(DequantizeParams, policy) == 72, "ABI");

}  // namespace quern

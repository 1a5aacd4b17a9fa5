// The contract of operation "quantize", version 1: rows of f32, f16 or bf16 to a smaller format. What every kernel
// entry of it takes, as one __grid_constant__ argument. ABI between the library and kernel packages: a change of layout
// is a new version.
#pragma once

#include <quern/e4m3.h>

namespace quern {

constexpr int kQuantizeParamsVersion = 1;

// ABI: the numbers of quern_format.
enum Format : uint8_t { kFormatMxfp4 = 1, kFormatE4m3Row = 2 };

struct QuantizeParams {
  const void *src;     // [rows, k] of src_dtype, 16-byte aligned
  uint8_t *dst;        // e4m3_row: [rows, k], 16-byte aligned
  void *scales;        // e4m3_row: f32 [rows], e4m3_row_scale() of the row's largest magnitude
  int64_t src_stride;  // elements, a multiple of 8; f32 of 4
  int64_t dst_stride;  // bytes, a multiple of 16
  int64_t rows;
  int64_t k;  // a multiple of 32
  uint8_t src_dtype;
  uint8_t format;
  uint8_t reserved[6];
};

static_assert(sizeof(QuantizeParams) == 64, "ABI");
static_assert(offsetof(QuantizeParams, src_stride) == 24 && offsetof(QuantizeParams, src_dtype) == 56, "ABI");

}  // namespace quern

// The contract of operation "repack", version 1: canonical MXFP4 weights to a packed layout and back. What every kernel
// entry of it takes, as one __grid_constant__ argument. ABI between the library and kernel packages: a change of layout
// is a new version.
#pragma once

#include <quern/packed_layout.h>

namespace quern {

constexpr int kRepackParamsVersion = 1;

enum RepackDirection : uint8_t { kRepackPack = 0, kRepackUnpack = 1 };

struct RepackParams {
  uint8_t *blocks;        // [n, k/2]; read to pack, written to unpack
  uint8_t *scales;        // [n, k/32]
  uint8_t *packed;        // the whole tensor; its header is in place before either, and packing adds flags to it
  int64_t blocks_stride;  // bytes
  int64_t scales_stride;  // bytes
  int64_t n;
  int64_t k;
  uint32_t layout;
  uint8_t scale_zero;
  uint8_t direction;
  uint8_t reserved[2];
};

static_assert(sizeof(RepackParams) == 64, "ABI");
static_assert(offsetof(RepackParams, n) == 40 && offsetof(RepackParams, layout) == 56, "ABI");

}  // namespace quern

// Where wgmma finds the tokens in shared memory (PTX ISA, "Asynchronous warpgroup level matrix instructions", matrix
// descriptor format).
#pragma once

#include <quern/types.h>

namespace quern {

// Matrix descriptor of a K-major tile whose rows of 128 bytes are swizzled by 128 bytes, as a tensor map with
// SWIZZLE_128B writes it: groups of eight rows are 1024 bytes apart. The tile is 1024-byte aligned; a step of 16
// elements along K (of 8 bits: 32) adds 32 bytes to the address, which is kWgmmaStepK16 here.
constexpr uint64_t kWgmmaStepK16 = 32 >> 4;
__device__ __forceinline__ uint64_t wgmma_descriptor_128b(uint32_t shared) {
  return static_cast<uint64_t>((shared & 0x3ffffu) >> 4) | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}

}  // namespace quern

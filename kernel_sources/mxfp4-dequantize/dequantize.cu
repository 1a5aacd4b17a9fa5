// MXFP4 to f32, f16 or bf16 (QUERN_DST_DTYPE), every decode policy, sm_75 and up.
//
// Algorithm: a thread makes 16 bytes of output at a time, from 8 nibbles (f16, bf16) or 4 (f32), so that a warp stores
// 512 contiguous bytes and loads 128 (64). A nibble goes to f16 by table (exact), to f32, is multiplied by its scale in
// f32 (exact wherever the value is finite) and rounded once.
// Tile: CHUNK elements a CTA, row after row; all loads of a CTA are issued before its first store.
// Shared memory: none. Bound: memory, 17/32 bytes in and 2 or 4 bytes out per element.
#include <quern/dequantize_params.h>
#include <quern/e2m1_convert.cuh>
#include <quern/element_io.cuh>

namespace quern {
namespace {

constexpr uint32_t kDst = QUERN_DST_DTYPE;
constexpr int kThreads = 256;
constexpr int kUnit = kDst == kF32 ? 4 : 8;  // elements in 16 bytes of output
constexpr int kUnitsPerBlock = kMxfp4Block / kUnit;
constexpr int kUnitsPerChunk = CHUNK / kUnit;
constexpr int kUnitsPerThread = kUnitsPerChunk / kThreads;
static_assert(kUnitsPerThread * kThreads * kUnit == CHUNK, "a chunk is a whole number of units per thread");

struct Unit {
  uint32_t nibbles;
  uint32_t scale;  // byte
  uint4 *dst;      // null past the end
};

// Where unit number `index` of a tensor of `units_per_row` begins. One 64-bit division for the CTA's first unit; the
// others are less than a chunk away, so most rows need a comparison and short ones a 32-bit division.
__device__ __forceinline__ void locate(int64_t first_row, int64_t first_unit, int offset, int64_t units_per_row,
                                       int64_t &row, int64_t &unit) {
  row = first_row;
  unit = first_unit + offset;
  if (unit < units_per_row) return;
  if (units_per_row >= kUnitsPerChunk) {
    ++row;
    unit -= units_per_row;
  } else {
    const uint32_t rows = static_cast<uint32_t>(unit) / static_cast<uint32_t>(units_per_row);
    row += rows;
    unit -= rows * units_per_row;
  }
}

__device__ __forceinline__ Unit load_unit(const DequantizeParams &p, int64_t row, int64_t unit) {
  Unit result;
  const uint8_t *source = p.blocks + row * p.blocks_stride + unit * (kUnit / 2);
  if constexpr (kDst == kF32) {
    result.nibbles = *reinterpret_cast<const uint16_t *>(source);
  } else {
    result.nibbles = *reinterpret_cast<const uint32_t *>(source);
  }
  result.scale = p.scales[row * p.scales_stride + unit / kUnitsPerBlock];
  constexpr int kBytes = kDst == kF32 ? 4 : 2;
  result.dst = reinterpret_cast<uint4 *>(static_cast<uint8_t *>(p.dst) + (row * p.dst_stride + unit * kUnit) * kBytes);
  return result;
}

// decode_mxfp4() for the nibbles of one unit.
__device__ __forceinline__ uint4 decode_unit(uint32_t nibbles, uint32_t byte, DecodePolicy policy) {
  if (policy.canonical_zero) {
    const uint32_t nonzero = (nibbles | nibbles >> 1 | nibbles >> 2) & 0x11111111u;
    nibbles &= 0x77777777u | nonzero << 3;
  }
  uint32_t pairs[4];
  e2m1x8_to_f16x2(nibbles, pairs);
  const float scale = decode_scale(byte, policy, static_cast<Dtype>(kDst));
  // 2^128 has no f32: decode_scale() gives half of it.
  const float twice = byte == 255u && policy.scale_nan == kScaleNanLdexp ? 2.0f : 1.0f;
  uint32_t words[4];
  if constexpr (kDst == kF32) {
    for (int i = 0; i < 2; ++i) {
      float low, high;
      unpack_pair<kF16>(pairs[i], low, high);
      words[2 * i] = f32_bits(low * twice * scale);
      words[2 * i + 1] = f32_bits(high * twice * scale);
    }
  } else {
    for (int i = 0; i < 4; ++i) {
      float low, high;
      unpack_pair<kF16>(pairs[i], low, high);
      words[i] = pack_pair<kDst>(low * twice * scale, high * twice * scale);
    }
  }
  return make_uint4(words[0], words[1], words[2], words[3]);
}

}  // namespace
}  // namespace quern

extern "C" __global__ void __launch_bounds__(quern::kThreads)
    quern_dequantize(const __grid_constant__ quern::DequantizeParams p) {
  using namespace quern;
  const int64_t units_per_row = p.k / kUnit;
  const int64_t units = p.rows * units_per_row;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kUnitsPerChunk; first < units;
       first += static_cast<int64_t>(gridDim.x) * kUnitsPerChunk) {
    const int64_t first_row = first / units_per_row;
    const int64_t first_unit = first - first_row * units_per_row;
    Unit loaded[kUnitsPerThread];
#pragma unroll
    for (int i = 0; i < kUnitsPerThread; ++i) {
      const int offset = static_cast<int>(threadIdx.x) + i * kThreads;
      loaded[i].dst = nullptr;
      if (first + offset >= units) continue;
      int64_t row, unit;
      locate(first_row, first_unit, offset, units_per_row, row, unit);
      loaded[i] = load_unit(p, row, unit);
    }
#pragma unroll
    for (int i = 0; i < kUnitsPerThread; ++i) {
      if (loaded[i].dst != nullptr) *loaded[i].dst = decode_unit(loaded[i].nibbles, loaded[i].scale, p.policy);
    }
  }
}

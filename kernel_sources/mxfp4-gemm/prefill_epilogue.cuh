// The end of prefill_sm90a.cu and fp8_sm90a.cu: sums to Y, through shared memory as [token][row], since a lane holds
// single rows and Y has neighbouring rows of a token next to each other. Plain Y, which is 16-bit, of x's type if that
// is not E4M3, and nothing but alpha * sum + bias, goes there rounded and as a whole tile; any other in f32, in parts.
#pragma once

#include <quern/activation.h>
#include <quern/element_io.cuh>

#include "fp8_token_scales.cuh"

namespace quern {
namespace {

// alpha * row.scale and bias of rows `row`, `row` + kStep, ... Rows that do not exist have some other row's: they are
// never stored. No load depends on a condition that differs by lane, so that all are under way together.
template <int kCount, int kStep>
struct RowTerms {
  float factor[kCount];
  float bias[kCount];

  __device__ __forceinline__ void load(const GemmParams &p, int row) {
    const PackedRow *rows = reinterpret_cast<const PackedRow *>(p.scales);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      factor[i] = rows[min(row + i * kStep, p.n - 1)].scale;
      bias[i] = 0.0f;
    }
    if (p.bias_dtype == kF32) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) bias[i] = static_cast<const float *>(p.bias)[min(row + i * kStep, p.n - 1)];
    } else if (p.bias_dtype != kNoDtype) {
      uint16_t bits[kCount];
#pragma unroll
      for (int i = 0; i < kCount; ++i) bits[i] = static_cast<const uint16_t *>(p.bias)[min(row + i * kStep, p.n - 1)];
#pragma unroll
      for (int i = 0; i < kCount; ++i) bias[i] = p.bias_dtype == kBf16 ? f32_from_bf16(bits[i]) : f32_of_f16(bits[i]);
    }
  }

  __device__ __forceinline__ float finish(int i, float alpha, float sum) const {
    return fmaf(alpha * factor[i], sum, bias[i]);
  }
};
using FourTerms = RowTerms<4, 1>;

// Whether four neighbouring elements of a row of a tensor of y_dtype can be moved at once, from any multiple of four.
__device__ __forceinline__ bool fours_aligned(const void *tensor, int64_t stride, uint32_t dtype) {
  return stride % 4 == 0 && reinterpret_cast<uint64_t>(tensor) % (dtype == kF32 ? 16 : 8) == 0;
}

// Whether Y is plain, and rows are whole 16 bytes that lie as such: what the copy engine can store.
__device__ __forceinline__ bool stores_in_bulk(const GemmParams &p) {
  return (kOnlyPlain ||
          ((kFp8 ? p.y_dtype != kF32 : p.y_dtype == kX) && p.activation == kActivationNone && p.residual == nullptr)) &&
         p.n % 8 == 0 && p.y_stride % 8 == 0 && reinterpret_cast<uint64_t>(p.y) % 16 == 0;
}

struct Output {
  bool fours;           // of y
  bool residual_fours;  // of residual

  __device__ __forceinline__ explicit Output(const GemmParams &p) {
    fours = fours_aligned(p.y, p.y_stride, p.y_dtype);
    residual_fours = fours_aligned(p.residual, p.residual_stride, p.y_dtype);
  }
};

__device__ __forceinline__ void load_fours(const void *tensor, int64_t index, uint32_t dtype, float (&values)[4]) {
  if (dtype == kF32) {
    const float4 four = *reinterpret_cast<const float4 *>(static_cast<const float *>(tensor) + index);
    values[0] = four.x, values[1] = four.y, values[2] = four.z, values[3] = four.w;
  } else {
    const uint2 four = *reinterpret_cast<const uint2 *>(static_cast<const uint16_t *>(tensor) + index);
    if (dtype == kBf16) {
      unpack_pair<kBf16>(four.x, values[0], values[1]);
      unpack_pair<kBf16>(four.y, values[2], values[3]);
    } else {
      unpack_pair<kF16>(four.x, values[0], values[1]);
      unpack_pair<kF16>(four.y, values[2], values[3]);
    }
  }
}

__device__ __forceinline__ void store_fours(void *tensor, int64_t index, uint32_t dtype, const float (&values)[4]) {
  if (dtype == kF32) {
    *reinterpret_cast<float4 *>(static_cast<float *>(tensor) + index) =
        make_float4(values[0], values[1], values[2], values[3]);
  } else {
    const uint2 four = dtype == kBf16
                           ? make_uint2(pack_pair<kBf16>(values[0], values[1]), pack_pair<kBf16>(values[2], values[3]))
                           : make_uint2(pack_pair<kF16>(values[0], values[1]), pack_pair<kF16>(values[2], values[3]));
    *reinterpret_cast<uint2 *>(static_cast<uint16_t *>(tensor) + index) = four;
  }
}

// Y of four rows, of which the first and the token exist.
__device__ __forceinline__ void write_four(const GemmParams &p, const Output &out, const FourTerms &terms, float4 sum,
                                           int64_t token, int row) {
  float values[4] = {terms.finish(0, p.alpha, sum.x), terms.finish(1, p.alpha, sum.y), terms.finish(2, p.alpha, sum.z),
                     terms.finish(3, p.alpha, sum.w)};
  const int64_t y_index = token * p.y_stride + row;
  if (p.activation != kActivationNone) {
#pragma unroll 1
    for (int i = 0; i < 4; ++i) {  // turned, since registers have no index and the code is long
      const float first = activate(p.activation, values[0]);
      values[0] = values[1], values[1] = values[2], values[2] = values[3], values[3] = first;
    }
  }
  const bool whole = row + 3 < p.n;
  if (p.residual != nullptr) {
    const int64_t index = token * p.residual_stride + row;
    float residual[4];
    if (whole && out.residual_fours) {
      load_fours(p.residual, index, p.y_dtype, residual);
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) residual[i] = row + i < p.n ? load_element(p.residual, index + i, p.y_dtype) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) values[i] += residual[i];
  }
  if (whole && out.fours) {
    store_fours(p.y, y_index, p.y_dtype, values);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (row + i >= p.n) continue;
    if (p.y_dtype == kF32) {
      static_cast<float *>(p.y)[y_index + i] = values[i];
    } else {
      store_element(p.y, y_index + i, p.y_dtype, values[i]);
    }
  }
}

// Any Y: a warp's rows from `first_row` on, some tokens at a time through its columns of `staging`. The sums move down
// from part to part: registers have no index, and this code, which is long, is there once.
template <int kTileTokens>
__device__ __forceinline__ void write_sums(const GemmParams &p, Sums<kTileTokens> &sums, const TokenScales &scales,
                                           float *staging, const TilePlace &place, int warp, int lane) {
  constexpr int kFours = kWarpRows / 4;  // lanes of a token
  constexpr int kTokens = kTileTokens / CLUSTER_K;
  constexpr int kPartTokens = kTokens <= 32 ? kTokens / 2 : kTokens % 32 == 0 ? 32 : 16;
  constexpr int kPartSums = kPartTokens / 2;
  static_assert(kTokens % kPartTokens == 0, "parts are whole");
  static_assert(kPartTokens * kTilePitch * 4 <= kStagingBytes, "a part fits");
  const int g = lane / 4, t = lane % 4;
  const int row = place.row + warp * kWarpRows + lane % kFours * 4;
  const Output out(p);
  FourTerms terms;
  terms.load(p, row);
  float *const column = staging + 2 * t * kTilePitch + warp * kWarpRows + g;
  const float *const four = staging + warp * kWarpRows + lane % kFours * 4;
#pragma unroll 1
  for (int first = 0; first < place.tokens; first += kPartTokens) {
    __syncwarp();
#pragma unroll
    for (int r = 0; r < kBlocks; ++r) {
#pragma unroll
      for (int i = 0; i < kPartSums; i += 2) {
        float pair[2] = {sums[r][i], sums[r][i + 1]};
        scales.apply(first / 2 + i, pair[0], pair[1]);
        column[i / 4 * 8 * kTilePitch + r * 16 + i / 2 % 2 * 8] = pair[0];
        column[(i / 4 * 8 + 1) * kTilePitch + r * 16 + i / 2 % 2 * 8] = pair[1];
      }
#pragma unroll
      for (int i = kPartSums; i < kTokens / 2; ++i) sums[r][i - kPartSums] = sums[r][i];
    }
    __syncwarp();
    const int tokens = min(kPartTokens, p.m - place.token - first);
    if (row >= p.n) continue;
#pragma unroll 1
    for (int token = lane / kFours; token < tokens; token += 32 / kFours) {
      const float4 sum = *reinterpret_cast<const float4 *>(four + token * kTilePitch);
      write_four(p, out, terms, sum, place.token + first + token, row);
    }
  }
}

// Plain Y: a warp's part of the tile in shared memory. `at` is where its first row and token stand.
using PlainTerms = RowTerms<2 * kBlocks, 8>;  // rows g and g + 8 of each block

// Of kTokens tokens, or if `few` of the first kFew.
template <uint32_t kY, int kTokens, int kFew, int kSums>
__device__ __forceinline__ void stage_plain(const PlainTerms &terms, float alpha, const float (&sums)[kBlocks][kSums],
                                            bool few, const TokenScales &scales, uint32_t at, int lane) {
  // Four matrices of 8 tokens x 8 rows a time: of two blocks, or with one block of 16 tokens.
  constexpr int kStep = kBlocks == 1 ? 16 : 8;
  const int matrix = lane / 8;
  const int column = kBlocks == 1 ? matrix % 2 : matrix, token = kBlocks == 1 ? matrix / 2 * 8 : 0;
  at += (token + lane % 8) * kYPitch + column * 16;
#pragma unroll
  for (int i = 0; i < (kTokens + kStep - 1) / kStep; ++i) {
    if (i == (kFew + kStep - 1) / kStep && few) break;
    uint32_t pairs[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int r = kBlocks == 1 ? 0 : j / 2, half = j % 2;
      const int first = kBlocks == 1 ? 8 * i + j / 2 * 4 + 2 * half : 4 * i + 2 * half;
      float pair[2] = {sums[r][first], sums[r][first + 1]};
      scales.apply(first, pair[0], pair[1]);
      pairs[j] = pack_pair<kY>(terms.finish(2 * r + half, alpha, pair[0]), terms.finish(2 * r + half, alpha, pair[1]));
    }
    store_matrices_transposed(at + i * kStep * kYPitch, pairs);
  }
}

// A storing thread: hands every `step`-th token of the tile to the copy engine, and is back when those have been read.
__device__ __forceinline__ void store_plain(const GemmParams &p, uint32_t staging, const TilePlace &place, int token,
                                            int step) {
  const uint32_t bytes = 2 * min(TILE_ROWS, p.n - place.row);
  const int tokens = min(place.tokens, p.m - place.token);
  uint16_t *y = static_cast<uint16_t *>(p.y) + (place.token + token) * p.y_stride + place.row;
  for (; token < tokens; token += step) {
    bulk_store(y, staging + token * kYPitch, bytes);
    y += step * p.y_stride;
  }
  bulk_stores_read();
}

// All consumers copy a tile: eight rows of a token at a time, or one by one.
__device__ __forceinline__ void copy_plain(const GemmParams &p, const uint8_t *staging, const TilePlace &place,
                                           bool in_bulk, int thread) {
  constexpr int kEights = TILE_ROWS / 8, kStep = kConsumers / kEights;
  static_assert(kConsumers % kEights == 0, "a thread keeps its rows");
  const int row = place.row + thread % kEights * 8;
  if (row >= p.n) return;
  const int tokens = min(place.tokens, p.m - place.token);
  uint16_t *const y = static_cast<uint16_t *>(p.y) + place.token * p.y_stride + row;
  staging += thread % kEights * 16;
  if (in_bulk) {
#pragma unroll 4
    for (int token = thread / kEights; token < tokens; token += kStep) {
      *reinterpret_cast<uint4 *>(y + token * p.y_stride) = *reinterpret_cast<const uint4 *>(staging + token * kYPitch);
    }
  } else {
#pragma unroll 1
    for (int token = thread / kEights; token < tokens; token += kStep) {
      const uint16_t *const from = reinterpret_cast<const uint16_t *>(staging + token * kYPitch);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        if (row + i < p.n) y[token * p.y_stride + i] = from[i];
      }
    }
  }
}

}  // namespace
}  // namespace quern

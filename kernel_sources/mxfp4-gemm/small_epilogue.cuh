// The end of small_sm90a.cu: warpgroups leave the sums of the CTA's share of the tokens in shared memory, [part of K]
// [token][row] in f32; then all threads add the parts, in order, and write Y along its rows.
#pragma once

#include <quern/activation.h>
#include <quern/element_io.cuh>
#include <quern/shared_memory.cuh>

#include "small_plan.cuh"

namespace quern {
namespace {

__device__ __forceinline__ void store_sums(float *shared_sums, const float (&sums)[GROUP_TILES][TILE_TOKENS / 2],
                                           int row_group, int k_group, int warp) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int g = lane / 4, t = lane % 4;
#pragma unroll
  for (int r = 0; r < GROUP_TILES; ++r) {
    const int row = 64 * (row_group * GROUP_TILES + r) + 16 * warp + g;
    float *at = shared_sums + (k_group * kShareTokens + 2 * t) * kSumStride + row;
#pragma unroll
    for (int i = 0; i < kShareTokens / 2; ++i) {
      at[(i / 4 * 8 + i % 2) * kSumStride + i % 4 / 2 * 8] = sums[r][i];
    }
  }
}

// Four rows of a token, summed over the parts of K.
__device__ __forceinline__ float4 collect(uint32_t sums, int token, int row) {
  float4 parts[K_GROUPS];
#pragma unroll
  for (int i = 0; i < K_GROUPS; ++i) {
    parts[i] = load_shared_f32x4(sums + 4 * ((i * kShareTokens + token) * kSumStride + row));
  }
#pragma unroll
  for (int i = 1; i < K_GROUPS; ++i) add_to(parts[0], parts[i]);
  return parts[0];
}

// What a thread writes: four rows of some tokens.
struct Quad {
  uint32_t sums;  // all of them, in shared memory
  float4 scale;
  float4 bias;
  int row;          // in the cluster's rows
  int64_t y_row;    // in W
  int rows;         // that exist, of four
  int64_t y_token;  // the first of the CTA's share
  int first_token;  // of the share
  int tokens;       // of the share that exist
};
constexpr int kRowThreads = kRows / 4;
constexpr int kTokenStep = kThreads / kRowThreads;
constexpr int kTokenUnroll = K_GROUPS == 1 ? 4 : 2;
static_assert(kThreads % kRowThreads == 0, "a thread keeps its rows");

__device__ __forceinline__ void finish_four(float alpha, const Quad &quad, int token, float (&values)[4]) {
  const float4 sum = collect(quad.sums, token, quad.row);
  values[0] = fmaf(alpha, sum.x * quad.scale.x, quad.bias.x);
  values[1] = fmaf(alpha, sum.y * quad.scale.y, quad.bias.y);
  values[2] = fmaf(alpha, sum.z * quad.scale.z, quad.bias.z);
  values[3] = fmaf(alpha, sum.w * quad.scale.w, quad.bias.w);
}

// Four aligned elements of f16 or bf16 at once, nothing but alpha and bias: the common case.
template <uint32_t kDtype>
__device__ __forceinline__ void write_wide(const GemmParams &p, const Quad &quad) {
  uint16_t *y = static_cast<uint16_t *>(p.y) + (quad.y_token + quad.first_token) * p.y_stride + quad.y_row;
  const int64_t step = kTokenStep * p.y_stride;
#pragma unroll kTokenUnroll
  for (int token = quad.first_token; token < quad.tokens; token += kTokenStep, y += step) {
    float values[4];
    finish_four(p.alpha, quad, token, values);
    *reinterpret_cast<uint2 *>(y) =
        make_uint2(pack_pair<kDtype>(values[0], values[1]), pack_pair<kDtype>(values[2], values[3]));
  }
}

// Everything else; four elements at once where `wide`.
__device__ __forceinline__ void write_any(const GemmParams &p, const Quad &quad, bool wide) {
#pragma unroll 1
  for (int token = quad.first_token; token < quad.tokens; token += kTokenStep) {
    float values[4];
    finish_four(p.alpha, quad, token, values);
    const int64_t y_token = quad.y_token + token;
    const int64_t index = y_token * p.y_stride + quad.y_row;
#pragma unroll 1
    for (int i = 0; i < 4; ++i) {
      float value = activate(p.activation, values[0]);
      if (i < quad.rows) {
        if (p.residual != nullptr) {
          value += load_element(p.residual, y_token * p.residual_stride + quad.y_row + i, p.y_dtype);
        }
        if (!wide) store_element(p.y, index + i, p.y_dtype, value);
      }
      values[0] = values[1];  // round and round, since registers have no index
      values[1] = values[2];
      values[2] = values[3];
      values[3] = value;
    }
    if (wide && p.y_dtype == kF32) {
      *reinterpret_cast<float4 *>(static_cast<float *>(p.y) + index) =
          make_float4(values[0], values[1], values[2], values[3]);
    } else if (wide) {
      *reinterpret_cast<uint2 *>(static_cast<uint16_t *>(p.y) + index) =
          p.y_dtype == kBf16
              ? make_uint2(pack_pair<kBf16>(values[0], values[1]), pack_pair<kBf16>(values[2], values[3]))
              : make_uint2(pack_pair<kF16>(values[0], values[1]), pack_pair<kF16>(values[2], values[3]));
    }
  }
}

// `row_values` holds the scales, then the biases of the cluster's rows.
__device__ __forceinline__ void write_share(const GemmParams &p, const Share &share, uint32_t shared_sums,
                                            const float *row_values) {
  Quad quad;
  quad.row = static_cast<int>(threadIdx.x) % kRowThreads * 4;
  quad.y_row = share.first_strip * kPackedTileRows + quad.row;
  quad.rows = min(min(p.n - share.first_strip * kPackedTileRows, share.strips * kPackedTileRows) - quad.row, 4);
  if (quad.rows <= 0) return;
  quad.scale = *reinterpret_cast<const float4 *>(row_values + quad.row);
  quad.bias = *reinterpret_cast<const float4 *>(row_values + kRows + quad.row);
  quad.y_token = share.first_token + share.rank * kShareTokens;
  quad.tokens = min(p.m - static_cast<int>(quad.y_token), kShareTokens);
  quad.first_token = static_cast<int>(threadIdx.x) / kRowThreads;
  quad.sums = shared_sums;
  const uint32_t y_bytes = p.y_dtype == kF32 ? 16 : 8;  // of four elements
  const bool wide = quad.rows == 4 && p.y_stride % 4 == 0 && reinterpret_cast<uint64_t>(p.y) % y_bytes == 0;
  const bool plain = wide && p.activation == kActivationNone && p.residual == nullptr;
  if (plain && p.y_dtype == kBf16) {
    write_wide<kBf16>(p, quad);
  } else if (plain && p.y_dtype == kF16) {
    write_wide<kF16>(p, quad);
  } else {
    write_any(p, quad, wide);
  }
}

}  // namespace
}  // namespace quern

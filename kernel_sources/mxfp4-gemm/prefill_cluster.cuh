// A tile of prefill_sm90a.cu or fp8_sm90a.cu that the CTAs of a cluster share: how they add their parts and write it.
#pragma once

#include <quern/cluster.cuh>

#include "prefill_epilogue.cuh"

namespace quern {
namespace {

// The CTAs of a cluster hold parts of the same tile. Each takes a share of its tokens, gets the others' parts of them,
// which they send in chunks, and adds all in the order of the ranks.
struct SharedTile {
  int rank;
  int tokens;  // of the tile, that exist

  __device__ __forceinline__ int begin(int of_rank) const { return tokens * of_rank / CLUSTER_K; }
  // Where the part of rank `from` arrives in CTA `to`.
  static __device__ __forceinline__ uint32_t received_at(int from, int to) {
    return kReceiveAt + static_cast<uint32_t>(from < to ? from : from - 1) * kShareBytes;
  }

  // A chunk's first token, counted from the share's.
  __device__ __forceinline__ int chunk_begin(int of_rank, int chunk) const {
    return (begin(of_rank + 1) - begin(of_rank)) * chunk / kChunks;
  }

  // One thread, before the CTA arrives at the cluster's barrier.
  __device__ __forceinline__ void expect(Stages stages) const {
    for (int i = 0; i < kChunks; ++i) {
      const int count = chunk_begin(rank, i + 1) - chunk_begin(rank, i);
      mbarrier_arrive_expect(stages.received(i), (CLUSTER_K - 1) * count * kTilePitch * 4);
    }
  }

  // One thread, after the CTA's sums are staged and all CTAs have arrived there.
  __device__ __forceinline__ void send(Stages stages) const {
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      for (int i = 1; i < CLUSTER_K; ++i) {
        const int to = (rank + i) % CLUSTER_K;  // each begins with another
        const int first = chunk_begin(to, chunk);
        const uint32_t bytes = (chunk_begin(to, chunk + 1) - first) * kTilePitch * 4;
        if (bytes == 0) continue;
        asm volatile(
            "{.reg .b32 there, barrier; mapa.shared::cluster.u32 there, %0, %4;"
            " mapa.shared::cluster.u32 barrier, %3, %4;"
            " cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [there], [%1], %2, [barrier];}" ::
                "r"(stages.base + received_at(rank, to) + first * kTilePitch * 4),
            "r"(stages.base + (begin(to) + first) * kTilePitch * 4), "r"(bytes), "r"(stages.received(chunk)), "r"(to)
            : "memory");
      }
    }
  }

  __device__ __forceinline__ void write(const GemmParams &p, const Output &out, const FourTerms &terms, Stages stages,
                                        int first_row, int first_token, int thread) const {
    constexpr int kFours = TILE_ROWS / 4;
    constexpr int kStep = kConsumers / kFours;  // tokens of the CTA at a time
    static_assert(kConsumers % kFours == 0, "a thread keeps its rows");
    const int row = first_row + thread % kFours * 4;
    if (row >= p.n) return;
    uint32_t parts[CLUSTER_K];
#pragma unroll
    for (int i = 0; i < CLUSTER_K; ++i) {
      parts[i] = stages.base + thread % kFours * 16 +
                 (i == rank ? 0u : received_at(i, rank) - static_cast<uint32_t>(begin(rank)) * kTilePitch * 4);
    }
    const auto add_parts = [&](int token) {
      float4 sum = load_shared_f32x4(parts[0] + token * kTilePitch * 4);
#pragma unroll
      for (int i = 1; i < CLUSTER_K; ++i) {
        const float4 part = load_shared_f32x4(parts[i] + token * kTilePitch * 4);
        sum.x += part.x;
        sum.y += part.y;
        sum.z += part.z;
        sum.w += part.w;
      }
      if constexpr (kFp8) {
        const float scale = p.x_scales[first_token + token];
        sum.x *= scale;
        sum.y *= scale;
        sum.z *= scale;
        sum.w *= scale;
      }
      return sum;
    };
    uint16_t *const y = static_cast<uint16_t *>(p.y) + first_token * p.y_stride + row;
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      const int end = begin(rank) + chunk_begin(rank, chunk + 1);
      int token = begin(rank) + chunk_begin(rank, chunk) + thread / kFours;
      mbarrier_wait(stages.received(chunk), 0);
      if (out.plain) {
#pragma unroll 2
        for (; token < end; token += kStep) {
          const float4 sum = add_parts(token);
          const float values[4] = {terms.finish(0, p.alpha, sum.x), terms.finish(1, p.alpha, sum.y),
                                   terms.finish(2, p.alpha, sum.z), terms.finish(3, p.alpha, sum.w)};
          if constexpr (kFp8) {
            store_fours(y, token * p.y_stride, p.y_dtype, values);
          } else {
            *reinterpret_cast<uint2 *>(y + token * p.y_stride) =
                make_uint2(pack_pair<kX>(values[0], values[1]), pack_pair<kX>(values[2], values[3]));
          }
        }
      } else {
#pragma unroll 1
        for (; token < end; token += kStep) write_four(p, out, terms, add_parts(token), first_token + token, row);
      }
    }
  }

  static __device__ __forceinline__ float4 load_shared_f32x4(uint32_t address) {
    float4 value;
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(value.x), "=f"(value.y), "=f"(value.z), "=f"(value.w)
                 : "r"(address)
                 : "memory");
    return value;
  }
};

// A consumer's sums into the CTA's tile.
__device__ __forceinline__ void stage_sums(const Sums &sums, float *tile, int warp_row, int lane) {
  const int g = lane / 4, t = lane % 4;
  float *const column = tile + 2 * t * kTilePitch + warp_row + g;
#pragma unroll
  for (int r = 0; r < kBlocks; ++r) {
#pragma unroll
    for (int i = 0; i < TILE_TOKENS / 2; ++i) {
      column[(i / 4 * 8 + i % 2) * kTilePitch + r * 16 + i / 2 % 2 * 8] = sums[r][i];
    }
  }
}

}  // namespace
}  // namespace quern

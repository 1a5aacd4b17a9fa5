// X, not by the copy engine, which works in order: X would wait there for weights asked for before. Columns beyond k
// become zeros. There are three ways. One token is loaded whole, through registers. Of more, a stage's part comes into
// the same slot as its weights, by cp.async: each warp loads what it will read, which is soonest there and best for
// many tokens, or X_WARPS warps do nothing else, which is fewest instructions for few.
#pragma once

#include <quern/shared_memory.cuh>
#include <quern/word_parts.cuh>

#include "decode_load.cuh"

namespace quern {
namespace {

// The CTA's part of one token, by the warps that multiply, through registers: each says how large the largest element
// is that it has seen, as bits without a sign. All is there when they have met behind this.
__device__ __forceinline__ void load_all_x(const GemmParams &p, const Plan &plan, uint32_t shared) {
  constexpr int kAtOnce = 4;
  const int warp = static_cast<int>(threadIdx.x) / 32, end = plan.k_tiles * kPackedTileK;
  const auto *x = static_cast<const uint16_t *>(p.x);
  uint32_t largest = 0;  // of both halves
  for (int first = 8 * static_cast<int>(threadIdx.x); first < end; first += kAtOnce * 8 * kThreads) {
    uint4 eights[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int at = first + i * 8 * kThreads;
      eights[i] = make_uint4(0, 0, 0, 0);
      if (at < p.k) eights[i] = *reinterpret_cast<const uint4 *>(x + at);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int at = first + i * 8 * kThreads;
      if (at < end) store_shared_16(shared + plan.x_at + 2 * static_cast<uint32_t>(at), eights[i]);
      largest = max_of_halves(max_of_halves(largest, eights[i].x & 0x7fff7fffu), eights[i].y & 0x7fff7fffu);
      largest = max_of_halves(max_of_halves(largest, eights[i].z & 0x7fff7fffu), eights[i].w & 0x7fff7fffu);
    }
  }
  largest = __reduce_max_sync(0xffffffffu, max(largest & 0xffffu, largest >> 16));
  if (threadIdx.x % 32 == 0) store_shared_4(shared + plan.largest_x(warp), largest);
}

// What X is multiplied by, and the sums afterwards.
struct XScale {
  uint32_t factors = 0;  // bf16, twice
  float back = 1.0f;

  // Once all warps have loaded their parts of X.
  __device__ __forceinline__ XScale(const Plan &plan, uint32_t shared) {
    if constexpr (kAllX && kX == kBf16) {
      static_assert(WARPS % 4 == 0 || !kAllX, "four at once");
      uint32_t largest = 0;
#pragma unroll
      for (int warp = 0; warp < WARPS; warp += 4) {
        const uint4 four = load_shared_16(shared + plan.largest_x(warp));
        largest = max(max(max(largest, four.x), max(four.y, four.z)), four.w);
      }
      const int exponent = min(96 + 127 - static_cast<int>(largest >> 7), 126);  // 2^-126 is the least back
      factors = static_cast<uint32_t>(exponent + 127) * (1u << 7 | 1u << 23);
      back = f32_from_bits(static_cast<uint32_t>(127 - exponent) << 23);
    }
  }

  __device__ __forceinline__ void apply(uint32_t (&x)[8]) const {
    if constexpr (kX == kBf16) {
#pragma unroll
      for (int i = 0; i < 8; ++i) x[i] = multiply_bf16x2(x[i], factors);
    }
  }
};

// A warp's part of X, stage by stage, one cp.async group each, always in the same place of a slot, which the warp alone
// writes and reads.
// Lanes 8 r + c copy 16 bytes of the tokens r, r + 4, ...
class OwnXLoader {
 public:
  __device__ __forceinline__ OwnXLoader(const GemmParams &p, const Plan &plan, int warp, int lane)
      : tail_(plan, warp),
        source_(static_cast<const uint8_t *>(p.x) + 2 * (lane / 8 * p.x_stride)),
        four_rows_(8 * p.x_stride),
        tokens_(p.m - lane / 8),
        columns_(p.k),
        first_column_(warp * plan.step * kPackedTileK + lane % 8 * 8),
        column_(first_column_),
        lane_offset_(static_cast<uint32_t>(plan.pass_strips) * plan.strip_bytes +
                     static_cast<uint32_t>(lane / 8) * plan.x_row_bytes +
                     static_cast<uint32_t>(lane % 8 * 16 + warp * plan.step * 2 * kPackedTileK)),
        stages_left_(plan.passes * plan.pass_stages) {}

  // Start the next stage's copies, if there is one, and end their group.
  __device__ __forceinline__ void start_next(const Plan &plan, uint32_t slot) {
    if (stages_left_ > 0) {
      --stages_left_;
      int column = column_, count = plan.step;
      uint32_t destination = slot + lane_offset_;
      if (stage_ == plan.full_stages) {
        column += tail_.shift * kPackedTileK;
        count = tail_.count;
      }
#pragma unroll 1
      for (; count > 0; --count) {
        const bool valid = column < columns_;
        const uint8_t *source = source_ + 2 * static_cast<int64_t>(valid ? column : 0);
#pragma unroll
        for (int token = 0; token < TOKENS; token += 4) {
          if (token < tokens_) copy_async_16(destination + token * plan.x_row_bytes, source, valid);
          source += four_rows_;
        }
        column += kPackedTileK;
        destination += 2 * kPackedTileK;
      }
      column_ += WARPS * plan.step * kPackedTileK;
      if (++stage_ == plan.pass_stages) {
        stage_ = 0;
        column_ = first_column_;
      }
    }
    copy_async_commit();
  }

 private:
  const Tail tail_;
  const uint8_t *source_;
  const int64_t four_rows_;  // bytes
  const int tokens_, columns_, first_column_;
  int column_;
  const uint32_t lane_offset_;
  int stage_ = 0, stages_left_;
};

// For all warps, by X_WARPS others.
class SharedXLoader {
 public:
  __device__ __forceinline__ SharedXLoader(const GemmParams &p, const Plan &plan, uint32_t shared, int thread)
      : p_(p), plan_(plan), shared_(shared), column_(8 * thread) {
    destination_ = shared + plan.ring_at + static_cast<uint32_t>(plan.pass_strips) * plan.strip_bytes +
                   static_cast<uint32_t>(16 * thread);
  }

  // Only after earlier kernels have ended.
  __device__ __forceinline__ void load() const {
    for (StageSequence at(plan_); !at.done(plan_); at.advance(plan_)) {
      mbarrier_wait(shared_ + plan_.empty_barrier(at.position.slot), at.position.parity ^ 1u);
      copy(at);
    }
  }

 private:
  __device__ __forceinline__ void copy(const StageSequence &at) const {
    constexpr int kThreads = 32 * X_WARPS;
    int column = column_ + at.stage * WARPS * plan_.step * kPackedTileK;
    const int end = (at.stage * WARPS * plan_.step + plan_.stage_tiles(at.stage)) * kPackedTileK;
    uint32_t to = destination_ + at.position.slot * plan_.slot_bytes;
    for (; column < end; column += 8 * kThreads) {
      const bool valid = column < p_.k;
      const uint8_t *source = static_cast<const uint8_t *>(p_.x) + 2 * static_cast<int64_t>(valid ? column : 0);
      const int64_t stride = valid ? 2 * p_.x_stride : 0;
      uint32_t destination = to;
#pragma unroll 4
      for (int token = 0; token < p_.m; ++token) {
        copy_async_16(destination, source, valid);
        source += stride;
        destination += plan_.x_row_bytes;
      }
      to += 16 * kThreads;
    }
    mbarrier_arrive_after_copies(shared_ + plan_.full_barrier(at.position.slot));
  }

  const GemmParams &p_;
  const Plan &plan_;
  uint32_t shared_;
  int column_;            // of the thread's first 16 bytes
  uint32_t destination_;  // of the same, in slot 0
};

}  // namespace
}  // namespace quern

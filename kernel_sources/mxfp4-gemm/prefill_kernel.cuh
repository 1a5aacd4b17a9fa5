// The kernel of prefill_sm90a.cu and fp8_sm90a.cu, which say what it does. Before it they include their main loop
// (prefill_multiply.cuh or fp8_multiply.cuh) and say how many registers each kind of thread gets.
#pragma once

#include <quern/registers.cuh>

#include "prefill_epilogue.cuh"

extern __shared__ __align__(1024) uint8_t memory[];

namespace quern {
namespace {

// What a launch gives each thread. Consumers that want more than there is would wait for ever.
constexpr int kLaunchRegisters = 65536 / (kMinCtas * kThreads) / 8 * 8;
static_assert(kConsumerRegisters * kConsumers + kProducerRegisters * 128 <= kLaunchRegisters * kThreads,
              "what the launch gives is moved, not made");

// Stages whose weights are asked for before an earlier kernel has ended, X after it. More would delay the first X where
// it has ended already.
constexpr int kEarlyStages = STAGES < 2 ? STAGES : 2;

// The thread that copies W and X in.
class Producer {
 public:
  __device__ __forceinline__ Producer(const Work &work, Stages stages, const TensorMap &x_map, const TensorMap &w_map)
      : work_(work), stages_(stages), x_map_(x_map), w_map_(w_map) {}

  __device__ __forceinline__ void run() {
    if (work_.count > 0) {
      if (work_.in_tail(0)) {
        begin<kTailTokens>();
      } else {
        begin<TILE_TOKENS>();
      }
    }
    wait_for_earlier_kernels();
#pragma unroll 1
    for (int i = 0; i < work_.count; ++i) {
      if (work_.in_tail(i)) {
        fill<kTailTokens>(i);
      } else {
        fill<TILE_TOKENS>(i);
      }
    }
  }

 private:
  template <int kTokens>
  __device__ __forceinline__ void begin() {
    const TilePlace place = work_.place(0);
    const Range range = work_.range(0);
#pragma unroll 1
    for (; early_ < kEarlyStages && early_ * STAGE_TILES < range.count; ++early_) {
      load_weights<kTokens>(place, range, early_ * STAGE_TILES, early_);
    }
  }

  // Announces what the stage will get from packed tile `k` on, and asks for its weights.
  template <int kTokens>
  __device__ __forceinline__ void load_weights(const TilePlace &place, const Range &range, int k, uint32_t slot) const {
    const int tiles = min(STAGE_TILES, range.count - k);
    constexpr int kLoadedTokens = (kTokens + kXBoxTokens - 1) / kXBoxTokens * kXBoxTokens;  // whole boxes
    mbarrier_arrive_expect(stages_.full(slot),
                           kWeightBytes + (tiles + kXBoxTiles - 1) / kXBoxTiles * kLoadedTokens * 128);
    tensor_copy(stages_.weights(slot), w_map_, (range.begin + k) * kPackedTileWords, place.row / kPackedTileRows,
                stages_.full(slot));
  }

  template <int kTokens>
  __device__ __forceinline__ void fill(int i) {
    const TilePlace place = work_.place(i);
    const Range range = work_.range(i);
    if (kFixedSlots) slot_ = 0;
#pragma unroll 1
    for (int first = 0; first < range.count; first += STAGE_TILES) {
      if (early_ > 0) {
        --early_;
      } else {
        mbarrier_wait(stages_.empty(slot_), parities_ >> slot_ & 1u);
        load_weights<kTokens>(place, range, first, slot_);
      }
      parities_ ^= 1u << slot_;
#pragma unroll
      for (int tile = 0; tile < STAGE_TILES; tile += kXBoxTiles) {
        const int k = first + tile;
        if (k >= range.count) continue;
#pragma unroll 1
        for (int token = 0; token < kTokens; token += kXBoxTokens) {
          tensor_copy(stages_.x(slot_) + tile / kXBoxTiles * kXBoxBytes + token * 128, x_map_,
                      (range.begin + k) * (kPackedTileK / kXBoxTiles), place.token + token, stages_.full(slot_));
        }
      }
      slot_ = slot_ + 1 == STAGES ? 0 : slot_ + 1;
    }
  }

  const Work &work_;
  const Stages stages_;
  const TensorMap &x_map_;
  const TensorMap &w_map_;
  int early_ = 0;                       // stages that have their weights
  uint32_t slot_ = 0, parities_ = ~0u;  // of each slot's next empty phase
};

// One of the arrivals that tell the other CTA of a tile that is split that it can send.
__device__ __forceinline__ void let_other_send(Stages stages) {
  mbarrier_arrive_cluster(cluster_address(stages.can_send(), cluster_rank() ^ 1));
}

// One of kStorers threads that hand finished tiles of plain Y to the copy engine while the consumers multiply the next.
__device__ __forceinline__ void store_tiles(const GemmParams &p, const Work &work, Stages stages, int storer) {
  wait_for_earlier_kernels();
  uint32_t parity = 0;
  for (int i = 0; i + 1 < work.count; ++i) {
    mbarrier_wait(stages.staged(), parity);
    parity ^= 1u;
    store_plain(p, stages.base + kStagingAt, work.place(i), storer, kStorers);
    mbarrier_arrive(stages.stored());
  }
  if (work.tail_is_split() && work.in_tail(work.count - 1)) let_other_send(stages);
  bulk_stores_wait();
}

// The field offsets of a lane's rows g and g + 8 of every strip. Strips that do not exist have another's: their codes
// are zeros.
struct FieldOffsets {
  int offset[2 * kBlocks];

  __device__ __forceinline__ void load(const GemmParams &p, int row) {
    const PackedRow *rows = reinterpret_cast<const PackedRow *>(p.scales);
#pragma unroll
    for (int i = 0; i < 2 * kBlocks; ++i) offset[i] = rows[min(row + 8 * i, p.n - 1)].field_offset;
  }
};

// What a consumer thread has for all tiles.
struct ConsumerThread {
  int lane, warp;
  Consumer consumer;
  FieldOffsets fields;  // of the next tile

  __device__ __forceinline__ int row_in_tile() const { return warp * kWarpRows + lane / 4; }
};

// Where tile i lies; of one that a cluster shares, this CTA's part.
template <bool kInTail>
__device__ __forceinline__ TilePlace own_place(const Work &work, int i, int rank) {
  const TilePlace place = work.place(i);
  if (CLUSTER_K > 1) return place.share<kShareTokens>(rank);
  return kInTail && work.tail_is_split() ? place.share<kTailShareTokens>(rank) : place;
}

// Sums take so many registers that nothing else can be loaded beside the last of wgmma.
constexpr bool kFull = kBlocks * TILE_TOKENS == (kGroups == 2 ? 256 : 192);

// Multiplies tile i and writes it, or the CTA's share of it.
template <bool kInTail>
__device__ __forceinline__ void finish_tile(const GemmParams &p, const Work &work, bool in_bulk, Stages stages,
                                            ConsumerThread &self, int i, int rank) {
  // What is not stored in bulk is plain only where nothing else is compiled.
  const bool plain = kOnlyPlain ? true : in_bulk;
  in_bulk = kOnlyPlain ? in_bulk : true;  // of what is plain
  constexpr int kTokens = kInTail ? kTailTokens : TILE_TOKENS;
  const bool last = kInTail || CLUSTER_K > 1 || i + 1 == work.count;
  const bool split = kInTail && work.tail_is_split();
  if (kInTail && TAIL_SPLIT > 1) rank = static_cast<int>(cluster_rank());  // anew: registers are scarce
  if constexpr (kFp8) {
    load_token_scales(p, stages.base + kTokenScalesAt, own_place<kInTail>(work, i, rank).token, self.warp, self.lane);
  }
  Sums<kTokens> sums;
  TilePlace place;
  PlainTerms terms;
  const Range k = kInTail ? work.range(i) : work.k;
  if (CLUSTER_K == 1 || k.count > 0) {
    ScaleOffsets offsets;
    scale_offsets(self.fields.offset, offsets);
    multiply_tile<kTokens>(self.consumer, offsets, k.count, sums);
    // While the last steps are multiplied this comes, as far as there are registers.
    place = own_place<kInTail>(work, i, rank);
    if (plain && !kFull) terms.load(p, place.row + self.row_in_tile());
    if (!last) self.fields.load(p, work.place(i + 1).row + self.row_in_tile());
    finish_multiply<kTokens>(self.consumer, sums);
    if (plain && kFull) terms.load(p, place.row + self.row_in_tile());
  } else {
    place = own_place<kInTail>(work, i, rank);
    if (plain) terms.load(p, place.row + self.row_in_tile());
#pragma unroll
    for (int j = 0; j < kTokens / 2; ++j) sums[0][j] = 0.0f;
  }
  uint32_t staging = kStagingAt;
  if constexpr (CLUSTER_K > 1) {
    cluster_wait();  // all CTAs can receive
    parts(stages).share(sums[0], rank, CLUSTER_K, static_cast<int>(threadIdx.x));
  } else if constexpr (TAIL_SPLIT > 1 && kInTail) {
    if (split) {
      mbarrier_wait(stages.can_send(), 0);
      tail_parts(stages).share(sums[0], rank, TAIL_SPLIT, static_cast<int>(threadIdx.x));
      if (kTailInRing) {
        consumers_sync();
        staging = 0;
      }
    }
  }
  const TokenScales scales(memory + kTokenScalesAt, self.warp, self.lane);
  if constexpr (kFp8) scales.wait();
  if (plain) {
    if (in_bulk) mbarrier_wait(stages.stored(), (i & 1) ^ 1u);  // of the tile before
    const uint32_t at = stages.base + staging + 2 * self.warp * kWarpRows;
    constexpr int kAll = kTokens / CLUSTER_K, kFew = kInTail ? kTailShareTokens : kAll;
    if constexpr (kFp8) {
      if (p.y_dtype == kBf16) {
        stage_plain<kBf16, kAll, kFew>(terms, p.alpha, sums, split, scales, at, self.lane);
      } else {
        stage_plain<kF16, kAll, kFew>(terms, p.alpha, sums, split, scales, at, self.lane);
      }
    } else {
      stage_plain<kX, kAll, kFew>(terms, p.alpha, sums, split, scales, at, self.lane);
    }
    if (in_bulk && !last) {
      fence_proxy_shared();
      __syncwarp();
      if (self.lane == 0) mbarrier_arrive(stages.staged());
    } else {
      consumers_sync();
      wait_for_earlier_kernels();
      copy_plain(p, memory + staging, place, in_bulk, static_cast<int>(threadIdx.x));
      if (!in_bulk && !last) consumers_sync();
    }
  } else {
    wait_for_earlier_kernels();
    write_sums<kTokens>(p, sums, scales, reinterpret_cast<float *>(memory + staging), place, self.warp, self.lane);
  }
}

__device__ __forceinline__ void consume(const GemmParams &p, const Work &work, Stages stages, int rank) {
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = __shfl_sync(0xffffffffu, thread / 32, 0);  // known to be the same for a warp
  const int lane = thread % 32;
  ConsumerThread self{lane, warp, {stages, static_cast<uint32_t>(warp * kBlocks) * kStripBytes, lane, {}, {}, 0}, {}};
  const bool in_bulk = stores_in_bulk(p);
  if (work.count > 0) self.fields.load(p, work.place(0).row + self.row_in_tile());
  if constexpr (CLUSTER_K > 1) {  // has one, and ptxas should know (C7514)
    finish_tile<false>(p, work, in_bulk, stages, self, 0, rank);
  } else {
    for (int i = 0; i < work.whole; ++i) finish_tile<false>(p, work, in_bulk, stages, self, i, rank);
    if constexpr (kHasTail) {
      if (work.count > work.whole) finish_tile<true>(p, work, in_bulk, stages, self, work.whole, rank);
    }
  }
}

__device__ __forceinline__ void multiply_packed(const GemmParams &p, const TensorMap &x_map, const TensorMap &w_map) {
  const Stages stages{shared_address(memory)};
  const int rank = CLUSTER_K > 1 ? static_cast<int>(cluster_rank()) : 0;
  const Work work(p, rank, stores_in_bulk(p));
  if (threadIdx.x == kConsumers) {
    tensor_map_prefetch(x_map);
    tensor_map_prefetch(w_map);
    for (int slot = 0; slot < STAGES; ++slot) {
      mbarrier_init(stages.full(slot), 1);
      mbarrier_init(stages.empty(slot), kConsumers / 32);
    }
    mbarrier_init(stages.staged(), kConsumers / 32);
    mbarrier_init(stages.stored(), kStorers);
    if constexpr (CLUSTER_K > 1) parts(stages).expect(kConsumers);
    if constexpr (TAIL_SPLIT > 1) {
      tail_parts(stages).expect(kConsumers);
      mbarrier_init(stages.can_send(), kStorers);
    }
    mbarrier_init_fence();
  }
  __syncthreads();
  if constexpr (kCluster > 1) cluster_arrive_relaxed();
  if constexpr (TAIL_SPLIT > 1) cluster_wait();
  let_later_kernels_start();
  if (threadIdx.x / 128 == kGroups) {
    give_registers_back<kProducerRegisters>();
    if (threadIdx.x == kConsumers) Producer(work, stages, x_map, w_map).run();
    const int storer = (static_cast<int>(threadIdx.x) - kConsumers) / 32 - 1;
    if (CLUSTER_K == 1 && storer >= 0 && threadIdx.x % 32 == 0 && stores_in_bulk(p)) {
      store_tiles(p, work, stages, storer);
    }
    if constexpr (CLUSTER_K > 1) {
      __syncwarp();
      cluster_wait();
    }
  } else {
    take_registers<kConsumerRegisters>();
    consume(p, work, stages, rank);
  }
}

}  // namespace
}  // namespace quern

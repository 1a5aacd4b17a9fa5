// The GEMM kernel for one row of X, where reading and decoding W is all the work. Here the lanes of a vector are four
// rows of W by as many blocks as fit, which is how the bytes lie but for a transposition within 16 bytes. Compiled once
// per Highway target that has vectors.
#if defined(QUERN_GEMM_SINGLE_ROW_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_GEMM_SINGLE_ROW_INL
#undef QUERN_GEMM_SINGLE_ROW_INL
#else
#define QUERN_GEMM_SINGLE_ROW_INL
#endif

#include "runtime/cpu/gemm_weights-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace quern::cpu::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kRowsAbreast = 4;
constexpr int kBlocksAbreast = kLanes / kRowsAbreast;
// Vectors in flight, so that one sum need not wait for itself.
constexpr int kSumsInFlight = HWY_TARGET == HWY_AVX3 ? 4 : 2;
constexpr int kSingleRowColumns = kRowsAbreast * kSumsInFlight;

using Quad = hn::Full128<float>;

// Four values of each of the blocks abreast.
HWY_INLINE hn::Vec<Quad> load_abreast(Quad d, const float *x) { return hn::Load(d, x); }
template <class D>
HWY_INLINE hn::Vec<D> load_abreast(D d, const float *x) {
  const hn::Half<D> half;
  const int blocks = static_cast<int>(hn::Lanes(half)) / kRowsAbreast;
  return hn::Combine(d, load_abreast(half, x + blocks * kMxfp4Block), load_abreast(half, x));
}

// factors[k * kLanes + b * kRowsAbreast + any] = x[b * kMxfp4Block + k]
HWY_INLINE void spread_row(const float *x, float *factors) {
  const Floats d;
  for (int k = 0; k < kMxfp4Block; k += 4, factors += 4 * kLanes) {
    const auto values = load_abreast(d, x + k);
    hn::Store(hn::Broadcast<0>(values), d, factors);
    hn::Store(hn::Broadcast<1>(values), d, factors + kLanes);
    hn::Store(hn::Broadcast<2>(values), d, factors + 2 * kLanes);
    hn::Store(hn::Broadcast<3>(values), d, factors + 3 * kLanes);
  }
}

// The blocks abreast of one row of W. Where there are fewer, 0 follows them.
template <bool kAll>
HWY_INLINE hn::Vec<Words> load_blocks(const uint8_t *at, int blocks) {
  const hn::Repartition<uint8_t, Words> d;
  if constexpr (kAll) return hn::BitCast(Words(), hn::LoadU(d, at));
  alignas(64) uint8_t padded[kBlocksAbreast * kMxfp4Block / 2] = {};
  memcpy(padded, at, static_cast<size_t>(blocks) * (kMxfp4Block / 2));
  return hn::BitCast(Words(), hn::Load(d, padded));
}

template <bool kAll>
HWY_INLINE void load_rows(const WeightRows &rows, int first, int64_t block, int blocks, PackedColumns &packed) {
  const int64_t *offsets = rows.block_offsets + first;
  const uint8_t *at = rows.blocks + block * (kMxfp4Block / 2);
  packed = transpose(load_blocks<kAll>(at + offsets[0], blocks), load_blocks<kAll>(at + offsets[1], blocks),
                     load_blocks<kAll>(at + offsets[2], blocks), load_blocks<kAll>(at + offsets[3], blocks));
}

// sums[v] += eight elements of packed[v] * factors
HWY_INLINE void add_eight(PackedColumns (&packed)[kSumsInFlight], int quarter, const float *factors,
                          hn::Vec<Floats> (&sums)[kSumsInFlight]) {
  const Floats d;
#if HWY_TARGET == HWY_AVX3
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    const auto factor = hn::Load(d, factors + j * kLanes);
#pragma GCC unroll 4
    for (int v = 0; v < kSumsInFlight; ++v) {
      auto &words = packed[v].words[quarter];
      sums[v] = hn::MulAdd(factor, decode_lowest(words), sums[v]);
      words = hn::ShiftRight<4>(words);
    }
  }
#else
  hn::Vec<Floats> elements[kSumsInFlight][8];
#pragma GCC unroll 4
  for (int v = 0; v < kSumsInFlight; ++v) decode_eight(packed[v], quarter, elements[v]);
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    const auto factor = hn::Load(d, factors + j * kLanes);
#pragma GCC unroll 4
    for (int v = 0; v < kSumsInFlight; ++v) sums[v] = hn::MulAdd(factor, elements[v][j], sums[v]);
  }
#endif
}

// For `blocks` blocks, kBlocksAbreast or the fewer that are left, one after the other as add_rows() does:
// sums[n] += scales[b * kTileColumns + n] * (sum over block b of x[k] * element[k, n])
template <bool kAll>
HWY_NOINLINE void add_single_row(const WeightRows &rows, int64_t block, int blocks, const float *factors,
                                 const float *scales, int columns, float *sums) {
  for (int first = 0; first < columns; first += kSingleRowColumns) {
    PackedColumns packed[kSumsInFlight];
    hn::Vec<Floats> block_sums[kSumsInFlight];
#pragma GCC unroll 4
    for (int v = 0; v < kSumsInFlight; ++v) {
      load_rows<kAll>(rows, first + v * kRowsAbreast, block, blocks, packed[v]);
      block_sums[v] = hn::Zero(Floats());
    }
#pragma GCC unroll 4
    for (int quarter = 0; quarter < 4; ++quarter) {
      add_eight(packed, quarter, factors + quarter * 8 * kLanes, block_sums);
    }
    alignas(64) float parts[kSumsInFlight * kLanes];
    const Quad d;
#pragma GCC unroll 4
    for (int v = 0; v < kSumsInFlight; ++v) {
      hn::Store(block_sums[v], Floats(), parts + v * kLanes);
      const int at = first + v * kRowsAbreast;
      auto sum = hn::Load(d, sums + at);
      for (int b = 0; b < blocks; ++b) {
        const auto part = hn::Load(d, parts + v * kLanes + b * kRowsAbreast);
        sum = hn::MulAdd(part, hn::Load(d, scales + b * kTileColumns + at), sum);
      }
      hn::Store(sum, d, sums + at);
    }
  }
}

#endif

}  // namespace quern::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif

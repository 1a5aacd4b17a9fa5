// MXFP4 blocks to 16-bit or 32-bit elements, once per instruction set. An element is two lookups in the table of its
// block's scale byte, whatever the byte, the policy and the type.
#include "runtime/cpu/highway_targets.hpp"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/dequantize_kernel.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "runtime/cpu/instruction_sets.hpp"

HWY_BEFORE_NAMESPACE();
namespace quern::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Declared here because the only other declaration is the dispatcher's.
void dequantize_blocks(const DecodeTable &table, const uint8_t *blocks, const uint8_t *scales, int64_t count, void *dst,
                       bool wide, bool stream);

#if HWY_TARGET == HWY_SCALAR

void dequantize_blocks(const DecodeTable &table, const uint8_t *blocks, const uint8_t *scales, int64_t count, void *dst,
                       bool wide, bool /*stream*/) {
  for (int64_t b = 0; b < count; ++b) {
    const DecodeTable::Entry &entry = table.entries[scales[b]];
    for (int64_t i = b * kMxfp4Block; i < (b + 1) * kMxfp4Block; ++i) {
      const int nibble = blocks[i / 2] >> (i % 2 * 4) & 15;
      const uint32_t bits = static_cast<uint32_t>(entry.high[nibble] << 8 | entry.low[nibble]);
      if (wide) {
        static_cast<uint32_t *>(dst)[i] = bits << 16;
      } else {
        static_cast<uint16_t *>(dst)[i] = static_cast<uint16_t>(bits);
      }
    }
  }
}

#else

using Bytes = hn::Full128<uint8_t>;
using Halves = hn::Full128<uint16_t>;

template <bool kStream>
HWY_INLINE void store(hn::Vec<Halves> values, uint16_t *dst) {
  if constexpr (kStream) {
    hn::Stream(values, Halves(), dst);
  } else {
    hn::StoreU(values, Halves(), dst);
  }
}

// Eight elements: their bits in 16, or as the upper halves of f32.
template <bool kWide, bool kStream>
HWY_INLINE void put(hn::Vec<Halves> values, uint16_t *dst) {
  if constexpr (kWide) {
    const auto zero = hn::Zero(Halves());
    store<kStream>(hn::InterleaveLower(Halves(), zero, values), dst);
    store<kStream>(hn::InterleaveUpper(Halves(), zero, values), dst + 8);
  } else {
    store<kStream>(values, dst);
  }
}

template <bool kWide, bool kStream>
void dequantize_as(const DecodeTable &table, const uint8_t *blocks, const uint8_t *scales, int64_t count,
                   uint16_t *dst) {
  constexpr int kStep = kWide ? 16 : 8;  // of dst, for eight elements
  const Bytes d;
  const auto nibble_mask = hn::Set(d, uint8_t{15});
  for (int64_t b = 0; b < count; ++b, dst += 4 * kStep) {
    const DecodeTable::Entry &entry = table.entries[scales[b]];
    const auto low = hn::Load(d, entry.low);
    const auto high = hn::Load(d, entry.high);
    const auto packed = hn::LoadU(d, blocks + b * (kMxfp4Block / 2));
    const auto even = hn::And(packed, nibble_mask);
    const auto odd = hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(Halves(), packed))), nibble_mask);
    const auto first = hn::InterleaveLower(d, even, odd);
    const auto second = hn::InterleaveUpper(d, even, odd);
    const auto first_low = hn::TableLookupBytes(low, first), first_high = hn::TableLookupBytes(high, first);
    const auto second_low = hn::TableLookupBytes(low, second), second_high = hn::TableLookupBytes(high, second);
    put<kWide, kStream>(hn::ZipLower(Halves(), first_low, first_high), dst);
    put<kWide, kStream>(hn::ZipUpper(Halves(), first_low, first_high), dst + kStep);
    put<kWide, kStream>(hn::ZipLower(Halves(), second_low, second_high), dst + 2 * kStep);
    put<kWide, kStream>(hn::ZipUpper(Halves(), second_low, second_high), dst + 3 * kStep);
  }
  if constexpr (kStream) hwy::FlushStream();
}

void dequantize_blocks(const DecodeTable &table, const uint8_t *blocks, const uint8_t *scales, int64_t count, void *dst,
                       bool wide, bool stream) {
  uint16_t *halves = static_cast<uint16_t *>(dst);
  if (wide) {
    return stream ? dequantize_as<true, true>(table, blocks, scales, count, halves)
                  : dequantize_as<true, false>(table, blocks, scales, count, halves);
  }
  return stream ? dequantize_as<false, true>(table, blocks, scales, count, halves)
                : dequantize_as<false, false>(table, blocks, scales, count, halves);
}

#endif

}  // namespace quern::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// A row of f32, f16 or bf16 to E4M3 with one scale, once per instruction set: as e4m3.h, two passes over the row.
#include "runtime/cpu/highway_targets.hpp"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/quantize_kernel.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <quern/e4m3.h>
#include <quern/mxfp4.h>

#include "runtime/cpu/gemm_types-inl.hpp"
#include "runtime/cpu/instruction_sets.hpp"

HWY_BEFORE_NAMESPACE();
namespace quern::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> e4m3_from_f32_bits(D d, hn::Vec<D> bits) {
  const hn::RebindToFloat<D> df;
  const auto magnitude = hn::And(bits, hn::Set(d, 0x7fffffffu));
  const auto sign = hn::ShiftRight<24>(hn::Xor(bits, magnitude));
  const auto even = hn::And(hn::ShiftRight<20>(magnitude), hn::Set(d, 1u));
  const auto normal =
      hn::ShiftRight<20>(hn::Add(hn::Sub(magnitude, hn::Set(d, 0x3c000000u)), hn::Add(even, hn::Set(d, 0x7ffffu))));
  // The last place of 2^14 in f32 is that of subnormals here, so the addition rounds to it.
  const auto lifted = hn::Add(hn::BitCast(df, magnitude), hn::Set(df, 16384.0f));
  const auto subnormal = hn::And(hn::BitCast(d, lifted), hn::Set(d, 0xffu));
  auto value = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0x3c800000u)), subnormal, normal);
  value = hn::IfThenElse(hn::Gt(magnitude, hn::Set(d, 0x43dfffffu)), hn::Set(d, 0x7eu), value);
  const auto is_nan = hn::Gt(magnitude, hn::Set(d, 0x7f800000u));
  // Processors differ in the sign of a NaN that a division makes.
  return hn::IfThenElse(is_nan, hn::Set(d, 0x7fu), hn::Or(value, sign));
}

// Declared here because the only other declaration is the dispatcher's.
void quantize_row(const void *src, Dtype dtype, int64_t k, uint8_t *dst, float *scale);

void quantize_row(const void *src, Dtype dtype, int64_t k, uint8_t *dst, float *scale) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> d;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::Rebind<uint8_t, decltype(df)> bytes;
  const int lanes = static_cast<int>(hn::Lanes(df));
  alignas(64) float values[kMxfp4Block];

  auto largest = hn::Zero(d);
  for (int64_t first = 0; first < k; first += kMxfp4Block) {
    load_as_f32(src, first, dtype, kMxfp4Block, values);
    for (int i = 0; i < kMxfp4Block; i += lanes) {
      const auto magnitude = hn::And(hn::BitCast(d, hn::Load(df, values + i)), hn::Set(d, 0x7fffffffu));
      const auto is_nan = hn::Gt(magnitude, hn::Set(d, 0x7f800000u));
      largest = hn::Max(largest, hn::IfThenElse(is_nan, hn::Zero(d), magnitude));
    }
  }
  alignas(64) uint32_t all[kMxfp4Block];
  hn::Store(largest, d, all);
  uint32_t most = 0;
  for (int i = 0; i < lanes; ++i) most = all[i] > most ? all[i] : most;
  *scale = e4m3_row_scale(f32_from_bits(most));

  const auto divisor = hn::Set(df, *scale);
  for (int64_t first = 0; first < k; first += kMxfp4Block) {
    load_as_f32(src, first, dtype, kMxfp4Block, values);
    for (int i = 0; i < kMxfp4Block; i += lanes) {
      const auto quotient = hn::Div(hn::Load(df, values + i), divisor);
      const auto rounded = e4m3_from_f32_bits(d, hn::BitCast(d, quotient));
      hn::StoreU(hn::DemoteTo(bytes, hn::BitCast(di, rounded)), bytes, dst + first + i);
    }
  }
}

}  // namespace quern::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

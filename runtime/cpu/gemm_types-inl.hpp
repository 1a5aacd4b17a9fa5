// E4M3, f16, bf16 and f32 rows to f32, and back to the wider, with the results of e4m3.h and mxfp4.h. Compiled once per
// Highway target.
#if defined(QUERN_GEMM_TYPES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_GEMM_TYPES_INL
#undef QUERN_GEMM_TYPES_INL
#else
#define QUERN_GEMM_TYPES_INL
#endif

#include <quern/types.h>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quern::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> f32_bits_from_f16(D d, hn::Vec<D> bits) {
  const auto sign = hn::And(bits, hn::Set(d, 0x8000u));
  const auto magnitude = hn::Xor(bits, sign);
  const auto bias = hn::Set(d, (127u - 15u) << 23);
  const auto normal = hn::Add(hn::ShiftLeft<13>(magnitude), bias);
  // A subnormal gets an exponent one too high and an implicit 1, both of which the subtraction takes away, exactly.
  const hn::RebindToFloat<D> df;
  const auto lifted = hn::BitCast(df, hn::Add(normal, hn::Set(d, 1u << 23)));
  const auto subnormal = hn::BitCast(d, hn::Sub(lifted, hn::BitCast(df, hn::Set(d, (127u - 14u) << 23))));
  auto value = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0x400u)), subnormal, normal);
  value = hn::IfThenElse(hn::Gt(magnitude, hn::Set(d, 0x7bffu)), hn::Add(normal, bias), value);
  return hn::Or(value, hn::ShiftLeft<16>(sign));
}

template <class D>
HWY_INLINE hn::Vec<D> bf16_from_f32_bits(D d, hn::Vec<D> bits) {
  const auto upper = hn::ShiftRight<16>(bits);
  const auto even = hn::And(upper, hn::Set(d, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(even, hn::Set(d, 0x7fffu))));
  const auto nan = hn::Or(hn::And(upper, hn::Set(d, 0x8000u)), hn::Set(d, 0x7fc0u));
  return hn::IfThenElse(hn::Gt(hn::And(bits, hn::Set(d, 0x7fffffffu)), hn::Set(d, 0x7f800000u)), nan, rounded);
}

template <class D>
HWY_INLINE hn::Vec<D> f16_from_f32_bits(D d, hn::Vec<D> bits) {
  const auto magnitude = hn::And(bits, hn::Set(d, 0x7fffffffu));
  const auto sign = hn::ShiftRight<16>(hn::Xor(bits, magnitude));
  const auto even = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(d, 1u));
  const auto normal = hn::ShiftRight<13>(
      hn::Add(hn::Sub(magnitude, hn::Set(d, (127u - 15u) << 23)), hn::Add(even, hn::Set(d, 0xfffu))));
  // The last place of 0.5 in f32 is that of subnormals in f16, so the addition rounds to it.
  const hn::RebindToFloat<D> df;
  const auto half = hn::Set(df, 0.5f);
  const auto subnormal = hn::Sub(hn::BitCast(d, hn::Add(hn::BitCast(df, magnitude), half)), hn::BitCast(d, half));
  auto value = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0x38800000u)), subnormal, normal);
  value = hn::IfThenElse(hn::Gt(magnitude, hn::Set(d, 0x477fffffu)), hn::Set(d, 0x7c00u), value);
  value = hn::IfThenElse(hn::Gt(magnitude, hn::Set(d, 0x7f800000u)), hn::Set(d, 0x7e00u), value);
  return hn::Or(value, sign);
}

// Whether all of the values are 0 or of ordinary size: sums of 32 products of them with E2M1 elements neither overflow
// nor lose bits to underflow.
HWY_INLINE bool are_ordinary(const float *values, int count) {
  const hn::ScalableTag<uint32_t> d;
  auto largest = hn::Zero(d);
  auto least = hn::Set(d, ~0u);
  for (int i = 0; i < count; i += static_cast<int>(hn::Lanes(d))) {
    const auto bits = hn::BitCast(d, hn::Load(hn::ScalableTag<float>(), values + i));
    const auto magnitude = hn::And(bits, hn::Set(d, 0x7fffffffu));
    largest = hn::Max(largest, magnitude);
    least = hn::Min(least, hn::Sub(magnitude, hn::Set(d, 1u)));  // 0 becomes the largest
  }
  const auto huge = hn::Gt(largest, hn::Set(d, (127u + 120u) << 23));
  const auto tiny = hn::Lt(least, hn::Set(d, (127u - 100u) << 23));
  return hn::AllFalse(d, hn::Or(huge, tiny));
}

// As f32_from_e4m3().
template <class D>
HWY_INLINE hn::Vec<D> f32_bits_from_e4m3(D d, hn::Vec<D> bits) {
  const auto sign = hn::And(bits, hn::Set(d, 0x80u));
  const auto magnitude = hn::Xor(bits, sign);
  const auto normal = hn::Add(hn::ShiftLeft<20>(magnitude), hn::Set(d, (127u - 7u) << 23));
  // Subnormals as those of f16, above.
  const hn::RebindToFloat<D> df;
  const auto lifted = hn::BitCast(df, hn::Add(normal, hn::Set(d, 1u << 23)));
  const auto subnormal = hn::BitCast(d, hn::Sub(lifted, hn::BitCast(df, hn::Set(d, (127u - 6u) << 23))));
  auto value = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 8u)), subnormal, normal);
  value = hn::IfThenElse(hn::Eq(magnitude, hn::Set(d, 0x7fu)), hn::Set(d, 0x7fc00000u), value);
  return hn::Or(value, hn::ShiftLeft<24>(sign));
}

// `count` elements from `source[first]` on, a multiple of the lanes.
HWY_INLINE void load_as_f32(const void *source, int64_t first, uint32_t dtype, int count, float *values) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> d;
  const hn::Rebind<uint16_t, decltype(df)> halves;
  const int lanes = static_cast<int>(hn::Lanes(df));
  if (dtype == kF32) {
    const float *from = static_cast<const float *>(source) + first;
    for (int i = 0; i < count; i += lanes) hn::Store(hn::LoadU(df, from + i), df, values + i);
    return;
  }
  if (dtype == kE4m3) {
    const hn::Rebind<uint8_t, decltype(df)> bytes;
    const uint8_t *from = static_cast<const uint8_t *>(source) + first;
    for (int i = 0; i < count; i += lanes) {
      const auto bits = f32_bits_from_e4m3(d, hn::PromoteTo(d, hn::LoadU(bytes, from + i)));
      hn::Store(hn::BitCast(df, bits), df, values + i);
    }
    return;
  }
  const uint16_t *from = static_cast<const uint16_t *>(source) + first;
  if (dtype == kBf16) {
    for (int i = 0; i < count; i += lanes) {
      const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(halves, from + i)));
      hn::Store(hn::BitCast(df, bits), df, values + i);
    }
  } else {
    for (int i = 0; i < count; i += lanes) {
      const auto bits = f32_bits_from_f16(d, hn::PromoteTo(d, hn::LoadU(halves, from + i)));
      hn::Store(hn::BitCast(df, bits), df, values + i);
    }
  }
}

// A multiple of the lanes, rounded to f16 or bf16.
HWY_INLINE void round_f32(const float *values, uint32_t dtype, int count, uint16_t *rounded) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> d;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::Rebind<uint16_t, decltype(df)> halves;
  for (int i = 0; i < count; i += static_cast<int>(hn::Lanes(df))) {
    const auto bits = hn::BitCast(d, hn::Load(df, values + i));
    const auto result = dtype == kBf16 ? bf16_from_f32_bits(d, bits) : f16_from_f32_bits(d, bits);
    hn::StoreU(hn::DemoteTo(halves, hn::BitCast(di, result)), halves, rounded + i);
  }
}

}  // namespace quern::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif

// f32, f16, bf16 and E4M3 seen from f64, for references that share no code with what they test: values, rounding and
// units in the last place by arithmetic, not by bit tricks.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quern/quern.h>

namespace quern::cli {

size_t dtype_bytes(quern_dtype dtype);

// The element at an index of an array of `dtype`.
double load(const std::byte *array, int64_t index, quern_dtype dtype);

// Store a value that `dtype` can hold exactly, an infinity (E4M3: NaN) or a NaN.
void store(double value, std::byte *array, int64_t index, quern_dtype dtype);

// To nearest, ties to even; too large becomes infinity, in E4M3 the largest.
double round_to(double value, quern_dtype dtype);

// The distance between neighbours of `dtype` around the value.
double unit_in_last_place(double value, quern_dtype dtype);

// The smallest magnitude that rounds to infinity.
double overflow_threshold(quern_dtype dtype);

// One MXFP4 element under a policy, rounded to dtype: OCP MX v1.0 §5.3.3 and §5.4.1 written with ldexp.
double reference_element(unsigned nibble, unsigned scale_byte, const quern_decode_policy &policy, quern_dtype dtype);

}  // namespace quern::cli

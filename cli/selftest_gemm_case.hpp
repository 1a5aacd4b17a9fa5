// Problems for testing a GEMM, with their exact answers in f64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <quern/quern.hpp>

namespace quern::cli {

// What the tensors hold.
enum class GemmData {
  kRandom,    // as in a model
  kLarge,     // X from 2^50 to 2^110: a kernel may scale it, and not overflow
  kSmall,     // X from 2^-110 to 2^-50
  kWide,      // scales from 2^-40 to 2^40: one block outweighs the rest
  kIntegers,  // every partial sum is exact in f32, so the result is exact but for its one rounding
  kCorners,   // scale bytes 0, 1, 128, 254 and 255; each row of X picks one element of each row of W
};

struct GemmCase {
  GemmData data;
  int64_t n, k;
  std::vector<int64_t> sizes;  // M
  quern_dtype x_dtype, y_dtype, bias_dtype;
  quern_scale_zero scale_zero;
  bool strided;  // with room between rows, and y aligned to its type only
  quern_activation activation = QUERN_ACTIVATION_NONE;
  bool finish = false;  // with alpha and a residual
  bool packed = false;
  bool unbounded = false;  // weights of 2^128 and more stay finite
  bool truncates = false;  // sums of E4M3 X are kept to 13 bits, as FP8 tensor cores do
  quern_accumulation accumulation = QUERN_ACCUMULATION_PROMOTED;

  bool fp8() const { return x_dtype == QUERN_DTYPE_E4M3; }
  double alpha() const { return finish ? -0.375 : 1.0; }
  int64_t largest() const { return sizes.back(); }
  std::string text() const;
};

struct GemmTensors {
  std::vector<std::byte> x, blocks, scales, bias, residual;
  std::vector<std::byte> x_scales;  // f32, of E4M3 X
  // Of every element of Y: the result in f64, and what its error is measured by: the sum of |alpha * x * w|, and the
  // activation's argument. `product` is alpha * sum of x * w.
  std::vector<double> result, magnitude, product;
};

GemmTensors make_tensors(const GemmCase &test, const host::Device &cpu);

}  // namespace quern::cli

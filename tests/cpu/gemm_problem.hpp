// A GEMM with random contents, its product in f64, and the distance between the two.
#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <quern/activation.h>
#include <quern/e4m3.h>

#include "runtime/cpu/kernels.hpp"

namespace quern::cpu {

struct GemmProblem {
  GemmProblem(int32_t rows, int32_t columns, int32_t depth, Dtype x_type, Dtype y_type, uint32_t seed, int64_t gap = 0)
      : m(rows),
        n(columns),
        k(depth),
        x_dtype(x_type),
        y_dtype(y_type),
        x_stride(k + gap),
        y_stride(n + gap),
        blocks_stride(k / 2 + gap),
        scales_stride(k / 32 + gap),
        random(seed) {
    // Exact sizes and an offset by one element, so that a read or write outside is an error to a sanitizer.
    x_bytes.resize(static_cast<size_t>((1 + (m - 1) * x_stride + k) * size_of(x_dtype)));
    y_bytes.assign(static_cast<size_t>((1 + (m - 1) * y_stride + n) * size_of(y_dtype)), 0xa5);
    blocks.resize(static_cast<size_t>((n - 1) * blocks_stride + k / 2));
    scales.resize(static_cast<size_t>((n - 1) * scales_stride + k / 32));
    for (uint8_t &byte : blocks) byte = static_cast<uint8_t>(random());
    for (uint8_t &byte : scales) byte = static_cast<uint8_t>(120 + random() % 10);
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < k; ++j) set_x(i, j, normal(random));
    }
    if (x_dtype != kE4m3) return;
    for (int64_t i = 0; i < m; ++i) x_scales.push_back(0.37f * static_cast<float>(1 + i % 7));
  }

  void add_bias(Dtype dtype) {
    bias_dtype = dtype;
    bias.resize(static_cast<size_t>(n * size_of(dtype)));
    for (int64_t j = 0; j < n; ++j) store(bias.data(), j, dtype, static_cast<float>(random() % 100) - 50);
  }

  void add_residual() {
    residual.resize(y_bytes.size());
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        store(residual.data(), 1 + i * y_stride + j, y_dtype, static_cast<float>(random() % 200) - 100);
      }
    }
  }

  void run(ThreadPool &pool) { gemm(params(), pool); }

  GemmParams params() {
    GemmParams params{};
    params.x = x_bytes.data() + size_of(x_dtype);
    params.x_scales = x_scales.empty() ? nullptr : x_scales.data();
    params.y = y_bytes.data() + size_of(y_dtype);
    params.blocks = blocks.data();
    params.scales = scales.data();
    params.bias = bias.empty() ? nullptr : bias.data();
    params.x_stride = x_stride;
    params.y_stride = y_stride;
    params.blocks_stride = blocks_stride;
    params.scales_stride = scales_stride;
    params.m = m;
    params.n = n;
    params.k = k;
    params.x_dtype = static_cast<uint8_t>(x_dtype);
    params.y_dtype = static_cast<uint8_t>(y_dtype);
    params.bias_dtype = static_cast<uint8_t>(bias_dtype);
    params.scale_zero = scale_zero;
    params.alpha = alpha;
    params.activation = activation;
    params.residual = residual.empty() ? nullptr : residual.data() + size_of(y_dtype);
    params.residual_stride = y_stride;
    return params;
  }

  struct Reference {
    double value;
    double magnitude;  // sum of |x * w|
    bool nan;
  };

  Reference reference(int64_t i, int64_t j) const {
    const DecodePolicy policy{scale_zero, kScaleNanPropagate, 0, 0};
    double sum = 0, magnitude = 0;
    for (int64_t b = 0; b < k / 32; ++b) {
      const uint32_t byte = scales[static_cast<size_t>(j * scales_stride + b)];
      const float scale = decode_scale(byte, policy, kF32);
      for (int64_t l = b * 32; l < b * 32 + 32; ++l) {
        const uint32_t packed = blocks[static_cast<size_t>(j * blocks_stride + l / 2)];
        const double product = double{x(i, l)} * double{decode_mxfp4(packed >> (l % 2 * 4) & 15u, scale, byte, policy)};
        sum += product;
        magnitude += std::abs(product);
      }
    }
    const double factor = double{alpha} * (x_scales.empty() ? 1.0 : double{x_scales[static_cast<size_t>(i)]});
    sum *= factor;
    magnitude *= std::abs(factor);
    if (!bias.empty()) sum += double{load(bias.data(), j, bias_dtype)};
    if (activation != kActivationNone) {
      magnitude += std::abs(sum);
      sum = activated(sum);
    }
    if (!residual.empty()) sum += double{load(residual.data(), 1 + i * y_stride + j, y_dtype)};
    return {sum, magnitude, std::isnan(sum)};
  }

  double activated(double x) const {
    switch (activation) {
      case kActivationRelu:
        return x < 0 ? 0 : x;
      case kActivationSilu:
        return x / (1 + std::exp(-x));
      case kActivationGelu:
        return x / 2 * std::erfc(-x / std::sqrt(2.0));
      case kActivationGeluTanh:
        return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
      default:
        return x;
    }
  }

  // The largest error as a fraction of what is allowed. Of a large Y, its edges and a sample.
  double worst_error() const {
    double worst = 0;
    std::mt19937 pick(1);
    const bool all = int64_t{m} * n * k < 1000000;
    for (int64_t i = 0; i < (all ? m : 60); ++i) {
      for (int64_t j = 0; j < (all ? n : 5); ++j) {
        const int64_t row = all ? i : i == 0 ? m - 1 : static_cast<int64_t>(pick() % static_cast<uint32_t>(m));
        const int64_t column = all      ? j
                               : j == 0 ? n - 1 - i % 2
                                        : static_cast<int64_t>(pick() % static_cast<uint32_t>(n));
        worst = std::max(worst, error(row, column < 0 ? 0 : column));
      }
    }
    return worst;
  }

  double error(int64_t i, int64_t j) const {
    const Reference want = reference(i, j);
    const double got = double{y(i, j)};
    if (want.magnitude > 0x1p128 && std::isfinite(want.magnitude) && !std::isfinite(got)) return 0;  // sums are f32
    if (want.nan || std::isnan(got)) return want.nan && std::isnan(got) ? 0 : INFINITY;
    const int mantissa = y_dtype == kF32 ? 23 : y_dtype == kF16 ? 10 : 7;
    const int least = y_dtype == kF16 ? -14 : -126;
    const int exponent = want.value == 0 || std::isinf(want.value) ? least : std::max(least, std::ilogb(want.value));
    const double ulp = std::ldexp(1.0, exponent - mantissa);
    if (std::isinf(got)) {  // right if the sum is beyond the type, or would be with the error it may have
      const double largest = y_dtype == kF16 ? 65504.0 : std::ldexp(2 - std::ldexp(1.0, -mantissa), 127);
      const bool beyond = std::abs(want.value) + ulp + 1e-5 * want.magnitude > largest;
      return beyond && std::signbit(got) == std::signbit(want.value) ? 0 : INFINITY;
    }
    return std::abs(got - want.value) / (ulp + 1e-5 * want.magnitude);
  }

  bool gaps_untouched() const {
    for (int64_t b = 0; b < size_of(y_dtype); ++b) {
      if (y_bytes[static_cast<size_t>(b)] != 0xa5) return false;
    }
    for (int64_t b = 0; b < (m - 1) * y_stride * size_of(y_dtype); ++b) {
      const bool gap = b / size_of(y_dtype) % y_stride >= n;
      if (gap && y_bytes[static_cast<size_t>(size_of(y_dtype) + b)] != 0xa5) return false;
    }
    return true;
  }

  static int64_t size_of(Dtype dtype) { return dtype == kF32 ? 4 : dtype == kE4m3 ? 1 : 2; }

  static float load(const uint8_t *from, int64_t index, Dtype dtype) {
    if (dtype == kE4m3) return f32_from_e4m3(from[index]);
    uint16_t half;
    float single;
    memcpy(&single, from + index * size_of(dtype), dtype == kF32 ? 4 : 2);
    memcpy(&half, from + index * size_of(dtype), 2);
    return dtype == kF32 ? single : dtype == kF16 ? f32_from_f16(half) : f32_from_bf16(half);
  }

  static void store(uint8_t *to, int64_t index, Dtype dtype, float value) {
    const uint16_t half = dtype == kF16 ? f16_from_f32(value) : bf16_from_f32(value);
    if (dtype == kE4m3) {
      to[index] = e4m3_from_f32(value);
    } else if (dtype == kF32) {
      memcpy(to + index * 4, &value, 4);
    } else {
      memcpy(to + index * 2, &half, 2);
    }
  }

  float x(int64_t i, int64_t j) const { return load(x_bytes.data(), 1 + i * x_stride + j, x_dtype); }
  float y(int64_t i, int64_t j) const { return load(y_bytes.data(), 1 + i * y_stride + j, y_dtype); }
  void set_x(int64_t i, int64_t j, float value) { store(x_bytes.data(), 1 + i * x_stride + j, x_dtype, value); }
  void set_x_bits(int64_t i, int64_t j, uint32_t bits) {
    memcpy(x_bytes.data() + (1 + i * x_stride + j) * size_of(x_dtype), &bits, static_cast<size_t>(size_of(x_dtype)));
  }
  uint8_t &scale(int64_t row, int64_t block) { return scales[static_cast<size_t>(row * scales_stride + block)]; }
  void set_nibble(int64_t row, int64_t j, int nibble) {
    uint8_t &byte = blocks[static_cast<size_t>(row * blocks_stride + j / 2)];
    byte = static_cast<uint8_t>(j % 2 ? (byte & 0x0f) | nibble << 4 : (byte & 0xf0) | nibble);
  }

  int32_t m, n, k;
  Dtype x_dtype, y_dtype, bias_dtype = kNoDtype;
  uint8_t scale_zero = kScaleZeroExact;
  uint8_t activation = kActivationNone;
  float alpha = 1.0f;
  int64_t x_stride, y_stride, blocks_stride, scales_stride;
  std::vector<uint8_t> x_bytes, y_bytes, blocks, scales, bias, residual;
  std::vector<float> x_scales;  // of E4M3 X
  std::mt19937 random;
};

}  // namespace quern::cpu

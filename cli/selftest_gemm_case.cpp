#include "cli/selftest_gemm_case.hpp"

#include <cmath>
#include <random>

#include "cli/dequantizer.hpp"
#include "cli/failure.hpp"
#include "cli/float_format.hpp"
#include "cli/global_options.hpp"

namespace quern::cli {
namespace {

using Random = std::mt19937;

// std::uniform_int_distribution gives other numbers in other libraries.
int64_t between(Random &random, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(random() % static_cast<uint64_t>(most - least + 1));
}

double unit_interval(Random &random) { return static_cast<double>(random()) / 0x1p31 - 1.0; }

unsigned scale_byte(const GemmCase &test, int64_t row, Random &random) {
  static constexpr unsigned kCorners[] = {0, 1, 128, 254, 255};
  switch (test.data) {
    case GemmData::kRandom:
    case GemmData::kLarge:
    case GemmData::kSmall:
      return static_cast<unsigned>(between(random, 118, 130));
    case GemmData::kWide:
      if (test.fp8()) return static_cast<unsigned>(between(random, 100, 126));  // all that E5M2 holds in a row
      return static_cast<unsigned>(between(random, 87, 167));
    case GemmData::kIntegers:
      return static_cast<unsigned>(between(random, 127, 128));
    default:
      return kCorners[row % 5];
  }
}

void fill_weights(const GemmCase &test, GemmTensors &tensors, Random &random) {
  tensors.blocks.resize(static_cast<size_t>(test.n * test.k / 2));
  tensors.scales.resize(static_cast<size_t>(test.n * test.k / 32));
  for (int64_t i = 0; i < test.n * test.k / 2; ++i) {
    auto byte = static_cast<unsigned>(random() >> 16 & 255);
    // With scale byte 254 codes from 2 on are infinite and spoil their row; every other time stay below.
    const int64_t row = i / (test.k / 2);
    if (test.data == GemmData::kCorners && row % 10 < 5) byte &= 0xbb;
    tensors.blocks[static_cast<size_t>(i)] = static_cast<std::byte>(byte);
  }
  for (int64_t i = 0; i < test.n * test.k / 32; ++i) {
    tensors.scales[static_cast<size_t>(i)] = static_cast<std::byte>(scale_byte(test, i / (test.k / 32), random));
  }
}

void fill_x(const GemmCase &test, GemmTensors &tensors, Random &random) {
  tensors.x.assign(static_cast<size_t>(test.largest() * test.k) * dtype_bytes(test.x_dtype), std::byte{0});
  // Integers small enough for sums of 13 bits; else all that the type holds.
  const int64_t most = test.fp8() ? 1 : 3;
  const double size = test.fp8() ? 448 : 1;
  for (int64_t row = 0; row < test.largest(); ++row) {
    if (test.data == GemmData::kCorners) {
      store(std::ldexp(1.0, static_cast<int>(row % 8) * (test.fp8() ? 1 : 2)), tensors.x.data(),
            row * test.k + row * 37 % test.k, test.x_dtype);
      continue;
    }
    for (int64_t j = 0; j < test.k; ++j) {
      double value = test.data == GemmData::kIntegers ? static_cast<double>(between(random, -most, most))
                                                      : round_to(size * unit_interval(random), test.x_dtype);
      if (test.data == GemmData::kLarge) value = std::ldexp(value, static_cast<int>(between(random, 50, 110)));
      if (test.data == GemmData::kSmall) value = std::ldexp(value, static_cast<int>(between(random, -110, -50)));
      store(value, tensors.x.data(), row * test.k + j, test.x_dtype);
    }
  }
}

// Powers of two where results are to be exact, and then none that could bring back what overflowed.
void fill_x_scales(const GemmCase &test, GemmTensors &tensors, Random &random) {
  if (!test.fp8()) return;
  tensors.x_scales.resize(static_cast<size_t>(test.largest()) * sizeof(float));
  for (int64_t row = 0; row < test.largest(); ++row) {
    const bool exact = test.data == GemmData::kIntegers || test.data == GemmData::kCorners;
    const double scale = exact ? std::ldexp(1.0, static_cast<int>(row % 3))
                               : round_to((1.5 + unit_interval(random)) / 448, QUERN_DTYPE_F32);
    store(scale, tensors.x_scales.data(), row, QUERN_DTYPE_F32);
  }
}

void fill_bias(const GemmCase &test, GemmTensors &tensors, Random &random) {
  if (test.bias_dtype == 0) return;
  tensors.bias.resize(static_cast<size_t>(test.n) * dtype_bytes(test.bias_dtype));
  for (int64_t i = 0; i < test.n; ++i) {
    const double value = test.data == GemmData::kIntegers ? static_cast<double>(between(random, -8, 8))
                                                          : round_to(unit_interval(random), test.bias_dtype);
    store(value, tensors.bias.data(), i, test.bias_dtype);
  }
}

void fill_residual(const GemmCase &test, GemmTensors &tensors, Random &random) {
  if (!test.finish) return;
  tensors.residual.resize(static_cast<size_t>(test.largest() * test.n) * dtype_bytes(test.y_dtype));
  for (int64_t i = 0; i < test.largest() * test.n; ++i) {
    store(round_to(4 * unit_interval(random), test.y_dtype), tensors.residual.data(), i, test.y_dtype);
  }
}

double activated(quern_activation activation, double x) {
  switch (activation) {
    case QUERN_ACTIVATION_RELU:
      return x < 0 ? 0 : x;
    case QUERN_ACTIVATION_SILU:
      return x / (1 + std::exp(-x));
    case QUERN_ACTIVATION_GELU:
      return x / 2 * std::erfc(-x / std::sqrt(2.0));
    case QUERN_ACTIVATION_GELU_TANH:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    default:
      return x;
  }
}

// Weights of 2^128 and more as a packed GEMM on a GPU takes them.
void unbound(const GemmCase &test, const GemmTensors &tensors, std::vector<double> &weights) {
  static constexpr double kElements[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (int64_t i = 0; i < test.n * test.k; ++i) {
    double &weight = weights[static_cast<size_t>(i)];
    if (!std::isinf(weight)) continue;
    const auto byte = static_cast<unsigned>(tensors.blocks[static_cast<size_t>(i / 2)]);
    const auto scale = static_cast<int>(tensors.scales[static_cast<size_t>(i / 32)]);
    weight = std::copysign(std::ldexp(kElements[byte >> (4 * (i % 2)) & 7], scale - 127), weight);
  }
}

std::vector<double> exact_weights(const GemmCase &test, const GemmTensors &tensors, const host::Device &cpu) {
  quern_decode_policy policy = QUERN_DECODE_POLICY_INIT;
  policy.scale_zero = test.scale_zero;
  Dequantizer dequantizer(cpu, QUERN_DTYPE_F32, policy);
  std::vector<std::byte> single(static_cast<size_t>(test.n * test.k) * 4);
  const int64_t at_once = dequantizer.rows_at_once(test.k);
  for (int64_t row = 0; row < test.n; row += at_once) {
    dequantizer.run(tensors.blocks.data() + row * (test.k / 2), tensors.scales.data() + row * (test.k / 32),
                    std::min(at_once, test.n - row), test.k, single.data() + static_cast<size_t>(row * test.k) * 4);
  }
  std::vector<double> weights(static_cast<size_t>(test.n * test.k));
  for (int64_t i = 0; i < test.n * test.k; ++i) {
    weights[static_cast<size_t>(i)] = load(single.data(), i, QUERN_DTYPE_F32);
  }
  if (test.unbounded) unbound(test, tensors, weights);
  return weights;
}

// Eight sums side by side: one chain of additions would take eight times as long.
void multiply(const double *x, const double *w, int64_t k, double &result, double &magnitude) {
  double sums[8] = {}, magnitudes[8] = {};
  for (int64_t j = 0; j < k; j += 8) {
    for (int64_t lane = 0; lane < 8; ++lane) {
      const double product = x[j + lane] * w[j + lane];
      sums[lane] += product;
      magnitudes[lane] += std::fabs(product);
    }
  }
  for (int lane = 0; lane < 8; ++lane) {
    result += sums[lane];
    magnitude += magnitudes[lane];
  }
}

}  // namespace

std::string GemmCase::text() const {
  static constexpr const char *kNames[] = {"random", "large", "small", "wide", "integers", "corners"};
  return cli::text(kNames[static_cast<int>(data)], ", N ", n, ", K ", k, ", x ", dtype_name(x_dtype), ", y ",
                   dtype_name(y_dtype), ", bias ", dtype_name(bias_dtype),
                   scale_zero == QUERN_SCALE_ZERO_FLUSH ? ", scale byte 0 flushed" : "", packed ? ", packed" : "",
                   fp8() ? accumulation == QUERN_ACCUMULATION_FAST ? ", fast" : ", promoted" : "",
                   finish ? ", alpha and residual" : "",
                   activation == 0 ? "" : cli::text(", activation ", static_cast<int>(activation)));
}

GemmTensors make_tensors(const GemmCase &test, const host::Device &cpu) {
  GemmTensors tensors;
  Random random(static_cast<unsigned>(test.n * 7919 + test.k + static_cast<int>(test.data)));
  fill_weights(test, tensors, random);
  fill_x(test, tensors, random);
  fill_x_scales(test, tensors, random);
  fill_bias(test, tensors, random);
  fill_residual(test, tensors, random);

  const std::vector<double> w = exact_weights(test, tensors, cpu);
  std::vector<double> x(static_cast<size_t>(test.k));
  tensors.result.assign(static_cast<size_t>(test.largest() * test.n), 0.0);
  tensors.magnitude = tensors.product = tensors.result;
  for (int64_t row = 0; row < test.largest(); ++row) {
    for (int64_t j = 0; j < test.k; ++j)
      x[static_cast<size_t>(j)] = load(tensors.x.data(), row * test.k + j, test.x_dtype);
    for (int64_t column = 0; column < test.n; ++column) {
      const auto at = static_cast<size_t>(row * test.n + column);
      multiply(x.data(), &w[static_cast<size_t>(column * test.k)], test.k, tensors.result[at], tensors.magnitude[at]);
      double &result = tensors.result[at], &magnitude = tensors.magnitude[at];
      const double factor = test.alpha() * (test.fp8() ? load(tensors.x_scales.data(), row, QUERN_DTYPE_F32) : 1.0);
      result *= factor;
      magnitude *= std::fabs(factor);
      tensors.product[at] = result;
      if (test.bias_dtype != 0) result += load(tensors.bias.data(), column, test.bias_dtype);
      if (test.activation != 0) {
        magnitude += std::fabs(result);
        result = activated(test.activation, result);
      }
      if (test.finish) result += load(tensors.residual.data(), static_cast<int64_t>(at), test.y_dtype);
    }
  }
  return tensors;
}

}  // namespace quern::cli

// Quantize held to its contract bit for bit, by arithmetic in f64: every f16 and bf16, corners of f32, then shapes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "cli/failure.hpp"
#include "cli/float_format.hpp"
#include "cli/global_options.hpp"
#include "cli/guarded_memory.hpp"
#include "cli/selftest_subject.hpp"

namespace quern::cli {
namespace {

using Bytes = std::vector<std::byte>;

struct Case {
  std::string name;
  int64_t rows, k;
  quern_dtype dtype;
  bool strided;  // with room between rows
  Bytes src;

  std::string text() const { return cli::text(name, ", ", rows, " rows of ", k, " from ", dtype_name(dtype)); }
};

// Of different sizes from row to row, and with some zeros.
Case random_rows(int64_t rows, int64_t k, quern_dtype dtype, bool strided) {
  Case filled{"random rows", rows, k, dtype, strided, Bytes(static_cast<size_t>(rows * k) * dtype_bytes(dtype))};
  std::mt19937 random(static_cast<unsigned>(rows * 31 + k));
  for (int64_t i = 0; i < rows * k; ++i) {
    const int exponent = static_cast<int>(i / k * 7 % 25) - 14;
    const double unit = static_cast<double>(random()) / 0x1p31 - 1.0;
    store(i % 13 == 0 ? 0 : round_to(std::ldexp(unit, exponent), dtype), filled.src.data(), i, dtype);
  }
  return filled;
}

// All 65536 values of a type of 16 bits, 1024 that lie close together in a row.
Case every_value(quern_dtype dtype) {
  Case all{"every value", 64, 1024, dtype, false, Bytes(65536 * 2)};
  for (size_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    std::memcpy(all.src.data() + i * 2, &bits, 2);
  }
  return all;
}

// Midpoints between neighbours of E4M3 and the f32 next to them, under a scale of 1 and one that is not exact.
Case midpoints() {
  Case all{"midpoints", 8, 256, QUERN_DTYPE_F32, false, Bytes(8 * 256 * 4)};
  for (int64_t row = 0; row < 8; ++row) {
    const double scale = row % 2 == 0 ? 1 : static_cast<double>(1.1f);
    for (int64_t i = 0; i < 128; ++i) {
      const auto code = static_cast<std::byte>(std::min<int64_t>(i, 0x7d)),
                 next = static_cast<std::byte>(std::min<int64_t>(i, 0x7d) + 1);
      const double middle = (load(&code, 0, QUERN_DTYPE_E4M3) + load(&next, 0, QUERN_DTYPE_E4M3)) / 2;
      auto value = static_cast<float>(middle * scale);
      if (row / 2 == 1) value = std::nextafter(value, 0.0f);
      if (row / 2 == 2) value = std::nextafter(value, 1e9f);
      store(static_cast<double>(value), all.src.data(), row * 256 + 2 * i, QUERN_DTYPE_F32);
      store(-static_cast<double>(value), all.src.data(), row * 256 + 2 * i + 1, QUERN_DTYPE_F32);
    }
    store(448 * scale, all.src.data(), row * 256, QUERN_DTYPE_F32);
  }
  return all;
}

// A row each: zeros, NaN, infinity, what is too small for a scale, the largest.
Case corners(quern_dtype dtype) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double tiny = unit_in_last_place(0, dtype);
  const double rows[][3] = {{0, -0.0, 0},          {kNan, 1, -2},        {-kNan, 0, -0.0},  {kInfinity, 5, -1},
                            {-kInfinity, kNan, 0}, {tiny, -2 * tiny, 0}, {-60000, 1, kNan}, {448, -447, 0.001}};
  Case all{"corners", 8, 96, dtype, true, Bytes(8 * 96 * dtype_bytes(dtype))};
  for (int64_t i = 0; i < 8 * 96; ++i) {
    const double value = rows[i / 96][i % 96 / 3 % 3];
    store(std::isfinite(value) ? round_to(value, dtype) : value, all.src.data(), i, dtype);
  }
  return all;
}

// The contract in quern.h. A quotient of two f32 that is rounded to f64 and then to f32 is rounded as if once.
float row_scale(const Case &test, int64_t row) {
  double largest = 0;
  for (int64_t j = 0; j < test.k; ++j) {
    const double value = std::fabs(load(test.src.data(), row * test.k + j, test.dtype));
    if (value > largest) largest = value;
  }
  return std::max(static_cast<float>(largest / 448), 0x1p-126f);
}

std::string compare(const Case &test, const GuardedMemory &dst, const GuardedMemory &scales, int64_t dst_stride) {
  for (int64_t row = 0; row < test.rows; ++row) {
    const float scale = row_scale(test, row);
    if (std::memcmp(scales.data() + row * 4, &scale, 4) != 0) {
      return text("the scale of row ", row, " is ", load(scales.data(), row, QUERN_DTYPE_F32), ", not ", scale);
    }
    const std::byte *got = dst.data() + row * dst_stride;
    for (int64_t j = 0; j < test.k; ++j) {
      const double source = load(test.src.data(), row * test.k + j, test.dtype);
      const auto quotient = static_cast<double>(static_cast<float>(source / static_cast<double>(scale)));
      std::byte wanted{};
      store(std::isnan(quotient) ? quotient : round_to(quotient, QUERN_DTYPE_E4M3), &wanted, 0, QUERN_DTYPE_E4M3);
      const bool both_nan = std::isnan(quotient) && std::isnan(load(got, j, QUERN_DTYPE_E4M3));
      if (got[j] == wanted || both_nan) continue;
      return text("dst[", row, ", ", j, "] is ", load(got, j, QUERN_DTYPE_E4M3), ", not ",
                  load(&wanted, 0, QUERN_DTYPE_E4M3), " (", source, " / ", scale, ")");
    }
    for (int64_t j = test.k; row + 1 < test.rows && j < dst_stride; ++j) {
      if (got[j] != GuardedMemory::kPoison) return text("memory between rows ", row, " and ", row + 1, " was written");
    }
  }
  return "";
}

// "" or what is wrong; `refused` if the kernel does not take the case.
std::string run_case(const TestBench &bench, const Subject &subject, const Case &test, std::string &refused) {
  quern_quantize_desc desc = QUERN_QUANTIZE_DESC_INIT;
  desc.src_dtype = test.dtype;
  desc.rows_max = test.rows;
  desc.k = test.k;
  desc.src_stride = test.k + (test.strided ? 8 : 0);
  desc.dst_stride = test.k + (test.strided ? 16 : 0);
  desc.kernel = subject.force_or_null();
  desc.target = subject.target_or_null();
  const Served served = served_sizes(bench.device, desc, subject);
  if (!served.has(test.rows)) {
    refused = served.reason;
    return "";
  }
  const host::Plan plan = host::Plan::quantize(bench.device, desc);
  const size_t element = dtype_bytes(test.dtype);
  const auto src = upload_rows(bench.device, test.src, static_cast<size_t>(test.k) * element,
                               static_cast<size_t>(desc.src_stride) * element);
  GuardedMemory dst(bench.device, static_cast<size_t>((test.rows - 1) * desc.dst_stride + test.k));
  GuardedMemory scales(bench.device, static_cast<size_t>(test.rows) * sizeof(float));
  quern_quantize_args args = QUERN_QUANTIZE_ARGS_INIT;
  args.rows = test.rows;
  args.src = src.get();
  args.dst = dst.get();
  args.scales = static_cast<float *>(scales.get());
  args.workspace_bytes = plan.workspace_bytes(test.rows);
  const host::DeviceMemory workspace = bench.device.allocate(args.workspace_bytes);
  args.workspace = workspace.get();
  plan.run(args);
  bench.device.synchronize();
  if (!dst.fetch()) return "memory outside dst was written";
  if (!scales.fetch()) return "memory outside scales was written";
  return compare(test, dst, scales, desc.dst_stride);
}

std::vector<Case> make_cases(const TestBench &bench, const Subject &subject) {
  static constexpr quern_dtype kDtypes[] = {QUERN_DTYPE_BF16, QUERN_DTYPE_F16, QUERN_DTYPE_F32};
  std::vector<Case> cases;
  for (const quern_dtype dtype : {QUERN_DTYPE_BF16, QUERN_DTYPE_F16}) cases.push_back(every_value(dtype));
  cases.push_back(midpoints());
  for (const quern_dtype dtype : kDtypes) cases.push_back(corners(dtype));
  add_random_cases(bench, subject, {32, 96, 2880, 4096}, random_rows, cases);
  return cases;
}

}  // namespace

Outcome test_quantize(const TestBench &bench, const Subject &subject) {
  return run_cases(bench, subject, make_cases(bench, subject), run_case);
}

}  // namespace quern::cli

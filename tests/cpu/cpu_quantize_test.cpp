// Rows to E4M3 on the CPU: bit for bit what e4m3.h gives, on every instruction set; and their products.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <quern/e4m3.h>
#include <quern/mxfp4.h>

#include "runtime/cpu/instruction_sets.hpp"
#include "runtime/cpu/kernels.hpp"
#include "tests/cpu/gemm_problem.hpp"

namespace quern::cpu {
namespace {

class CpuQuantize : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (GetParam() >= instruction_set_count()) GTEST_SKIP() << "not on this machine";
    force_instruction_set(GetParam());
  }
  void TearDown() override { force_instruction_set(0); }

  ThreadPool pool_{3};
};

// Rows off their vectors' alignment, with room between them.
struct Rows {
  Rows(int64_t count, int64_t depth, Dtype type, int64_t gap)
      : rows(count), k(depth), dtype(type), src_stride(k + gap), dst_stride(k + 3 * gap) {
    src.resize(static_cast<size_t>((1 + (rows - 1) * src_stride + k) * GemmProblem::size_of(dtype)));
    dst.assign(static_cast<size_t>(1 + (rows - 1) * dst_stride + k), 0xa5);
    scales.assign(static_cast<size_t>(rows), -1.0f);
    std::mt19937 random(static_cast<unsigned>(rows * 97 + k));
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < rows; ++i) {
      const float size = std::ldexp(1.0f, static_cast<int>(random() % 12) - 6);
      for (int64_t j = 0; j < k; ++j) set(i, j, normal(random) * size);
    }
  }
  void set(int64_t i, int64_t j, float value) { GemmProblem::store(src.data(), 1 + i * src_stride + j, dtype, value); }
  float get(int64_t i, int64_t j) const { return GemmProblem::load(src.data(), 1 + i * src_stride + j, dtype); }
  uint8_t code(int64_t i, int64_t j) const { return dst[static_cast<size_t>(1 + i * dst_stride + j)]; }

  void run(ThreadPool &pool) {
    QuantizeParams params{};
    params.src = src.data() + GemmProblem::size_of(dtype);
    params.dst = dst.data() + 1;
    params.scales = scales.data();
    params.src_stride = src_stride;
    params.dst_stride = dst_stride;
    params.rows = rows;
    params.k = k;
    params.src_dtype = static_cast<uint8_t>(dtype);
    params.format = kFormatE4m3Row;
    quantize(params, pool);
  }
  void check() const {
    for (int64_t i = 0; i < rows; ++i) {
      float largest = 0;
      for (int64_t j = 0; j < k; ++j) largest = std::fabs(get(i, j)) > largest ? std::fabs(get(i, j)) : largest;
      const float scale = e4m3_row_scale(largest);
      ASSERT_EQ(f32_bits(scales[static_cast<size_t>(i)]), f32_bits(scale)) << "row " << i;
      for (int64_t j = 0; j < k; ++j) {
        const float quotient = get(i, j) / scale;
        const int expected = std::isnan(quotient) ? 0x7f : e4m3_from_f32(quotient);
        ASSERT_EQ(int{code(i, j)}, expected) << i << ", " << j << ": " << get(i, j) << " / " << scale;
      }
    }
    ASSERT_EQ(dst[0], 0xa5);
    for (size_t at = 1; at < dst.size(); ++at) {
      const bool gap = static_cast<int64_t>(at - 1) % dst_stride >= k;
      ASSERT_TRUE(!gap || dst[at] == 0xa5);
    }
  }

  int64_t rows, k;
  Dtype dtype;
  int64_t src_stride, dst_stride;
  std::vector<uint8_t> src, dst;
  std::vector<float> scales;
};

TEST_P(CpuQuantize, IsWhatTheHeaderSaysForEveryShapeTypeAndStride) {
  for (const Dtype dtype : {kBf16, kF16, kF32}) {
    for (const auto &[rows, k] : {std::pair{1, 32}, {3, 96}, {130, 2880}, {7, 4096}, {2, 100000}}) {
      for (const int64_t gap : {0, 5}) {
        Rows problem(rows, k, dtype, gap);
        problem.run(pool_);
        problem.check();
      }
    }
  }
}

TEST_P(CpuQuantize, EveryF16AndBf16IsRoundedAsTheHeaderSays) {
  for (const Dtype dtype : {kBf16, kF16}) {
    // All 65536 patterns, a row of 1024 that lie close together each, so under many scales.
    Rows problem(64, 1024, dtype, 0);
    for (int64_t i = 0; i < 65536; ++i) {
      const auto bits = static_cast<uint16_t>(i);
      std::memcpy(problem.src.data() + (1 + i) * 2, &bits, 2);
    }
    problem.run(pool_);
    problem.check();
  }
}

TEST_P(CpuQuantize, RowsOfNothingButCorners) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  constexpr float kDenormal = std::numeric_limits<float>::denorm_min(), kMax = std::numeric_limits<float>::max();
  Rows problem(8, 32, kF32, 1);
  for (int64_t i = 0; i < 8; ++i) {
    for (int64_t j = 0; j < 32; ++j) problem.set(i, j, j % 2 ? -0.0f : 0.0f);
  }
  problem.set(1, 3, kNan);
  for (int64_t j = 0; j < 32; ++j) problem.set(2, j, -kNan);
  problem.set(3, 31, -kInf);
  problem.set(3, 30, 7.0f);
  problem.set(4, 0, kDenormal);
  problem.set(5, 9, -kMax);
  problem.set(5, 10, 1.0f);
  problem.set(6, 1, 0x1p-126f);
  problem.set(7, 17, -448.0f);
  problem.set(7, 18, kNan);
  problem.run(pool_);
  problem.check();
  EXPECT_EQ(problem.scales[0], 0x1p-126f);
  EXPECT_EQ(problem.code(0, 0), 0);
  EXPECT_EQ(problem.code(0, 1), 0x80);
  EXPECT_EQ(problem.code(1, 3), 0x7f);
  EXPECT_EQ(problem.scales[2], 0x1p-126f);
  EXPECT_EQ(problem.scales[3], kInf);
  EXPECT_EQ(problem.code(3, 31), 0x7f);
  EXPECT_EQ(problem.code(3, 30), 0);
  EXPECT_EQ(problem.scales[7], 1.0f);
  EXPECT_EQ(problem.code(7, 17), 0xfe);
}

TEST_P(CpuQuantize, ProductsAgreeWithF64) {
  for (const Dtype y_dtype : {kBf16, kF32}) {
    for (const auto &[m, n, k] : {std::array{1, 1, 32}, {1, 70, 2880}, {5, 64, 352}, {67, 130, 96}, {61, 17, 1056}}) {
      for (const int gap : {0, 3}) {
        GemmProblem problem(m, n, k, kE4m3, y_dtype, 5, gap);
        problem.add_bias(kF32);
        problem.alpha = -1.5f;
        problem.activation = gap == 0 ? kActivationNone : kActivationSilu;
        if (gap != 0) problem.add_residual();
        problem.run(pool_);
        EXPECT_LE(problem.worst_error(), 1.0) << m << " x " << n << " x " << k;
        EXPECT_TRUE(problem.gaps_untouched());
      }
    }
  }
}

TEST_P(CpuQuantize, EveryCodeOfXIsMultiplied) {
  GemmProblem problem(8, 3, 32, kE4m3, kF32, 5);
  for (int code = 0; code < 256; ++code) problem.set_x_bits(code / 32, code % 32, static_cast<uint32_t>(code));
  problem.run(pool_);
  EXPECT_LE(problem.worst_error(), 1.0);  // rows 3 and 7 have a NaN
  EXPECT_TRUE(std::isnan(problem.y(3, 0)) && std::isnan(problem.y(7, 2)));
}

TEST_P(CpuQuantize, InfiniteScalesMakeTheirRowsNan) {
  GemmProblem problem(3, 5, 64, kE4m3, kF32, 5);
  problem.x_scales[1] = std::numeric_limits<float>::infinity();
  for (int64_t j = 0; j < 64; ++j) problem.set_x_bits(1, j, j == 7 ? 0x7fu : 0u);
  problem.run(pool_);
  for (int64_t j = 0; j < 5; ++j) {
    EXPECT_TRUE(std::isnan(problem.y(1, j)));
    EXPECT_FALSE(std::isnan(problem.y(0, j)));
  }
}

std::string name_of(const testing::TestParamInfo<int> &test) {
  return test.param < instruction_set_count() ? "set" + std::to_string(test.param)
                                              : "absent" + std::to_string(test.param);
}

INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, CpuQuantize, testing::Range(0, 4), name_of);

}  // namespace
}  // namespace quern::cpu

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/cpu/instruction_sets.hpp"
#include "runtime/cpu/kernels.hpp"
#include "tests/cpu/gemm_problem.hpp"

namespace quern::cpu {
namespace {

class CpuGemm : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (GetParam() >= instruction_set_count()) GTEST_SKIP() << "this machine runs fewer instruction sets";
    force_instruction_set(GetParam());
    RecordProperty("instruction_set", instruction_set());
  }
  void TearDown() override { force_instruction_set(0); }
};

constexpr Dtype kFloats[] = {kBf16, kF16, kF32};

TEST_P(CpuGemm, HoldsTheErrorBound) {
  ThreadPool pool(2);
  int shape = 0;
  for (int32_t m : {1, 7, 9, 17, 65}) {
    for (int32_t n : {1, 7, 64, 192, 5000}) {
      for (int32_t k : {32, 96, 2880}) {
        GemmProblem problem(m, n, k, kFloats[shape % 2], kFloats[shape / 2 % 3], static_cast<uint32_t>(shape));
        if (shape % 4) problem.add_bias(kFloats[shape % 4 - 1]);
        ++shape;
        problem.run(pool);
        EXPECT_LE(problem.worst_error(), 1.0) << m << " x " << n << " x " << k;
      }
    }
  }
}

// Small integers have exact sums, and leave no room for a wrong index.
TEST_P(CpuGemm, IntegersAreExact) {
  ThreadPool pool(2);
  for (int32_t m : {1, 2, 3, 4, 5, 6, 13, 130}) {
    GemmProblem problem(m, 200, 1056, m % 2 ? kBf16 : kF16, kF32, static_cast<uint32_t>(m));
    for (uint8_t &byte : problem.scales) byte = static_cast<uint8_t>(128 + byte % 2);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < problem.k; ++j) problem.set_x(i, j, static_cast<float>((i * 7 + j * 3) % 17 - 8));
    }
    problem.run(pool);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < problem.n; ++j)
        ASSERT_EQ(problem.y(i, j), problem.reference(i, j).value) << i << " " << j;
    }
  }
}

TEST_P(CpuGemm, HonoursStrides) {
  ThreadPool pool(2);
  for (Dtype y_dtype : kFloats) {
    GemmProblem problem(19, 75, 160, kBf16, y_dtype, 3, 5);
    problem.add_bias(kF32);
    problem.run(pool);
    EXPECT_LE(problem.worst_error(), 1.0);
    EXPECT_TRUE(problem.gaps_untouched());
  }
}

TEST_P(CpuGemm, EpilogueIsActivationOfScaledSumAndBiasPlusResidual) {
  ThreadPool pool(2);
  for (uint8_t activation = kActivationNone; activation <= kActivationGeluTanh; ++activation) {
    for (Dtype y_dtype : kFloats) {
      GemmProblem problem(9, 70, 96, kBf16, y_dtype, 7, 3);
      problem.activation = activation;
      problem.alpha = -0.125f;
      problem.add_bias(kBf16);
      problem.add_residual();
      problem.run(pool);
      EXPECT_LE(problem.worst_error(), 1.0) << int{activation};
      EXPECT_TRUE(problem.gaps_untouched());
      problem.alpha = 1.0f;
      problem.residual.clear();
      EXPECT_GT(problem.worst_error(), 1.0) << "the test must see alpha and the residual";
    }
  }
}

TEST_P(CpuGemm, EveryScaleByte) {
  ThreadPool pool(2);
  for (int32_t m : {1, 7}) {
    for (Dtype x_dtype : {kBf16, kF32}) {
      for (uint8_t zero : {kScaleZeroExact, kScaleZeroFlush}) {
        for (float magnitude : {1.0f, 0x1p-130f, 0x1p-100f, 0x1p100f, 0x1p126f}) {
          GemmProblem problem(m, 256, 96, x_dtype, kBf16, 5);
          problem.scale_zero = zero;
          for (int64_t j = 0; j < problem.n; ++j) {
            for (int64_t b = 0; b < 3; ++b) problem.scale(j, b) = static_cast<uint8_t>(j);
          }
          for (int64_t i = 0; i < problem.m; ++i) {
            for (int64_t j = 0; j < problem.k; ++j) {
              problem.set_x(i, j, static_cast<float>((i + j) % 5 - 2) * magnitude);
            }
          }
          problem.run(pool);
          EXPECT_LE(problem.worst_error(), 1.0) << magnitude;
        }
      }
    }
  }
}

// Values at the ends of the range take another path, alone.
TEST_P(CpuGemm, UnusualNeighboursChangeNothing) {
  ThreadPool pool(1);
  GemmProblem problem(8, 40, 160, kBf16, kF32, 31);
  problem.run(pool);
  GemmProblem unusual = problem;
  unusual.scale(13, 2) = 254;
  unusual.set_x(5, 60, 0x1p127f);
  unusual.set_x(6, 70, NAN);
  unusual.run(pool);
  for (int64_t i = 0; i < 8; ++i) {
    for (int64_t j = 0; j < 40; ++j) {
      if (i == 5 || i == 6 || j == 13) continue;
      EXPECT_EQ(f32_bits(unusual.y(i, j)), f32_bits(problem.y(i, j))) << i << " " << j;
    }
  }
  EXPECT_LE(unusual.worst_error(), 1.0);
}

// 2^-127 is subnormal in f32, and must be neither flushed nor lost.
TEST_P(CpuGemm, ScaleByteZeroIsExact) {
  ThreadPool pool(1);
  GemmProblem problem(1, 3, 32, kBf16, kF32, 1);
  for (uint8_t &byte : problem.scales) byte = 0;
  for (uint8_t &byte : problem.blocks) byte = 0x11;  // 0.5
  for (int64_t j = 0; j < 32; ++j) problem.set_x(0, j, j == 9 ? 0x1p+100f : 0.0f);
  problem.run(pool);
  for (int64_t j = 0; j < 3; ++j) EXPECT_EQ(problem.y(0, j), 0x1p-28f);
  problem.scale_zero = kScaleZeroFlush;
  problem.run(pool);
  for (int64_t j = 0; j < 3; ++j) EXPECT_EQ(problem.y(0, j), 0.0f);
}

TEST_P(CpuGemm, NanAndInfinityPropagate) {
  ThreadPool pool(2);
  for (Dtype x_dtype : kFloats) {
    GemmProblem problem(13, 90, 128, x_dtype, kBf16, 9);
    for (int64_t b = 0; b < 4; ++b) {
      problem.scale(3, b) = 254;
      problem.scale(4, b) = 253;
    }
    problem.scale(5, 2) = 255;
    for (int64_t j = 0; j < 64; ++j) problem.set_nibble(6, j, j % 2 ? 8 : 0);
    problem.set_x(1, 17, INFINITY);
    problem.set_x(2, 17, -INFINITY);
    problem.set_x(3, 18, NAN);
    problem.set_x(4, 19, INFINITY);
    problem.set_x(4, 20, -INFINITY);
    for (int64_t j = 0; j < 128; ++j) problem.set_x(5, j, 0.0f);
    problem.run(pool);
    EXPECT_LE(problem.worst_error(), 1.0);
    EXPECT_TRUE(std::isnan(problem.y(0, 5))) << "scale byte 255";
    EXPECT_TRUE(std::isnan(problem.y(1, 6))) << "0 * infinity";
    EXPECT_TRUE(std::isnan(problem.y(3, 0)));
    EXPECT_EQ(problem.reference(0, 0).nan, false);
  }
}

// Sums of one sign and one size are where naive summation drifts.
TEST_P(CpuGemm, LongSumsKeepTheBound) {
  ThreadPool pool(2);
  for (int variant = 0; variant < 4; ++variant) {
    GemmProblem problem(variant == 3 ? 7 : 1, 6, 28672, variant % 2 ? kF16 : kBf16, kF32, 13);
    for (uint8_t &byte : problem.blocks) byte &= variant == 2 ? 0xff : 0x77;
    for (uint8_t &byte : problem.scales) byte = 127;
    if (variant == 0) std::fill(problem.blocks.begin(), problem.blocks.end(), uint8_t{0x33});
    for (int64_t i = 0; i < problem.m; ++i) {
      for (int64_t j = 0; j < problem.k; ++j) {
        const float odd = static_cast<float>(variant == 0 ? 129 : 128 + (j * 37 + i) % 128) / 128;
        problem.set_x(i, j, variant == 1 && j < 32 ? 1000 * odd : odd);
      }
    }
    problem.run(pool);
    EXPECT_LE(problem.worst_error(), 0.7) << variant;
  }
}

// The bound has teeth: one scale byte off by one is far outside.
TEST_P(CpuGemm, WrongScaleExceedsTheBound) {
  ThreadPool pool(1);
  GemmProblem problem(3, 20, 2880, kBf16, kBf16, 17);
  problem.run(pool);
  ASSERT_LE(problem.worst_error(), 1.0);
  problem.scale(11, 40) ^= 1;
  EXPECT_GT(problem.worst_error(), 1.0);
}

TEST_P(CpuGemm, BitsDependOnTheRowsAlone) {
  GemmProblem problem(131, 150, 2880, kBf16, kF32, 19);
  problem.add_bias(kBf16);
  ThreadPool one(1);
  problem.run(one);
  const std::vector<uint8_t> first = problem.y_bytes;
  for (int threads : {1, 2, 5, 32}) {
    ThreadPool pool(threads);
    problem.run(pool);
    EXPECT_TRUE(problem.y_bytes == first) << threads << " threads";
  }
  for (int32_t m : {1, 2, 3, 4, 5, 6, 7, 65}) {
    std::fill(problem.y_bytes.begin(), problem.y_bytes.end(), uint8_t{0xa5});
    problem.m = m;
    problem.run(one);
    EXPECT_EQ(memcmp(problem.y_bytes.data(), first.data(), static_cast<size_t>(m * problem.y_stride * 4)), 0) << m;
  }
  problem.m = 131;
  force_instruction_set(0);
  std::fill(problem.y_bytes.begin(), problem.y_bytes.end(), uint8_t{0xa5});
  problem.run(one);
  EXPECT_TRUE(problem.y_bytes == first) << "of another instruction set";
}

// With W the unit matrix, Y is X converted: every f16 and bf16 goes in, and every kind of f32 comes out.
TEST_P(CpuGemm, ConvertsLikeTheDefinition) {
  ThreadPool pool(2);
  for (Dtype x_dtype : kFloats) {
    for (Dtype y_dtype : kFloats) {
      GemmProblem problem(65536, 1, 32, x_dtype, y_dtype, 23);
      std::fill(problem.blocks.begin(), problem.blocks.end(), uint8_t{0});
      problem.set_nibble(0, 5, 2);
      problem.scale(0, 0) = 127;
      std::mt19937 random(29);
      for (uint32_t i = 0; i < 65536; ++i) {
        for (int64_t j = 0; j < 32; ++j) problem.set_x_bits(i, j, 0);
        // Of f32: all upper halves, with lower halves at, next to and far from a rounding boundary.
        const uint32_t lower = i % 4 == 0 ? 0x8000u : i % 4 == 1 ? 0x8001u : i % 4 == 2 ? 0x1000u : random() & 0xffffu;
        problem.set_x_bits(i, 5, x_dtype == kF32 ? i << 16 | lower : i);
      }
      problem.run(pool);
      int wrong = 0;
      for (int64_t i = 0; i < 65536; ++i) {
        const float x = problem.x(i, 5);
        const float want = y_dtype == kF32   ? x
                           : y_dtype == kF16 ? f32_from_f16(f16_from_f32(x))
                                             : f32_from_bf16(bf16_from_f32(x));
        wrong += !(problem.y(i, 0) == want || (std::isnan(want) && std::isnan(problem.y(i, 0))));
      }
      EXPECT_EQ(wrong, 0) << x_dtype << " to " << y_dtype;
    }
  }
}

std::string name_of(const testing::TestParamInfo<int> &info) { return "set" + std::to_string(info.param); }
INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, CpuGemm, testing::Range(0, 4), name_of);

}  // namespace
}  // namespace quern::cpu

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/cpu/instruction_sets.hpp"
#include "runtime/cpu/kernels.hpp"

namespace quern::cpu {
namespace {

constexpr int64_t kBlockBytes = kMxfp4Block / 2;

int64_t size_of(Dtype dtype) { return dtype == kF32 ? 4 : 2; }

// The bits that mxfp4.h gives.
uint32_t expected_bits(uint32_t nibble, uint32_t byte, DecodePolicy policy, Dtype dtype) {
  const float value = decode_mxfp4(nibble, decode_scale(byte, policy, dtype), byte, policy);
  return dtype == kF32 ? f32_bits(value) : dtype == kF16 ? f16_from_f32(value) : bf16_from_f32(value);
}

bool is_nan(uint32_t bits, Dtype dtype) {
  if (dtype == kF32) return (bits & 0x7fffffffu) > 0x7f800000u;
  return (bits & 0x7fffu) > (dtype == kF16 ? 0x7c00u : 0x7f80u);
}

// A run with rows apart and between bytes that must survive it.
struct Problem {
  Problem(int64_t n_rows, int64_t n_k, int64_t gap, Dtype type, uint32_t seed)
      : rows(n_rows),
        k(n_k),
        dtype(type),
        blocks_stride(k / 2 + gap),
        scales_stride(k / 32 + gap),
        dst_stride(k + gap) {
    blocks.resize(static_cast<size_t>(offset + (rows - 1) * blocks_stride + k / 2));
    scales.resize(static_cast<size_t>(offset + (rows - 1) * scales_stride + k / 32));
    // An offset by one element: aligned to the type and to no vector.
    dst.assign(static_cast<size_t>((rows * dst_stride + 1) * size_of(dtype)), 0xa5);
    std::mt19937 random(seed);
    for (uint8_t &byte : blocks) byte = static_cast<uint8_t>(random());
    for (uint8_t &byte : scales) byte = static_cast<uint8_t>(random());
  }

  void run(DecodePolicy policy, ThreadPool &pool) {
    const DequantizeParams params{blocks.data() + offset,
                                  scales.data() + offset,
                                  dst.data() + size_of(dtype),
                                  nullptr,
                                  blocks_stride,
                                  scales_stride,
                                  dst_stride,
                                  rows,
                                  k,
                                  policy,
                                  dtype};
    dequantize(params, pool);
  }

  uint32_t at(int64_t row, int64_t column) const {
    uint32_t bits = 0;
    memcpy(&bits, dst.data() + (1 + row * dst_stride + column) * size_of(dtype), static_cast<size_t>(size_of(dtype)));
    return bits;
  }

  // The number of elements that differ from mxfp4.h, or of bytes outside the rows that changed.
  int64_t mistakes(DecodePolicy policy) const {
    int64_t count = 0;
    for (int64_t i = 0; i < size_of(dtype); ++i) count += dst[static_cast<size_t>(i)] != 0xa5;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t j = 0; j < k; ++j) {
        const uint8_t packed = blocks[static_cast<size_t>(offset + row * blocks_stride + j / 2)];
        const uint8_t byte = scales[static_cast<size_t>(offset + row * scales_stride + j / 32)];
        const uint32_t want = expected_bits(packed >> (j % 2 * 4) & 15u, byte, policy, dtype);
        const uint32_t got = at(row, j);
        count += got != want && !(is_nan(got, dtype) && is_nan(want, dtype));
      }
      for (int64_t j = k; j < dst_stride; ++j) count += at(row, j) != (dtype == kF32 ? 0xa5a5a5a5u : 0xa5a5u);
    }
    return count;
  }

  int64_t rows, k;
  Dtype dtype;
  int64_t blocks_stride, scales_stride, dst_stride;
  const int64_t offset = 3;
  std::vector<uint8_t> blocks, scales, dst;
};

class CpuDequantize : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (GetParam() >= instruction_set_count()) GTEST_SKIP() << "this machine runs fewer instruction sets";
    force_instruction_set(GetParam());
    RecordProperty("instruction_set", instruction_set());
  }
  void TearDown() override { force_instruction_set(0); }
};

// Every scale byte, every pair of nibbles, every policy, every type.
TEST_P(CpuDequantize, AgreesWithTheDefinition) {
  ThreadPool pool(2);
  for (Dtype dtype : {kF32, kF16, kBf16}) {
    Problem problem(256, 512, 0, dtype, 0);
    for (int64_t row = 0; row < 256; ++row) {
      for (int64_t i = 0; i < 256; ++i)
        problem.blocks[static_cast<size_t>(3 + row * 256 + i)] = static_cast<uint8_t>(i);
      for (int64_t i = 0; i < 16; ++i)
        problem.scales[static_cast<size_t>(3 + row * 16 + i)] = static_cast<uint8_t>(row);
    }
    for (int code = 0; code < 24; ++code) {
      const DecodePolicy policy{static_cast<uint8_t>(code % 2), static_cast<uint8_t>(code / 2 % 3),
                                static_cast<uint8_t>(code / 6 % 2), static_cast<uint8_t>(code / 12)};
      problem.run(policy, pool);
      EXPECT_EQ(problem.mistakes(policy), 0) << instruction_set() << " dtype " << dtype << " policy " << code;
    }
  }
}

TEST_P(CpuDequantize, HonoursStridesAndShapes) {
  const DecodePolicy policy{};
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (Dtype dtype : {kF32, kF16, kBf16}) {
      uint32_t seed = 1;
      for (int64_t rows : {1, 2, 7, 300}) {
        for (int64_t k : {32, 96, 2880}) {
          for (int64_t gap : {0, 5}) {
            Problem problem(rows, k, gap, dtype, seed++);
            problem.run(policy, pool);
            EXPECT_EQ(problem.mistakes(policy), 0) << rows << " x " << k << " gap " << gap << " dtype " << dtype;
          }
        }
      }
    }
  }
}

// One row is as good as many: rows are cut where tasks end.
TEST_P(CpuDequantize, SplitsLongRows) {
  ThreadPool pool(3);
  for (int64_t rows : {1, 3}) {
    Problem problem(rows, 32 * 5001, 1, kBf16, 7);
    problem.run({}, pool);
    EXPECT_EQ(problem.mistakes({}), 0);
  }
}

TEST_P(CpuDequantize, StreamingStoresWriteTheSame) {
  DecodeTable table;
  std::mt19937 random(11);
  for (DecodeTable::Entry &entry : table.entries) {
    for (uint8_t &byte : entry.low) byte = static_cast<uint8_t>(random());
    for (uint8_t &byte : entry.high) byte = static_cast<uint8_t>(random());
  }
  constexpr int64_t kBlocks = 77;
  std::vector<uint8_t> blocks(kBlocks * kBlockBytes), scales(kBlocks);
  for (uint8_t &byte : blocks) byte = static_cast<uint8_t>(random());
  for (uint8_t &byte : scales) byte = static_cast<uint8_t>(random());
  for (bool wide : {false, true}) {
    alignas(16) static uint8_t plain[kBlocks * kMxfp4Block * 4], streamed[sizeof plain];
    memset(plain, 1, sizeof plain);
    memset(streamed, 1, sizeof streamed);
    const InstructionSet &set = current_instruction_set();
    set.dequantize(table, blocks.data(), scales.data(), kBlocks, plain, wide, false);
    set.dequantize(table, blocks.data(), scales.data(), kBlocks, streamed, wide, true);
    EXPECT_EQ(memcmp(plain, streamed, sizeof plain), 0) << wide;
  }
}

TEST_P(CpuDequantize, NothingToDo) {
  ThreadPool pool(2);
  DequantizeParams params{};
  params.dst_dtype = kBf16;
  params.k = 32;
  dequantize(params, pool);  // no rows: no pointer is read
}

std::string name_of(const testing::TestParamInfo<int> &info) { return "set" + std::to_string(info.param); }
INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, CpuDequantize, testing::Range(0, 4), name_of);

TEST(InstructionSets, BestFirst) {
  ASSERT_GE(instruction_set_count(), 1);
  EXPECT_STREQ(instruction_set(), instruction_set_at(0).name);
  for (int i = 1; i < instruction_set_count(); ++i) {
    EXPECT_STRNE(instruction_set_at(i).name, instruction_set_at(i - 1).name);
  }
}

}  // namespace
}  // namespace quern::cpu

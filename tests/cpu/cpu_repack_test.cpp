// Packing on the CPU: exact inverse, refusals, padding, and a product of packed weights equal to the canonical one.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <quern/repack_params.h>

#include "runtime/cpu/kernels.hpp"
#include "tests/cpu/gemm_problem.hpp"

namespace quern::cpu {
namespace {

struct Repack {
  Repack(int64_t rows, int64_t depth, uint32_t to, int64_t gap = 0)
      : n(rows), k(depth), layout(to), blocks_stride(k / 2 + gap), scales_stride(k / 32 + gap) {
    blocks.resize(static_cast<size_t>(n * blocks_stride));
    scales.resize(static_cast<size_t>(n * scales_stride));
    std::mt19937 random(3);
    for (uint8_t &byte : blocks) byte = static_cast<uint8_t>(random());
    for (uint8_t &byte : scales) byte = static_cast<uint8_t>(110 + random() % 19);
    packed.assign(static_cast<size_t>(packed_bytes(n, k)), 0xee);
  }
  RepackParams params(uint8_t direction) {
    RepackParams p{};
    p.blocks = blocks.data();
    p.scales = scales.data();
    p.packed = packed.data();
    p.blocks_stride = blocks_stride;
    p.scales_stride = scales_stride;
    p.n = n;
    p.k = k;
    p.layout = layout;
    p.scale_zero = scale_zero;
    p.direction = direction;
    return p;
  }
  void pack() {
    std::memset(packed.data(), 0, kPackedHeaderBytes);
    repack(params(kRepackPack), pool);
  }
  void unpack() {
    std::fill(blocks.begin(), blocks.end(), 0xdd);
    std::fill(scales.begin(), scales.end(), 0xdd);
    repack(params(kRepackUnpack), pool);
  }
  uint32_t flags() const { return reinterpret_cast<const PackedHeader *>(packed.data())->flags; }
  PackedRow row(int64_t i) const {
    PackedRow found;
    std::memcpy(&found, packed.data() + kPackedHeaderBytes + i * 8, 8);
    return found;
  }

  int64_t n, k;
  uint32_t layout;
  uint8_t scale_zero = kScaleZeroExact;
  int64_t blocks_stride, scales_stride;
  std::vector<uint8_t> blocks, scales, packed;
  ThreadPool pool{2};
};

class RepackTest : public testing::TestWithParam<uint32_t> {};

TEST_P(RepackTest, UnpackingGivesBackEveryByte) {
  for (const auto &[n, k] : {std::pair{1, 32}, {15, 96}, {16, 64}, {17, 160}, {64, 2880}, {130, 352}}) {
    Repack repack(n, k, GetParam());
    const auto blocks = repack.blocks, scales = repack.scales;
    repack.pack();
    EXPECT_EQ(repack.flags(), 0u);
    repack.unpack();
    EXPECT_TRUE(repack.blocks == blocks && repack.scales == scales) << n << " x " << k;
  }
}

TEST_P(RepackTest, EveryScaleByteComesBack) {
  Repack repack(256, 64, GetParam());
  for (int64_t row = 0; row < 256; ++row) {
    repack.scales[static_cast<size_t>(row * 2)] = static_cast<uint8_t>(row);
    repack.scales[static_cast<size_t>(row * 2 + 1)] = static_cast<uint8_t>(row > 20 ? row - row % 20 : 0);
  }
  const auto blocks = repack.blocks, scales = repack.scales;
  repack.pack();
  EXPECT_EQ(repack.flags(), uint32_t{kPackedHasNan});  // row 255
  EXPECT_TRUE(std::isnan(repack.row(255).scale));
  EXPECT_FALSE(std::isnan(repack.row(254).scale));
  repack.unpack();
  EXPECT_TRUE(repack.blocks == blocks && repack.scales == scales);
}

TEST_P(RepackTest, GapsBetweenRowsAreLeftAlone) {
  Repack repack(20, 96, GetParam(), 5);
  repack.pack();
  repack.unpack();
  for (int64_t row = 0; row < repack.n; ++row) {
    for (int64_t i = repack.k / 2; i < repack.blocks_stride; ++i) {
      EXPECT_EQ(repack.blocks[static_cast<size_t>(row * repack.blocks_stride + i)], 0xdd);
    }
  }
}

TEST_P(RepackTest, PaddingIsZeroSoEqualWeightsGiveEqualBytes) {
  Repack first(17, 96, GetParam()), second(17, 96, GetParam(), 3);
  for (int64_t row = 0; row < 17; ++row) {
    std::memcpy(second.blocks.data() + row * second.blocks_stride, first.blocks.data() + row * 48, 48);
    std::memcpy(second.scales.data() + row * second.scales_stride, first.scales.data() + row * 3, 3);
  }
  std::fill(second.packed.begin(), second.packed.end(), 0x11);
  first.pack();
  second.pack();
  EXPECT_TRUE(first.packed == second.packed);
}

TEST_P(RepackTest, ASpanThatCannotBeHeldIsTold) {
  const bool bf16 = GetParam() == kLayoutMma16Bf16;
  const int largest = bf16 ? 200 : 120, span = bf16 ? 133 : GetParam() == kLayoutMma16F16 ? 24 : 26;
  for (const int beyond : {0, 1}) {
    Repack repack(16, 64, GetParam());
    std::fill(repack.scales.begin(), repack.scales.end(), static_cast<uint8_t>(largest));
    repack.scales[11] = static_cast<uint8_t>(largest - span - beyond);
    repack.pack();
    EXPECT_EQ(repack.flags(), beyond ? uint32_t{kPackedInexact} : 0u);
    if (!beyond) continue;
    // A block of zeros (and minus zeros) has no smallest element.
    std::memset(repack.blocks.data() + 5 * 32 + 16, 0x80, 16);
    repack.pack();
    EXPECT_EQ(repack.flags(), 0u);
  }
}

TEST_P(RepackTest, FlushedBlocksArePackedAsZeros) {
  Repack repack(16, 64, GetParam());
  repack.scale_zero = kScaleZeroFlush;
  repack.scales[6] = 0;
  const auto blocks = repack.blocks;
  repack.pack();
  EXPECT_EQ(repack.flags(), 0u);
  repack.unpack();
  EXPECT_EQ(repack.scales[6], 0);
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(repack.blocks[i], i / 16 == 6 ? 0 : blocks[i]);
  }
}

TEST_P(RepackTest, ProductsOfPackedWeightsAreTheSame) {
  const Dtype dtype = GetParam() == kLayoutMma16F16 ? kF16 : GetParam() == kLayoutMma16E5m2 ? kE4m3 : kBf16;
  GemmProblem problem(5, 70, 352, dtype, kF32, 11);
  ThreadPool pool(2);
  problem.run(pool);
  const auto expected = problem.y_bytes;
  std::fill(problem.y_bytes.begin(), problem.y_bytes.end(), 0xa5);

  Repack repack(problem.n, problem.k, GetParam());
  repack.blocks = problem.blocks;
  repack.scales = problem.scales;
  repack.pack();
  std::vector<uint8_t> workspace(packed_gemm_workspace_bytes(problem.n, problem.k));
  GemmParams params = problem.params();
  params.blocks = repack.packed.data() + packed_tiles_offset(problem.n);
  params.scales = repack.packed.data() + kPackedHeaderBytes;
  params.workspace = workspace.data();
  packed_gemm(params, pool);
  EXPECT_TRUE(problem.y_bytes == expected);
}

INSTANTIATE_TEST_SUITE_P(, RepackTest, testing::Values(kLayoutMma16Bf16, kLayoutMma16F16, kLayoutMma16E5m2),
                         [](const auto &test) {
                           return test.param == kLayoutMma16F16    ? "mma16_f16"
                                  : test.param == kLayoutMma16E5m2 ? "mma16_e5m2"
                                                                   : "mma16_bf16";
                         });

}  // namespace
}  // namespace quern::cpu

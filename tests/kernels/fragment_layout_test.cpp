// The mma.sync GEMM's layouts on the host: one slice goes through shared memory, the lanes' fragments and a simulated
// MMA, with the index functions the kernel uses and the lane maps of the PTX ISA (mma.m16n8k16) written out here.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>
#include <vector>

#include <quern/gemm_mma_layout.h>

namespace quern {
namespace {

// One tile of the kernel: rows x tokens, slices of K in a stage, threads that copy.
struct Shape {
  int rows, tokens, slices, threads;
};
constexpr Shape kShapes[] = {{16, 8, 8, 256}, {32, 16, 4, 256}, {64, 64, 1, 256}, {128, 128, 1, 256}};

// Row and column of the element in half `half` of register `reg` of lane `lane`. PTX ISA, "Matrix Fragments for
// mma.m16n8k16 with floating point type".
struct Position {
  int row, column;
};
Position a_position(int lane, int reg, int half) {
  const int group = lane >> 2, in_group = lane % 4;
  return {reg == 0 || reg == 2 ? group : group + 8, in_group * 2 + half + (reg >= 2 ? 8 : 0)};
}
Position b_position(int lane, int reg, int half) { return {lane % 4 * 2 + half + (reg == 1 ? 8 : 0), lane >> 2}; }
Position c_position(int lane, int reg) { return {(lane >> 2) + (reg < 2 ? 0 : 8), lane % 4 * 2 + (reg & 1)}; }

// What lies in each 16-byte slot of a stage: (slice, row or token, block or chunk).
using Slots = std::vector<std::array<int, 3>>;

Slots weight_slots(const Shape &shape) {
  Slots slots(static_cast<size_t>(shape.slices * shape.rows * kSliceBlocks), {-1, -1, -1});
  for (int slice = 0; slice < shape.slices; ++slice) {
    for (int row = 0; row < shape.rows; ++row) {
      for (int block = 0; block < kSliceBlocks; ++block) {
        auto &slot = slots.at(static_cast<size_t>(weight_offset(shape.rows, slice, row, block) / 16));
        EXPECT_EQ(slot[0], -1) << "two blocks in one slot";
        slot = {slice, row, block};
      }
    }
  }
  return slots;
}

Slots x_slots(const Shape &shape) {
  Slots slots(static_cast<size_t>(shape.slices * shape.tokens * kSliceChunks), {-1, -1, -1});
  for (int slice = 0; slice < shape.slices; ++slice) {
    for (int token = 0; token < shape.tokens; ++token) {
      for (int chunk = 0; chunk < kSliceChunks; ++chunk) {
        auto &slot = slots.at(static_cast<size_t>(x_offset(shape.tokens, slice, token, chunk) / 16));
        EXPECT_EQ(slot[0], -1) << "two chunks in one slot";
        slot = {slice, token, chunk};
      }
    }
  }
  return slots;
}

// Where the kernel reads the word or chunk of a lane: the address of its first row or token tile plus whole tiles.
int weight_address(const Shape &shape, bool bf16, int slice, int row_tile, int half, int lane, int step) {
  const int t = lane % 4;
  return weight_offset(shape.rows, slice, lane / 4, fragment_block(bf16, t, step)) +
         (2 * row_tile + half) * 8 * kWeightRowBytes + fragment_word(bf16, t, step) * 4;
}
int x_address(const Shape &shape, bool bf16, int slice, int token_tile, int lane, int step) {
  return x_offset(shape.tokens, slice, lane / 4, fragment_chunk(bf16, lane % 4, step)) + token_tile * 8 * kTokenBytes;
}

class FragmentLayout : public testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  const Shape shape_ = kShapes[std::get<0>(GetParam())];
  const bool bf16_ = std::get<1>(GetParam());
};

// Every element of a slice meets the right partner, once: the simulated product of random integers is the plain one.
TEST_P(FragmentLayout, ProductIsThePlainOne) {
  const Slots weights = weight_slots(shape_), tokens = x_slots(shape_);
  std::mt19937 random(7);
  const auto matrix = [&](int rows) {
    std::vector<std::array<int, kSliceK>> values(static_cast<size_t>(rows));
    for (auto &row : values) {
      for (int &value : row) value = static_cast<int>(random() % 2001) - 1000;
    }
    return values;
  };
  for (int slice = 0; slice < shape_.slices; ++slice) {
    const auto w = matrix(shape_.rows), x = matrix(shape_.tokens);
    for (int row_tile = 0; row_tile < shape_.rows / 16; ++row_tile) {
      for (int token_tile = 0; token_tile < shape_.tokens / 8; ++token_tile) {
        long product[16][8] = {};
        std::multiset<int> seen;
        for (int step = 0; step < kSliceSteps; ++step) {
          for (int mma = 0; mma < 2; ++mma) {
            int a[16][16], b[16][8], a_k[16][16], b_k[16][8];
            for (int lane = 0; lane < 32; ++lane) {
              const int t = lane % 4;
              for (int half = 0; half < 2; ++half) {
                for (int reg = 0; reg < 4; ++reg) {
                  const int address = weight_address(shape_, bf16_, slice, row_tile, reg & 1, lane, step);
                  const auto &slot = weights.at(static_cast<size_t>(address / 16));
                  ASSERT_EQ(slot[0], slice);
                  ASSERT_EQ(slot[1], row_tile * 16 + fragment_a_row(lane / 4, reg));
                  ASSERT_EQ(slot[2], fragment_block(bf16_, t, step));
                  const int k = slot[2] * 32 + address % 16 / 4 * 8 + 2 * fragment_a_pair(mma, reg) + half;
                  const Position at = a_position(lane, reg, half);
                  ASSERT_EQ(at.row, fragment_a_row(lane / 4, reg));
                  a[at.row][at.column] = w[static_cast<size_t>(slot[1])][static_cast<size_t>(k)];
                  a_k[at.row][at.column] = k;
                  if (!bf16_) {
                    ASSERT_EQ(k / 32, step) << "the sum of a step is scaled as one block";
                  }
                }
                for (int reg = 0; reg < 2; ++reg) {
                  const int address = x_address(shape_, bf16_, slice, token_tile, lane, step);
                  const auto &slot = tokens.at(static_cast<size_t>(address / 16));
                  ASSERT_EQ(slot[0], slice);
                  const int k = slot[2] * 8 + 2 * fragment_b_pair(mma, reg) + half;
                  const Position at = b_position(lane, reg, half);
                  ASSERT_EQ(slot[1], token_tile * 8 + at.column);
                  b[at.row][at.column] = x[static_cast<size_t>(slot[1])][static_cast<size_t>(k)];
                  b_k[at.row][at.column] = k;
                }
              }
            }
            for (int k = 0; k < 16; ++k) {
              for (int row = 0; row < 16; ++row) ASSERT_EQ(a_k[row][k], a_k[0][k]);
              for (int column = 0; column < 8; ++column) ASSERT_EQ(b_k[k][column], a_k[0][k]);
              seen.insert(a_k[0][k]);
            }
            for (int row = 0; row < 16; ++row) {
              for (int column = 0; column < 8; ++column) {
                for (int k = 0; k < 16; ++k) product[row][column] += static_cast<long>(a[row][k]) * b[k][column];
              }
            }
          }
        }
        ASSERT_EQ(seen.size(), static_cast<size_t>(kSliceK));
        for (int k = 0; k < kSliceK; ++k) ASSERT_EQ(seen.count(k), 1u) << k;
        for (int lane = 0; lane < 32; ++lane) {
          for (int reg = 0; reg < 4; ++reg) {
            const Position at = c_position(lane, reg);
            ASSERT_EQ(at.row, accumulator_row(lane / 4, reg));
            ASSERT_EQ(at.column, accumulator_token(lane % 4, reg));
            long plain = 0;
            for (size_t k = 0; k < kSliceK; ++k) {
              plain += static_cast<long>(w[static_cast<size_t>(row_tile * 16 + at.row)][k]) *
                       x[static_cast<size_t>(token_tile * 8 + at.column)][k];
            }
            ASSERT_EQ(product[at.row][at.column], plain);
          }
        }
      }
    }
  }
}

// Accesses of one instruction that need more than one pass: lanes are served `together` at a time.
int conflicts(const std::vector<int> &addresses, int bytes) {
  const size_t together = static_cast<size_t>(128 / bytes);
  int extra = 0;
  for (size_t first = 0; first < addresses.size(); first += together) {
    std::array<std::set<int>, 32> words;
    for (size_t lane = first; lane < first + together && lane < addresses.size(); ++lane) {
      EXPECT_EQ(addresses[lane] % bytes, 0);
      for (int byte = 0; byte < bytes; byte += 4) {
        const int word = (addresses[lane] + byte) / 4;
        words[static_cast<size_t>(word % 32)].insert(word);
      }
    }
    size_t worst = 1;
    for (const auto &bank : words) worst = std::max(worst, bank.size());
    extra += static_cast<int>(worst) - 1;
  }
  return extra;
}

TEST_P(FragmentLayout, ReadsHaveNoBankConflicts) {
  for (int slice = 0; slice < shape_.slices; ++slice) {
    for (int step = 0; step < kSliceSteps; ++step) {
      std::vector<int> weights, x;
      for (int lane = 0; lane < 32; ++lane) {
        const int address = weight_address(shape_, bf16_, slice, 0, 0, lane, step);
        weights.push_back(bf16_ ? address / 16 * 16 : address);  // bf16 reads its whole block at once
        x.push_back(x_address(shape_, bf16_, slice, 0, lane, step));
      }
      EXPECT_EQ(conflicts(weights, bf16_ ? 16 : 4), 0);
      EXPECT_EQ(conflicts(x, 16), 0);
    }
  }
}

TEST_P(FragmentLayout, CopiesHaveNoBankConflictsAndReachEverySlot) {
  const int stage_blocks = shape_.slices * kSliceBlocks, stage_chunks = shape_.slices * kSliceChunks;
  std::set<int> weights, x;
  const auto copy = [&](int columns, int rows, std::set<int> &reached, auto offset) {
    for (int first = 0; first < rows * columns; first += 32) {
      std::vector<int> addresses;
      for (int i = first; i < first + 32; ++i) addresses.push_back(offset(i % columns, i / columns));
      EXPECT_EQ(conflicts(addresses, 16), 0);
      reached.insert(addresses.begin(), addresses.end());
    }
  };
  copy(stage_blocks, shape_.rows, weights, [&](int column, int row) {
    // The kernel computes the offset of a thread's first row and adds whole steps of rows.
    const int step = shape_.threads / stage_blocks;
    return weight_offset(shape_.rows, column / kSliceBlocks, row % step, column % kSliceBlocks) +
           row / step * step * kWeightRowBytes;
  });
  copy(stage_chunks, shape_.tokens, x, [&](int column, int token) {
    const int step = shape_.threads / stage_chunks;
    return x_offset(shape_.tokens, column / kSliceChunks, token % step, column % kSliceChunks) +
           token / step * step * kTokenBytes;
  });
  EXPECT_EQ(weights.size(), static_cast<size_t>(shape_.rows * stage_blocks));
  EXPECT_EQ(x.size(), static_cast<size_t>(shape_.tokens * stage_chunks));
  EXPECT_EQ(*weights.rbegin(), shape_.rows * stage_blocks * 16 - 16);
  EXPECT_EQ(*x.rbegin(), shape_.tokens * stage_chunks * 16 - 16);
}

TEST_P(FragmentLayout, SumsHaveNoBankConflicts) {
  for (int reg = 0; reg < 4; ++reg) {
    std::vector<int> writes, reads;
    for (int lane = 0; lane < 32; ++lane) {
      writes.push_back(4 * sum_index(shape_.rows, shape_.tokens, 0, accumulator_token(lane % 4, reg),
                                     accumulator_row(lane / 4, reg)));
      if (lane < shape_.rows) reads.push_back(4 * sum_index(shape_.rows, shape_.tokens, 0, 0, lane));
    }
    EXPECT_EQ(conflicts(writes, 4), 0);
    EXPECT_EQ(conflicts(reads, 4), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiles, FragmentLayout, testing::Combine(testing::Range(0, 4), testing::Bool()));

}  // namespace
}  // namespace quern

// Where the mma.sync GEMM keeps its operands in shared memory, and which of them each lane feeds to which MMA. Index
// arithmetic only, on the host too, where a test simulates the lane maps and counts bank conflicts.
//
// A warp takes K in slices of 128: the four lanes of a quad times one MX block, or four steps of 32 K, each two MMAs.
// The order of K inside an MMA is free as long as A and B agree. So a lane takes eight consecutive elements a step, one
// 32-bit word of nibbles and one 16-byte chunk of X, both as they lie in memory:
//   x is bf16  lane t takes word `step` of block t: the scale is the lane's own and multiplies the weight
//   x is f16   lane t takes word t of block `step`: the two MMAs hold one block, whose scale multiplies their sum
#pragma once

#include <quern/types.h>

namespace quern {

constexpr int kSliceK = 128;                        // elements
constexpr int kSliceBlocks = 4;                     // 16-byte blocks of W in a slice of a row
constexpr int kSliceChunks = 16;                    // 16-byte chunks of X in a slice of a token
constexpr int kSliceSteps = 4;                      // of 32 K: two MMAs
constexpr int kWeightRowBytes = kSliceBlocks * 16;  // of one row in a slice in shared memory
constexpr int kTokenBytes = kSliceChunks * 16;      // of one token

// Byte offsets in a stage's weights [slice][rows][4 blocks] and X [slice][tokens][16 chunks]. The exclusive-ors spread
// what eight lanes read or write together over all banks; a multiple of 8 added to row or token adds that many rows.
QUERN_HOST_DEVICE constexpr int weight_offset(int rows, int slice, int row, int block) {
  return (slice * rows + (row ^ (slice & 1))) * kWeightRowBytes + (block ^ (row >> 1 & 3)) * 16;
}

QUERN_HOST_DEVICE constexpr int x_offset(int tokens, int slice, int token, int chunk) {
  return (slice * tokens + token) * kTokenBytes + (chunk ^ (chunk >> 3) << 1 ^ (token & 1) * 5) * 16;
}

// The block of a slice, and the word of that block, which quad lane t takes in a step.
QUERN_HOST_DEVICE constexpr int fragment_block(bool bf16, int t, int step) { return bf16 ? t : step; }
QUERN_HOST_DEVICE constexpr int fragment_word(bool bf16, int t, int step) { return bf16 ? step : t; }
// The chunk of X with the same eight elements.
QUERN_HOST_DEVICE constexpr int fragment_chunk(bool bf16, int t, int step) {
  return 4 * fragment_block(bf16, t, step) + fragment_word(bf16, t, step);
}

// Of a lane's eight elements, MMA j of a step takes pairs 2j and 2j+1: A registers 0 and 1 hold pair 2j of rows g and
// g+8, registers 2 and 3 pair 2j+1; B registers 0 and 1 hold pairs 2j and 2j+1 of token g.
QUERN_HOST_DEVICE constexpr int fragment_a_pair(int mma, int reg) { return 2 * mma + (reg >> 1); }
QUERN_HOST_DEVICE constexpr int fragment_a_row(int g, int reg) { return g + 8 * (reg & 1); }
QUERN_HOST_DEVICE constexpr int fragment_b_pair(int mma, int reg) { return 2 * mma + reg; }

// Row and token of accumulator register reg, in its 16 x 8 tile.
QUERN_HOST_DEVICE constexpr int accumulator_row(int g, int reg) { return g + 8 * (reg >> 1); }
QUERN_HOST_DEVICE constexpr int accumulator_token(int t, int reg) { return 2 * t + (reg & 1); }

// Index in floats of the sums [part of K][token][row] that the epilogue collects. The padding keeps a warp's writes
// apart.
QUERN_HOST_DEVICE constexpr int sum_index(int rows, int tokens, int part, int token, int row) {
  return (part * tokens + token) * (rows + 4) + row;
}

}  // namespace quern

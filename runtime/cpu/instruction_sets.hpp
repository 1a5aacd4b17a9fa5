// The kernels once per instruction set, and the choice among them. Tests walk the list; everyone else sees kernels.hpp.
#pragma once

#include <quern/dequantize_params.h>
#include <quern/gemm_params.h>

namespace quern::cpu {

// What every E2M1 nibble becomes under every scale byte, in 16 bits: f16, or the upper half of the f32, whose lower
// half is always 0. The two bytes of a value lie apart because byte shuffles look them up apart.
struct DecodeTable {
  struct Entry {
    uint8_t low[16];
    uint8_t high[16];
  };
  alignas(64) Entry entries[256];
};

// A part of a GEMM that one task computes: rows of X and Y by columns of Y, which are rows of W.
struct GemmTile {
  int32_t first_row, rows;        // at most kTileRows
  int32_t first_column, columns;  // at most kTileColumns
};
constexpr int kTileRows = 60;
constexpr int kTileColumns = 64;
constexpr int kRegisterRows = 6;  // rows whose sums the kernels hold in registers

struct InstructionSet {
  const char *name;
  bool (*runs_here)();
  // `count` blocks to kMxfp4Block * count elements of 16 bits, or of 32 if `wide`. `stream` bypasses the caches and
  // needs a dst aligned to 16 bytes.
  void (*dequantize)(const DecodeTable &table, const uint8_t *blocks, const uint8_t *scales, int64_t count, void *dst,
                     bool wide, bool stream);
  void (*gemm)(const GemmParams &params, const GemmTile &tile);
  // A row of `k` elements, a multiple of kMxfp4Block, to E4M3 and its scale.
  void (*quantize)(const void *src, Dtype dtype, int64_t k, uint8_t *dst, float *scale);
};

// Those that this machine can run, best first.
int instruction_set_count();
const InstructionSet &instruction_set_at(int index);

const InstructionSet &current_instruction_set();
// For tests: index as above. Not while a run is in progress.
void force_instruction_set(int index);

}  // namespace quern::cpu

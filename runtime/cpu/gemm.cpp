#include <quern/gemm_params.h>

#include "runtime/cpu/instruction_sets.hpp"
#include "runtime/cpu/kernels.hpp"

namespace quern::cpu {
namespace {

// Tiles per thread to aim for when M allows it, so that a thread that falls behind does not hold up the others.
constexpr int64_t kTilesPerThread = 4;
// Rows of X that make decoding a tile's weights worth while.
constexpr int32_t kLeastTileRows = 24;

int32_t ceil_div(int64_t a, int64_t b) { return static_cast<int32_t>((a + b - 1) / b); }

struct Job {
  const GemmParams &params;
  const InstructionSet &set;
  int32_t row_tiles;
  int32_t tile_rows;
};

int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

void run_task(void *context, int64_t index) {
  const Job &job = *static_cast<const Job *>(context);
  GemmTile tile;
  tile.first_row = static_cast<int32_t>(index % job.row_tiles) * job.tile_rows;
  tile.first_column = static_cast<int32_t>(index / job.row_tiles) * kTileColumns;
  tile.rows = smaller(job.params.m - tile.first_row, job.tile_rows);
  tile.columns = smaller(job.params.n - tile.first_column, kTileColumns);
  job.set.gemm(job.params, tile);
}

int32_t choose_tile_rows(const GemmParams &params, int32_t column_tiles, int threads) {
  int32_t rows = ceil_div(params.m, ceil_div(kTilesPerThread * threads, column_tiles));
  rows = rows < kLeastTileRows ? kLeastTileRows : smaller(rows, kTileRows);
  const int32_t even = ceil_div(params.m, ceil_div(params.m, rows));
  return ceil_div(even, kRegisterRows) * kRegisterRows;
}

}  // namespace

void gemm(const GemmParams &params, ThreadPool &pool) noexcept {
  const int32_t column_tiles = ceil_div(params.n, kTileColumns);
  const int32_t tile_rows = choose_tile_rows(params, column_tiles, pool.threads());
  Job job{params, current_instruction_set(), ceil_div(params.m, tile_rows), tile_rows};
  pool.run(int64_t{job.row_tiles} * column_tiles, run_task, &job);
}

}  // namespace quern::cpu

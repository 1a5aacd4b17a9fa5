// Y = X W^T + bias for up to 8 rows of X, in f32 on CUDA cores, sm_75 and up: a matrix-vector product per row of X.
//
// Algorithm: a warp sums TILE_ROWS / 8 rows of W. A lane takes one MX block of a row at a time, 16 bytes, so a warp
// reads 512 contiguous bytes; X comes from shared memory as it lies in memory. Lanes are added by a butterfly, in fixed
// order.
// Tile: TILE_ROWS rows a CTA of 8 warps, 1024 K a step. The weights of the next step are requested before one is
// multiplied.
// Shared memory: 8 tokens * 1024 * 2 = 16 KB, static. Bound: weight bandwidth for M = 1 or 2, then instruction issue.
#include <quern/gemm_params.h>
#include <quern/e2m1_convert.cuh>
#include <quern/element_io.cuh>

namespace quern {
namespace {

constexpr uint32_t kX = QUERN_X_DTYPE;
constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int kRows = TILE_ROWS / kWarps;  // per warp
constexpr int kTokens = TILE_TOKENS;
constexpr int kStepBlocks = 32;               // one per lane
constexpr int kStepChunks = kStepBlocks * 4;  // 16 bytes of X each
static_assert(TILE_ROWS % kWarps == 0 && kRows * kTokens <= 32, "a warp takes whole rows, and a lane stores one sum");

// Blocks of X start 64 bytes apart; the exclusive-or spreads what eight lanes read together over all banks.
__device__ __forceinline__ int chunk_slot(int block, int part) { return block * 4 + (part ^ (block >> 1 & 3)); }

struct Loaded {
  uint4 nibbles[kRows];
  uint32_t scales[kRows];
};

}  // namespace
}  // namespace quern

extern "C" __global__ void __launch_bounds__(quern::kThreads)
    quern_gemm_generic_m8(const __grid_constant__ quern::GemmParams p) {
  using namespace quern;
  __shared__ uint4 x[kTokens][kStepChunks];
  const int thread = static_cast<int>(threadIdx.x);

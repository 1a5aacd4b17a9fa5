#include <quern/dequantize_params.h>

#include <atomic>

#include "runtime/cpu/instruction_sets.hpp"
#include "runtime/cpu/kernels.hpp"

namespace quern::cpu {
namespace {

// Blocks of one task: 64 Ki elements, so that a task outweighs the handing out of it, and one long row has many.
constexpr int64_t kTaskBlocks = 2048;
// Results larger than this will not be in a cache when they are read, and need not pass through one.
constexpr int64_t kStreamBytes = int64_t{32} << 20;

// One core's stores past the caches are faster than others on AMD's processors; on Intel's they reach two thirds.
bool stores_stream_well() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

struct Job {
  const DequantizeParams &params;
  const InstructionSet &set;
  const DecodeTable &table;
  int64_t row_blocks;
  int64_t blocks;
  bool wide;
  bool stream;
};

void fill(DecodeTable &table, DecodePolicy policy, Dtype dtype) {
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const float scale = decode_scale(byte, policy, dtype);
    for (uint32_t nibble = 0; nibble < 16; ++nibble) {
      const float value = decode_mxfp4(nibble, scale, byte, policy);
      const uint16_t bits = dtype == kF16 ? f16_from_f32(value) : bf16_from_f32(value);
      table.entries[byte].low[nibble] = static_cast<uint8_t>(bits);
      table.entries[byte].high[nibble] = static_cast<uint8_t>(bits >> 8);
    }
  }
}

// A table takes as long to fill as 200,000 elements to decode, so each is kept once made.
struct KeptTable {
  enum State : uint32_t { kEmpty, kFilling, kReady };
  std::atomic<State> state{kEmpty};
  DecodeTable table;
};
KeptTable kept_tables[2][2][3][2][2];

// The table for a policy, in `spare` while another thread is making the one to keep.
const DecodeTable &find_table(DecodePolicy policy, Dtype dtype, DecodeTable &spare) {
  const bool f16 = dtype == kF16;
  const int nan = policy.scale_nan == kScaleNanLdexp ? 1 : policy.scale_nan == kScaleNanInf ? 2 : 0;
  KeptTable &kept = kept_tables[f16][policy.scale_zero == kScaleZeroFlush][nan][f16 && policy.scale_in_dst]
                               [policy.canonical_zero != 0];
  KeptTable::State state = kept.state.load(std::memory_order_acquire);
  if (state == KeptTable::kReady) return kept.table;
  if (state == KeptTable::kEmpty && kept.state.compare_exchange_strong(state, KeptTable::kFilling)) {
    fill(kept.table, policy, dtype);
    kept.state.store(KeptTable::kReady, std::memory_order_release);
    return kept.table;
  }
  fill(spare, policy, dtype);
  return spare;
}

void run_task(void *context, int64_t index) {
  const Job &job = *static_cast<const Job *>(context);
  const DequantizeParams &p = job.params;
  const int64_t element = job.wide ? 4 : 2;
  int64_t block = index * kTaskBlocks;
  const int64_t end = block + kTaskBlocks < job.blocks ? block + kTaskBlocks : job.blocks;
  while (block < end) {
    const int64_t row = block / job.row_blocks;
    const int64_t column = block % job.row_blocks;
    const int64_t count = end - block < job.row_blocks - column ? end - block : job.row_blocks - column;
    uint8_t *dst = static_cast<uint8_t *>(p.dst) + (row * p.dst_stride + column * kMxfp4Block) * element;
    job.set.dequantize(job.table, p.blocks + row * p.blocks_stride + column * (kMxfp4Block / 2),
                       p.scales + row * p.scales_stride + column, count, dst, job.wide,
                       job.stream && reinterpret_cast<uintptr_t>(dst) % 16 == 0);
    block += count;
  }
}

}  // namespace

void dequantize(const DequantizeParams &params, ThreadPool &pool) noexcept {
  DecodeTable spare;
  const bool wide = params.dst_dtype == kF32;
  const int64_t row_blocks = params.k / kMxfp4Block;
  const int64_t blocks = params.rows * row_blocks;
  Job job{params,
          current_instruction_set(),
          find_table(params.policy, static_cast<Dtype>(params.dst_dtype), spare),
          row_blocks,
          blocks,
          wide,
          blocks * kMxfp4Block * (wide ? 4 : 2) > kStreamBytes && stores_stream_well()};
  pool.run((blocks + kTaskBlocks - 1) / kTaskBlocks, run_task, &job);
}

}  // namespace quern::cpu

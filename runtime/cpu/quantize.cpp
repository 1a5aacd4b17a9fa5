#include <quern/quantize_params.h>

#include "runtime/cpu/instruction_sets.hpp"
#include "runtime/cpu/kernels.hpp"

namespace quern::cpu {
namespace {

// Elements of one task, so that it outweighs the handing out of it.
constexpr int64_t kTaskElements = int64_t{1} << 16;

struct Job {
  const QuantizeParams &params;
  const InstructionSet &set;
  int64_t task_rows;
};

void run_task(void *context, int64_t index) {
  const Job &job = *static_cast<const Job *>(context);
  const QuantizeParams &p = job.params;
  const int64_t element = p.src_dtype == kF32 ? 4 : 2;
  const int64_t first = index * job.task_rows;
  const int64_t end = first + job.task_rows < p.rows ? first + job.task_rows : p.rows;
  for (int64_t row = first; row < end; ++row) {
    job.set.quantize(static_cast<const uint8_t *>(p.src) + row * p.src_stride * element,
                     static_cast<Dtype>(p.src_dtype), p.k, p.dst + row * p.dst_stride,
                     static_cast<float *>(p.scales) + row);
  }
}

}  // namespace

void quantize(const QuantizeParams &params, ThreadPool &pool) noexcept {
  const int64_t task_rows = params.k < kTaskElements ? kTaskElements / params.k : 1;
  Job job{params, current_instruction_set(), task_rows};
  pool.run((params.rows + task_rows - 1) / task_rows, run_task, &job);
}

}  // namespace quern::cpu

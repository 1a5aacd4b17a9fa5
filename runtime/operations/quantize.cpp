// Operation "quantize": descriptor to problem, arguments to parameter block.
#include <quern/mxfp4.h>
#include <quern/quantize_params.h>

#include "runtime/base/error.hpp"
#include "runtime/cpu/kernels.hpp"
#include "runtime/plan/plan.hpp"

namespace quern {
namespace {

constexpr int64_t kMaxRows = INT64_C(1) << 40;

// The descriptor with its defaults filled in. Throws QUERN_INVALID_ARGUMENT.
quern_quantize_desc checked(const quern_quantize_desc &given, bool on_cpu) {
  quern_quantize_desc desc = given;
  if (desc.format == 0) desc.format = QUERN_FORMAT_E4M3_ROW;
  if (desc.format != QUERN_FORMAT_E4M3_ROW) {
    fail(QUERN_INVALID_ARGUMENT, "format is ", static_cast<int>(desc.format), "; it must be QUERN_FORMAT_E4M3_ROW");
  }
  if (desc.src_dtype < QUERN_DTYPE_F32 || desc.src_dtype > QUERN_DTYPE_BF16) {
    fail(QUERN_INVALID_ARGUMENT, "src_dtype is ", static_cast<int>(desc.src_dtype),
         "; it must be QUERN_DTYPE_BF16, QUERN_DTYPE_F16 or QUERN_DTYPE_F32");
  }
  check_size("rows_max", desc.rows_max, kMaxRows);
  check_size("k", desc.k, INT32_MAX);
  if (desc.k % kMxfp4Block != 0) {
    fail(QUERN_INVALID_ARGUMENT, "k is ", desc.k, "; it must be a multiple of ", kMxfp4Block);
  }
  check_choice("overlap", desc.overlap, 1, "0 or 1");
  const int64_t src_multiple = 16 / static_cast<int64_t>(dtype_bytes(desc.src_dtype));
  desc.src_stride = resolve_stride("src_stride", desc.src_stride, desc.k, on_cpu ? 1 : src_multiple);
  desc.dst_stride = resolve_stride("dst_stride", desc.dst_stride, desc.k, on_cpu ? 1 : 16);
  return desc;
}

}  // namespace

ExecutorRequest quantize_request(const quern_quantize_desc &desc) {
  Problem problem{&quantize_operation()};
  problem["rows"] = desc.rows_max;
  problem["k"] = desc.k;
  problem["src_dtype"] = desc.src_dtype;
  problem["format"] = desc.format;
  ExecutorRequest out{problem, desc.kernel == nullptr ? "" : desc.kernel, desc.target == nullptr ? "" : desc.target,
                      [](const void *parameters, cpu::ThreadPool &pool) {
                        cpu::quantize(*static_cast<const QuantizeParams *>(parameters), pool);
                      }};
  out.overlap = desc.overlap != 0;
  return out;
}

std::unique_ptr<Plan> QuantizePlan::make(const std::shared_ptr<Device> &device, const quern_quantize_desc &desc) {
  const bool on_cpu = device->kind() == QUERN_DEVICE_CPU;
  const quern_quantize_desc full = checked(desc, on_cpu);
  std::unique_ptr<QuantizePlan> plan(new QuantizePlan(make_executor(device, quantize_request(full))));
  plan->desc_ = full;
  plan->desc_.kernel = plan->desc_.target = nullptr;  // the caller's strings
  plan->on_cpu_ = on_cpu;
  return plan;
}

std::vector<Explanation> QuantizePlan::explain(const Device &device, const quern_quantize_desc &desc) {
  return quern::explain(device, quantize_request(checked(desc, device.kind() == QUERN_DEVICE_CPU)));
}

void QuantizePlan::run(const quern_quantize_args &args, quern_stream stream) const {
  check_run(args.rows, "rows", args.workspace, args.workspace_bytes);
  check_pointer("src", args.src, on_cpu_ ? dtype_bytes(desc_.src_dtype) : 16);
  check_pointer("dst", args.dst, on_cpu_ ? 1 : 16);
  check_pointer("scales", args.scales, sizeof(float));
  QuantizeParams params{};
  params.src = args.src;
  params.dst = static_cast<uint8_t *>(args.dst);
  params.scales = args.scales;
  params.src_stride = desc_.src_stride;
  params.dst_stride = desc_.dst_stride;
  params.rows = args.rows;
  params.k = desc_.k;
  params.src_dtype = static_cast<uint8_t>(desc_.src_dtype);
  params.format = static_cast<uint8_t>(desc_.format);
  executor().run(&params, args.rows, stream);
}

}  // namespace quern

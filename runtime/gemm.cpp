// Operation "gemm": descriptor to problem, arguments to parameter block.
#include <quern/gemm_params.h>

#include "runtime/base/error.hpp"
#include "runtime/cpu/kernels.hpp"
#include "runtime/plan.hpp"

namespace quern {
namespace {

void check_half(const char *name, quern_dtype dtype) {
  if (dtype != QUERN_DTYPE_BF16 && dtype != QUERN_DTYPE_F16) {
    fail(QUERN_INVALID_ARGUMENT, name, " is ", static_cast<int>(dtype),
         "; it must be QUERN_DTYPE_BF16 or QUERN_DTYPE_F16");
  }
}

// The descriptor with its defaults filled in. Throws QUERN_INVALID_ARGUMENT.
quern_gemm_desc checked(const quern_gemm_desc &given, bool on_cpu) {
  quern_gemm_desc desc = given;
  desc.format = resolve_format(desc.format);
  check_half("x_dtype", desc.x_dtype);
  check_half("y_dtype", desc.y_dtype);
  if (desc.bias_dtype < 0 || desc.bias_dtype > QUERN_DTYPE_BF16) {
    fail(QUERN_INVALID_ARGUMENT, "bias_dtype is ", static_cast<int>(desc.bias_dtype),
         "; it must be 0 or a QUERN_DTYPE_ value");
  }
  if (desc.scale_zero != QUERN_SCALE_ZERO_EXACT && desc.scale_zero != QUERN_SCALE_ZERO_FLUSH) {
    fail(QUERN_INVALID_ARGUMENT, "scale_zero is ", static_cast<int>(desc.scale_zero),
         "; use a QUERN_SCALE_ZERO_ value");
  }
  check_size("m_max", desc.m_max, INT32_MAX);
  check_size("n", desc.n, INT32_MAX);
  check_k(desc.k);
  desc.x_stride = resolve_stride("x_stride", desc.x_stride, desc.k, on_cpu ? 1 : 8);
  desc.y_stride = resolve_stride("y_stride", desc.y_stride, desc.n, 1);
  desc.blocks_stride = resolve_stride("blocks_stride", desc.blocks_stride, desc.k / 2, on_cpu ? 1 : 16);
  desc.scales_stride = resolve_stride("scales_stride", desc.scales_stride, desc.k / kMxfp4Block, 1);
  return desc;
}

ExecutorRequest request(const quern_gemm_desc &desc) {
  Problem problem{&gemm_operation()};
  problem["m"] = desc.m_max;
  problem["n"] = desc.n;
  problem["k"] = desc.k;
  problem["format"] = desc.format;
  problem["x_dtype"] = desc.x_dtype;
  problem["y_dtype"] = desc.y_dtype;
  problem["bias_dtype"] = desc.bias_dtype;
  problem["scale_zero"] = desc.scale_zero;
  return {problem, desc.kernel == nullptr ? "" : desc.kernel, desc.target == nullptr ? "" : desc.target,
          [](const void *parameters, cpu::ThreadPool &pool) {
            cpu::gemm(*static_cast<const GemmParams *>(parameters), pool);
          }};
}

}  // namespace

std::unique_ptr<Plan> GemmPlan::make(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc) {
  const bool on_cpu = device->kind() == QUERN_DEVICE_CPU;
  const quern_gemm_desc full = checked(desc, on_cpu);
  std::unique_ptr<GemmPlan> plan(new GemmPlan(make_executor(device, request(full))));
  plan->desc_ = full;
  plan->desc_.kernel = plan->desc_.target = nullptr;  // the caller's strings
  plan->on_cpu_ = on_cpu;
  return plan;
}

std::vector<Explanation> GemmPlan::explain(const Device &device, const quern_gemm_desc &desc) {
  return quern::explain(device, request(checked(desc, device.kind() == QUERN_DEVICE_CPU)));
}

void GemmPlan::run(const quern_gemm_args &args, quern_stream stream) const {
  check_run(args.m, "m", args.workspace, args.workspace_bytes);
  check_pointer("x", args.x, on_cpu_ ? dtype_bytes(desc_.x_dtype) : 16);
  check_pointer("blocks", args.blocks, on_cpu_ ? 1 : 16);
  check_pointer("scales", args.scales, 1);
  check_pointer("y", args.y, dtype_bytes(desc_.y_dtype));
  if (desc_.bias_dtype != 0) {
    check_pointer("bias", args.bias, dtype_bytes(desc_.bias_dtype));
  } else if (args.bias != nullptr) {
    fail(QUERN_INVALID_ARGUMENT, "bias is given and the plan has none; set bias_dtype in the descriptor");
  }
  GemmParams params;
  params.x = args.x;
  params.blocks = static_cast<const uint8_t *>(args.blocks);
  params.scales = static_cast<const uint8_t *>(args.scales);
  params.bias = args.bias;
  params.y = args.y;
  params.workspace = args.workspace;
  params.x_stride = desc_.x_stride;
  params.y_stride = desc_.y_stride;
  params.blocks_stride = desc_.blocks_stride;
  params.scales_stride = desc_.scales_stride;
  params.m = static_cast<int32_t>(args.m);
  params.n = static_cast<int32_t>(desc_.n);
  params.k = static_cast<int32_t>(desc_.k);
  params.x_dtype = static_cast<uint8_t>(desc_.x_dtype);
  params.y_dtype = static_cast<uint8_t>(desc_.y_dtype);
  params.bias_dtype = static_cast<uint8_t>(desc_.bias_dtype);
  params.scale_zero = static_cast<uint8_t>(desc_.scale_zero);
  executor().run(&params, args.m, stream);
}

}  // namespace quern

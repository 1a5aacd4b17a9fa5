// Operation "dequantize": descriptor to problem, arguments to parameter block.
#include <quern/dequantize_params.h>

#include "runtime/base/error.hpp"
#include "runtime/cpu/kernels.hpp"
#include "runtime/plan/plan.hpp"

namespace quern {
namespace {

constexpr int64_t kMaxRows = INT64_C(1) << 40;

// The descriptor with its defaults filled in. Throws QUERN_INVALID_ARGUMENT.
quern_dequantize_desc checked(const quern_dequantize_desc &given, bool on_cpu) {
  quern_dequantize_desc desc = given;
  desc.format = resolve_format(desc.format);
  if (desc.dst_dtype < QUERN_DTYPE_F32 || desc.dst_dtype > QUERN_DTYPE_BF16) {
    fail(QUERN_INVALID_ARGUMENT, "dst_dtype is ", static_cast<int>(desc.dst_dtype),
         "; it must be a QUERN_DTYPE_ value");
  }
  check_size("rows_max", desc.rows_max, kMaxRows);
  check_k(desc.k);
  const int64_t dst_multiple = 16 / static_cast<int64_t>(dtype_bytes(desc.dst_dtype));
  desc.blocks_stride = resolve_stride("blocks_stride", desc.blocks_stride, desc.k / 2, on_cpu ? 1 : 16);
  desc.scales_stride = resolve_stride("scales_stride", desc.scales_stride, desc.k / kMxfp4Block, 1);
  desc.dst_stride = resolve_stride("dst_stride", desc.dst_stride, desc.k, on_cpu ? 1 : dst_multiple);
  return desc;
}

quern_decode_policy checked_policy(const quern_decode_policy *given) {
  quern_decode_policy policy = QUERN_DECODE_POLICY_INIT;
  if (given != nullptr) policy = *given;
  const auto check = [](const char *name, int64_t value, int64_t most) {
    if (value < 0 || value > most)
      fail(QUERN_INVALID_ARGUMENT, "policy.", name, " is ", value, "; it must be 0 to ", most);
  };
  check("scale_zero", policy.scale_zero, QUERN_SCALE_ZERO_FLUSH);
  check("scale_nan", policy.scale_nan, QUERN_SCALE_NAN_INF);
  check("scale_in_dst", policy.scale_in_dst, 1);
  check("canonical_zero", policy.canonical_zero, 1);
  return policy;
}

ExecutorRequest request(const quern_dequantize_desc &desc, const quern_decode_policy &policy) {
  Problem problem{&dequantize_operation()};
  problem["rows"] = desc.rows_max;
  problem["k"] = desc.k;
  problem["format"] = desc.format;
  problem["dst_dtype"] = desc.dst_dtype;
  problem["scale_zero"] = policy.scale_zero;
  problem["scale_nan"] = policy.scale_nan;
  problem["scale_in_dst"] = policy.scale_in_dst;
  problem["canonical_zero"] = policy.canonical_zero;
  return {problem, desc.kernel == nullptr ? "" : desc.kernel, desc.target == nullptr ? "" : desc.target,
          [](const void *parameters, cpu::ThreadPool &pool) {
            cpu::dequantize(*static_cast<const DequantizeParams *>(parameters), pool);
          }};
}

}  // namespace

std::unique_ptr<Plan> DequantizePlan::make(const std::shared_ptr<Device> &device, const quern_dequantize_desc &desc) {
  const bool on_cpu = device->kind() == QUERN_DEVICE_CPU;
  const quern_dequantize_desc full = checked(desc, on_cpu);
  const quern_decode_policy policy = checked_policy(desc.policy);
  std::unique_ptr<DequantizePlan> plan(new DequantizePlan(make_executor(device, request(full, policy))));
  plan->desc_ = full;
  plan->desc_.kernel = plan->desc_.target = nullptr;  // the caller's
  plan->desc_.policy = nullptr;
  plan->policy_ = policy;
  plan->on_cpu_ = on_cpu;
  return plan;
}

std::vector<Explanation> DequantizePlan::explain(const Device &device, const quern_dequantize_desc &desc) {
  return quern::explain(device, request(checked(desc, device.kind() == QUERN_DEVICE_CPU), checked_policy(desc.policy)));
}

void DequantizePlan::run(const quern_dequantize_args &args, quern_stream stream) const {
  check_run(args.rows, "rows", args.workspace, args.workspace_bytes);
  check_pointer("blocks", args.blocks, on_cpu_ ? 1 : 16);
  check_pointer("scales", args.scales, 1);
  check_pointer("dst", args.dst, on_cpu_ ? dtype_bytes(desc_.dst_dtype) : 16);
  DequantizeParams params;
  params.blocks = static_cast<const uint8_t *>(args.blocks);
  params.scales = static_cast<const uint8_t *>(args.scales);
  params.dst = args.dst;
  params.workspace = args.workspace;
  params.blocks_stride = desc_.blocks_stride;
  params.scales_stride = desc_.scales_stride;
  params.dst_stride = desc_.dst_stride;
  params.rows = args.rows;
  params.k = desc_.k;
  params.policy = {static_cast<uint8_t>(policy_.scale_zero), static_cast<uint8_t>(policy_.scale_nan),
                   static_cast<uint8_t>(policy_.scale_in_dst), static_cast<uint8_t>(policy_.canonical_zero)};
  params.dst_dtype = static_cast<uint32_t>(desc_.dst_dtype);
  executor().run(&params, args.rows, stream);
}

}  // namespace quern

// Operation "gemm": descriptor to problem, arguments to parameter block.
#include <quern/gemm_params.h>
#include <quern/packed_layout.h>

#include "runtime/base/error.hpp"
#include "runtime/cpu/kernels.hpp"
#include "runtime/cuda_executor.hpp"
#include "runtime/plan.hpp"

namespace quern {
namespace {

void check_half(const char *name, quern_dtype dtype) {
  if (dtype != QUERN_DTYPE_BF16 && dtype != QUERN_DTYPE_F16) {
    fail(QUERN_INVALID_ARGUMENT, name, " is ", static_cast<int>(dtype),
         "; it must be QUERN_DTYPE_BF16 or QUERN_DTYPE_F16");
  }
}

void check_choice(const char *name, int64_t value, int64_t most, const char *valid) {
  if (value < 0 || value > most) fail(QUERN_INVALID_ARGUMENT, name, " is ", value, "; use ", valid);
}

// The x_dtype that a packed layout is made for.
quern_dtype layout_dtype(quern_layout layout) {
  return layout == QUERN_LAYOUT_MMA16_BF16 ? QUERN_DTYPE_BF16 : QUERN_DTYPE_F16;
}

// The descriptor with its defaults filled in. Throws QUERN_INVALID_ARGUMENT.
quern_gemm_desc checked(const quern_gemm_desc &given, bool on_cpu) {
  quern_gemm_desc desc = given;
  desc.format = resolve_format(desc.format);
  check_half("x_dtype", desc.x_dtype);
  if (desc.y_dtype != QUERN_DTYPE_F32) check_half("y_dtype", desc.y_dtype);
  check_choice("bias_dtype", desc.bias_dtype, QUERN_DTYPE_BF16, "0 or a QUERN_DTYPE_ value");
  check_choice("scale_zero", desc.scale_zero, QUERN_SCALE_ZERO_FLUSH, "a QUERN_SCALE_ZERO_ value");
  check_choice("layout", desc.layout, QUERN_LAYOUT_MMA16_F16, "a QUERN_LAYOUT_ value");
  check_choice("activation", desc.activation, QUERN_ACTIVATION_GELU_TANH, "a QUERN_ACTIVATION_ value");
  check_choice("residual", desc.residual, 1, "0 or 1");
  check_choice("batch_invariant", desc.batch_invariant, 1, "0 or 1");
  check_choice("overlap", desc.overlap, 1, "0 or 1");
  if (desc.layout != QUERN_LAYOUT_CANONICAL && desc.x_dtype != layout_dtype(desc.layout)) {
    fail(QUERN_INVALID_ARGUMENT, "layout is packed for the other x_dtype; pack the weights for the type of X");
  }
  check_size("m_max", desc.m_max, INT32_MAX);
  check_size("n", desc.n, INT32_MAX);
  check_k(desc.k);
  desc.x_stride = resolve_stride("x_stride", desc.x_stride, desc.k, on_cpu ? 1 : 8);
  desc.y_stride = resolve_stride("y_stride", desc.y_stride, desc.n, 1);
  desc.residual_stride = resolve_stride("residual_stride", desc.residual_stride, desc.n, 1);
  desc.blocks_stride = resolve_stride("blocks_stride", desc.blocks_stride, desc.k / 2, on_cpu ? 1 : 16);
  desc.scales_stride = resolve_stride("scales_stride", desc.scales_stride, desc.k / kMxfp4Block, 1);
  if (desc.layout != QUERN_LAYOUT_CANONICAL) desc.scale_zero = QUERN_SCALE_ZERO_EXACT;  // decided when packed
  return desc;
}

TensorView describe_operand(const void *parameters, size_t operand) {
  const GemmParams &p = *static_cast<const GemmParams *>(parameters);
  if (operand == 0) {  // x
    return {p.x, {static_cast<uint64_t>(p.k), static_cast<uint64_t>(p.m)}, static_cast<uint64_t>(p.x_stride) * 2};
  }
  // tiles: those of 16 rows follow each other
  const auto strip_bytes = static_cast<uint64_t>(packed_k_tiles(p.k)) * kPackedTileBytes;
  return {p.blocks, {strip_bytes / 8, static_cast<uint64_t>(packed_row_tiles(p.n))}, strip_bytes};
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
  problem["layout"] = desc.layout;
  problem["activation"] = desc.activation;
  problem["residual"] = desc.residual;
  problem["batch_invariant"] = desc.batch_invariant;
  ExecutorRequest out{problem, desc.kernel == nullptr ? "" : desc.kernel, desc.target == nullptr ? "" : desc.target,
                      [](const void *parameters, cpu::ThreadPool &pool) {
                        cpu::gemm(*static_cast<const GemmParams *>(parameters), pool);
                      }};
  out.describe_operand = describe_operand;
  out.overlap = desc.overlap != 0;
  out.one_variant = desc.batch_invariant != 0;
  if (desc.layout != QUERN_LAYOUT_CANONICAL) {
    out.cpu_run = [](const void *parameters, cpu::ThreadPool &pool) {
      cpu::packed_gemm(*static_cast<const GemmParams *>(parameters), pool);
    };
    out.cpu_workspace_bytes = cpu::packed_gemm_workspace_bytes(desc.n, desc.k);
  }
  return out;
}

}  // namespace

std::unique_ptr<Plan> GemmPlan::make(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc) {
  const bool on_cpu = device->kind() == QUERN_DEVICE_CPU;
  const quern_gemm_desc full = checked(desc, on_cpu);
  std::unique_ptr<GemmPlan> plan(new GemmPlan(make_executor(device, request(full))));
  plan->desc_ = full;
  plan->desc_.kernel = plan->desc_.target = nullptr;  // the caller's strings
  plan->on_cpu_ = on_cpu;
  plan->tiles_offset_ = packed_tiles_offset(full.n);
  return plan;
}

std::vector<Explanation> GemmPlan::explain(const Device &device, const quern_gemm_desc &desc) {
  return quern::explain(device, request(checked(desc, device.kind() == QUERN_DEVICE_CPU)));
}

quern_layout GemmPlan::best_layout(const Device &device, const quern_gemm_desc &desc) {
  const bool on_cpu = device.kind() == QUERN_DEVICE_CPU;
  quern_gemm_desc packed = desc;
  packed.layout = desc.x_dtype == QUERN_DTYPE_F16 ? QUERN_LAYOUT_MMA16_F16 : QUERN_LAYOUT_MMA16_BF16;
  const ExecutorRequest asked = request(checked(packed, on_cpu));
  if (on_cpu) return QUERN_LAYOUT_CANONICAL;
  const std::vector<Explanation> candidates = quern::explain(device, asked);
  const bool served = !candidates.empty() && candidates.front().chosen;
  return served ? packed.layout : QUERN_LAYOUT_CANONICAL;
}

DispatchRequest GemmPlan::dispatch_request(const Device &device, const quern_gemm_desc &desc) {
  return quern::dispatch_request(device, request(checked(desc, false)), native_target(device.facts().capability));
}

void GemmPlan::check(const quern_gemm_args &args) const {
  check_run(args.m, "m", args.workspace, args.workspace_bytes);
  check_pointer("x", args.x, on_cpu_ ? dtype_bytes(desc_.x_dtype) : 16);
  if (desc_.layout == QUERN_LAYOUT_CANONICAL) {
    check_pointer("blocks", args.blocks, on_cpu_ ? 1 : 16);
    check_pointer("scales", args.scales, 1);
  } else {
    check_pointer("blocks", args.blocks, on_cpu_ ? alignof(PackedHeader) : 256);
    if (args.scales != nullptr) {
      fail(QUERN_INVALID_ARGUMENT, "scales is given and the plan's weights are packed; pass NULL");
    }
  }
  check_pointer("y", args.y, dtype_bytes(desc_.y_dtype));
  if (desc_.bias_dtype != 0) {
    check_pointer("bias", args.bias, dtype_bytes(desc_.bias_dtype));
  } else if (args.bias != nullptr) {
    fail(QUERN_INVALID_ARGUMENT, "bias is given and the plan has none; set bias_dtype in the descriptor");
  }
  if (desc_.residual != 0) {
    check_pointer("residual", args.residual, dtype_bytes(desc_.y_dtype));
  } else if (args.residual != nullptr) {
    fail(QUERN_INVALID_ARGUMENT, "residual is given and the plan has none; set residual in the descriptor");
  }
}

void GemmPlan::run(const quern_gemm_args &args, quern_stream stream) const {
  check(args);
  GemmParams params;
  params.x = args.x;
  params.blocks = static_cast<const uint8_t *>(args.blocks);
  params.scales = static_cast<const uint8_t *>(args.scales);
  if (desc_.layout != QUERN_LAYOUT_CANONICAL) {
    params.scales = params.blocks + kPackedHeaderBytes;
    params.blocks += tiles_offset_;
  }
  params.bias = args.bias;
  params.residual = args.residual;
  params.y = args.y;
  params.workspace = args.workspace;
  params.x_stride = desc_.x_stride;
  params.y_stride = desc_.y_stride;
  params.residual_stride = desc_.residual_stride;
  params.blocks_stride = desc_.blocks_stride;
  params.scales_stride = desc_.scales_stride;
  params.m = static_cast<int32_t>(args.m);
  params.n = static_cast<int32_t>(desc_.n);
  params.k = static_cast<int32_t>(desc_.k);
  params.alpha = args.alpha == 0.0f ? 1.0f : args.alpha;
  params.x_dtype = static_cast<uint8_t>(desc_.x_dtype);
  params.y_dtype = static_cast<uint8_t>(desc_.y_dtype);
  params.bias_dtype = static_cast<uint8_t>(desc_.bias_dtype);
  params.scale_zero = static_cast<uint8_t>(desc_.scale_zero);
  params.activation = static_cast<uint8_t>(desc_.activation);
  params.x_scales = nullptr;
  params.accumulation = kAccumulationPromoted;
  params.reserved[0] = params.reserved[1] = 0;
  executor().run(&params, args.m, stream);
}

}  // namespace quern

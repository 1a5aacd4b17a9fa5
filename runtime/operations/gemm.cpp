// Operation "gemm": descriptor to problem, arguments to parameter block.
#include <quern/gemm_params.h>
#include <quern/packed_layout.h>

#include "runtime/base/error.hpp"
#include "runtime/cpu/kernels.hpp"
#include "runtime/operations/quantizing_executor.hpp"
#include "runtime/plan/cuda_executor.hpp"
#include "runtime/plan/plan.hpp"

namespace quern {
namespace {

void check_half(const char *name, quern_dtype dtype) {
  if (dtype != QUERN_DTYPE_BF16 && dtype != QUERN_DTYPE_F16) {
    fail(QUERN_INVALID_ARGUMENT, name, " is ", static_cast<int>(dtype),
         "; it must be QUERN_DTYPE_BF16 or QUERN_DTYPE_F16");
  }
}

// Whether X is bf16 or f16 and the kernels multiply E4M3.
bool quantizes(const quern_gemm_desc &desc) {
  return desc.layout == QUERN_LAYOUT_MMA16_E5M2 && desc.x_dtype != QUERN_DTYPE_E4M3;
}

// That layout, x_dtype and accumulation go together.
void check_layout(const quern_gemm_desc &desc) {
  check_choice("layout", desc.layout, QUERN_LAYOUT_MMA16_E5M2, "a QUERN_LAYOUT_ value");
  check_choice("accumulation", desc.accumulation, QUERN_ACCUMULATION_FAST, "a QUERN_ACCUMULATION_ value");
  const bool fp8 = desc.layout == QUERN_LAYOUT_MMA16_E5M2;
  if (desc.x_dtype == QUERN_DTYPE_E4M3 && !fp8) {
    fail(QUERN_INVALID_ARGUMENT, "x_dtype is E4M3, which goes with weights of layout QUERN_LAYOUT_MMA16_E5M2 only");
  }
  if (desc.accumulation == QUERN_ACCUMULATION_FAST && !fp8) {
    fail(QUERN_INVALID_ARGUMENT,
         "accumulation is fast, which goes with weights of layout QUERN_LAYOUT_MMA16_E5M2 only");
  }
  const bool other_half = (desc.layout == QUERN_LAYOUT_MMA16_BF16 && desc.x_dtype != QUERN_DTYPE_BF16) ||
                          (desc.layout == QUERN_LAYOUT_MMA16_F16 && desc.x_dtype != QUERN_DTYPE_F16);
  if (other_half) {
    fail(QUERN_INVALID_ARGUMENT, "layout is packed for the other x_dtype; pack the weights for the type of X");
  }
}

// The descriptor with its defaults filled in. Throws QUERN_INVALID_ARGUMENT.
quern_gemm_desc checked(const quern_gemm_desc &given, bool on_cpu) {
  quern_gemm_desc desc = given;
  desc.format = resolve_format(desc.format);
  if (desc.x_dtype != QUERN_DTYPE_E4M3) check_half("x_dtype", desc.x_dtype);
  if (desc.y_dtype != QUERN_DTYPE_F32) check_half("y_dtype", desc.y_dtype);
  check_choice("bias_dtype", desc.bias_dtype, QUERN_DTYPE_BF16,
               "0, QUERN_DTYPE_BF16, QUERN_DTYPE_F16 or QUERN_DTYPE_F32");
  check_choice("scale_zero", desc.scale_zero, QUERN_SCALE_ZERO_FLUSH, "a QUERN_SCALE_ZERO_ value");
  check_choice("activation", desc.activation, QUERN_ACTIVATION_GELU_TANH, "a QUERN_ACTIVATION_ value");
  check_choice("residual", desc.residual, 1, "0 or 1");
  check_choice("batch_invariant", desc.batch_invariant, 1, "0 or 1");
  check_choice("overlap", desc.overlap, 1, "0 or 1");
  check_layout(desc);
  check_size("m_max", desc.m_max, INT32_MAX);
  check_size("n", desc.n, INT32_MAX);
  check_k(desc.k);
  const int64_t x_multiple = 16 / static_cast<int64_t>(dtype_bytes(desc.x_dtype));
  desc.x_stride = resolve_stride("x_stride", desc.x_stride, desc.k, on_cpu ? 1 : x_multiple);
  desc.y_stride = resolve_stride("y_stride", desc.y_stride, desc.n, 1);
  desc.residual_stride = resolve_stride("residual_stride", desc.residual_stride, desc.n, 1);
  desc.blocks_stride = resolve_stride("blocks_stride", desc.blocks_stride, desc.k / 2, on_cpu ? 1 : 16);
  desc.scales_stride = resolve_stride("scales_stride", desc.scales_stride, desc.k / kMxfp4Block, 1);
  if (desc.layout != QUERN_LAYOUT_CANONICAL) desc.scale_zero = QUERN_SCALE_ZERO_EXACT;  // decided when packed
  return desc;
}

TensorView describe_operand(const void *parameters, size_t operand) {
  const GemmParams &p = *static_cast<const GemmParams *>(parameters);
  if (operand == 0) {  // x, in units of 16 bits; two E4M3 are one
    const uint64_t units = p.x_dtype == kE4m3 ? 2 : 1;
    return {p.x,
            {static_cast<uint64_t>(p.k) / units, static_cast<uint64_t>(p.m)},
            static_cast<uint64_t>(p.x_stride) * 2 / units};
  }
  // tiles: those of 16 rows follow each other
  const auto strip_bytes = static_cast<uint64_t>(packed_k_tiles(p.k)) * kPackedTileBytes;
  return {p.blocks, {strip_bytes / 8, static_cast<uint64_t>(packed_row_tiles(p.n))}, strip_bytes};
}

// The product, with X as the kernels read it.
ExecutorRequest request(const quern_gemm_desc &desc) {
  Problem problem{&gemm_operation()};
  problem["m"] = desc.m_max;
  problem["n"] = desc.n;
  problem["k"] = desc.k;
  problem["format"] = desc.format;
  problem["x_dtype"] = quantizes(desc) ? QUERN_DTYPE_E4M3 : desc.x_dtype;
  problem["y_dtype"] = desc.y_dtype;
  problem["bias_dtype"] = desc.bias_dtype;
  problem["scale_zero"] = desc.scale_zero;
  problem["layout"] = desc.layout;
  problem["activation"] = desc.activation;
  problem["residual"] = desc.residual;
  problem["batch_invariant"] = desc.batch_invariant;
  problem["accumulation"] = desc.accumulation;
  ExecutorRequest out{problem, desc.kernel == nullptr ? "" : desc.kernel, desc.target == nullptr ? "" : desc.target,
                      [](const void *parameters, cpu::ThreadPool &pool) {
                        cpu::gemm(*static_cast<const GemmParams *>(parameters), pool);
                      }};
  out.describe_operand = describe_operand;
  out.overlap = desc.overlap != 0 || quantizes(desc);  // W never comes from what quantizes X
  out.one_variant = desc.batch_invariant != 0;
  if (desc.layout != QUERN_LAYOUT_CANONICAL) {
    out.cpu_run = [](const void *parameters, cpu::ThreadPool &pool) {
      cpu::packed_gemm(*static_cast<const GemmParams *>(parameters), pool);
    };
    out.cpu_workspace_bytes = cpu::packed_gemm_workspace_bytes(desc.n, desc.k);
  }
  return out;
}

// What makes E4M3 of the product's X.
ExecutorRequest request_for_x(const quern_gemm_desc &desc) {
  quern_quantize_desc x = QUERN_QUANTIZE_DESC_INIT;
  x.src_dtype = desc.x_dtype;
  x.rows_max = desc.m_max;
  x.k = desc.k;
  x.src_stride = desc.x_stride;
  x.dst_stride = desc.k;
  x.target = desc.target;
  x.overlap = desc.overlap;
  return quantize_request(x);
}

std::unique_ptr<Executor> executor_for(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc) {
  std::unique_ptr<Executor> gemm = make_executor(device, request(desc));
  if (!quantizes(desc)) return gemm;
  return std::make_unique<QuantizingExecutor>(make_executor(device, request_for_x(desc)), std::move(gemm), desc.k);
}

}  // namespace

std::unique_ptr<Plan> GemmPlan::make(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc) {
  const bool on_cpu = device->kind() == QUERN_DEVICE_CPU;
  const quern_gemm_desc full = checked(desc, on_cpu);
  std::unique_ptr<GemmPlan> plan(new GemmPlan(executor_for(device, full)));
  plan->desc_ = full;
  plan->desc_.kernel = plan->desc_.target = nullptr;  // the caller's strings
  plan->on_cpu_ = on_cpu;
  plan->tiles_offset_ = packed_tiles_offset(full.n);
  return plan;
}

std::vector<Explanation> GemmPlan::explain(const Device &device, const quern_gemm_desc &desc) {
  const quern_gemm_desc full = checked(desc, device.kind() == QUERN_DEVICE_CPU);
  std::vector<Explanation> rows = quern::explain(device, request(full));
  const auto served = [](const std::vector<Explanation> &by) { return !by.empty() && by.front().chosen; };
  if (!quantizes(full) || !served(rows)) return rows;
  const std::vector<Explanation> second = quern::explain(device, request_for_x(full));
  for (Explanation &row : rows) {
    // Nothing is chosen unless a plan could be made.
    if (row.chosen && !served(second)) {
      row = {row.kernel, row.origin, row.priority, false, 0, 0, "", "no kernel here quantizes its X"};
    }
  }
  rows.insert(rows.end(), second.begin(), second.end());
  return rows;
}

quern_layout GemmPlan::best_layout(const Device &device, const quern_gemm_desc &desc) {
  const bool on_cpu = device.kind() == QUERN_DEVICE_CPU;
  quern_gemm_desc packed = desc;
  const bool fp8 = desc.x_dtype == QUERN_DTYPE_E4M3;
  packed.layout = fp8                               ? QUERN_LAYOUT_MMA16_E5M2
                  : desc.x_dtype == QUERN_DTYPE_F16 ? QUERN_LAYOUT_MMA16_F16
                                                    : QUERN_LAYOUT_MMA16_BF16;
  const ExecutorRequest asked = request(checked(packed, on_cpu));
  if (on_cpu) return fp8 ? packed.layout : QUERN_LAYOUT_CANONICAL;
  const std::vector<Explanation> candidates = quern::explain(device, asked);
  if (!candidates.empty() && candidates.front().chosen) return packed.layout;
  if (fp8) {
    fail(QUERN_UNSUPPORTED, "no kernel on ", device.name(), " multiplies E4M3 X of this problem",
         candidates.empty() ? "" : text(" (", candidates.front().kernel, ": ", candidates.front().reason, ")"),
         "; keep X in bf16 or f16");
  }
  return QUERN_LAYOUT_CANONICAL;
}

DispatchRequest GemmPlan::dispatch_request(const Device &device, const quern_gemm_desc &desc) {
  return quern::dispatch_request(device, request(checked(desc, false)), native_target(device.facts().capability));
}

void GemmPlan::check(const quern_gemm_args &args) const {
  check_run(args.m, "m", args.workspace, args.workspace_bytes);
  check_pointer("x", args.x, on_cpu_ ? dtype_bytes(desc_.x_dtype) : 16);
  if (desc_.x_dtype == QUERN_DTYPE_E4M3) {
    check_pointer("x_scales", args.x_scales, sizeof(float));
  } else if (args.x_scales != nullptr) {
    fail(QUERN_INVALID_ARGUMENT, "x_scales is given and the plan's X is not E4M3; pass NULL");
  }
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
  params.x_scales = args.x_scales;
  params.accumulation = static_cast<uint8_t>(desc_.accumulation);
  params.reserved[0] = params.reserved[1] = 0;
  executor().run(&params, args.m, stream);
}

}  // namespace quern

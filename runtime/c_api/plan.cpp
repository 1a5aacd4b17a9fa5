// The C ABI: weights, plans and runs.
#include <quern/mxfp4.h>

#include <typeinfo>

#include "runtime/c_api/border.hpp"
#include "runtime/operations/decode_presets.hpp"
#include "runtime/operations/gemm_tuning.hpp"

using namespace quern;

namespace {

// The descriptor, and the policy it points to, as structs of today.
struct DequantizeDesc {
  quern_dequantize_desc desc;
  quern_decode_policy policy;

  explicit DequantizeDesc(const quern_dequantize_desc *given) : desc(read_struct(given, "desc")) {
    if (desc.policy == nullptr) return;
    policy = read_struct(desc.policy, "desc.policy");
    desc.policy = &policy;
  }
};

template <typename PlanType>
const PlanType &plan_of(const quern_plan *plan, const char *made_by) {
  // Plans are final classes, so their exact type decides, for less than a dynamic_cast takes on every run.
  const Plan &held = *need(plan, "plan").plan;
  if (typeid(held) != typeid(PlanType)) {
    fail(QUERN_INVALID_ARGUMENT, "plan is of another operation; pass one made by ", made_by);
  }
  return static_cast<const PlanType &>(held);
}

void visit_all(const std::vector<Explanation> &rows, quern_candidate_visitor visit, void *user) {
  need(visit, "visit");
  for (const Explanation &row : rows) {
    visit_or_stop(visit, user,
                  quern_candidate{sizeof(quern_candidate), row.kernel.c_str(), row.origin.c_str(), row.priority,
                                  row.chosen ? 1 : 0, row.first, row.last, row.target.c_str(), row.reason.c_str()});
  }
}

std::string shape_text(const int64_t *shape, int32_t rank) {
  std::string out = "[";
  for (int32_t i = 0; i < rank; ++i) out += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

// The product of the first `rank` sizes; each is at least 1 and the product at most 2^48.
int64_t product(const int64_t *shape, int32_t rank, const char *name) {
  int64_t total = 1;
  for (int32_t i = 0; i < rank; ++i) {
    if (shape[i] < 1 || __builtin_mul_overflow(total, shape[i], &total) || total > INT64_C(1) << 48) {
      fail(QUERN_INVALID_ARGUMENT, name, " has the shape ", shape_text(shape, rank), "; every size must be at least 1");
    }
  }
  return total;
}

}  // namespace

quern_status quern_weights_infer(const int64_t *blocks_shape, int32_t blocks_rank, const int64_t *scales_shape,
                                 int32_t scales_rank, quern_weights_shape *shape) {
  return guard([&] {
    need(blocks_shape, "blocks_shape");
    need(scales_shape, "scales_shape");
    constexpr int32_t kMaxRank = 16;
    if (blocks_rank < 1 || blocks_rank > kMaxRank || scales_rank < 1 || scales_rank > kMaxRank) {
      fail(QUERN_INVALID_ARGUMENT, "the ranks are ", blocks_rank, " and ", scales_rank, "; they must be 1 to ",
           kMaxRank);
    }
    product(blocks_shape, blocks_rank, "blocks");
    product(scales_shape, scales_rank, "scales");
    const int64_t last = blocks_shape[blocks_rank - 1];
    const int64_t groups = scales_shape[scales_rank - 1];
    constexpr int64_t kBlockBytes = kMxfp4Block / 2;
    const auto same_leading = [&](int32_t count) {
      return std::equal(blocks_shape, blocks_shape + count, scales_shape);
    };
    const bool gpt_oss =
        blocks_rank >= 2 && blocks_rank == scales_rank + 1 && last == kBlockBytes && same_leading(scales_rank);
    const bool fused = blocks_rank == scales_rank && last == groups * kBlockBytes && same_leading(scales_rank - 1);
    if (!gpt_oss && !fused) {
      fail(QUERN_INVALID_ARGUMENT, "blocks ", shape_text(blocks_shape, blocks_rank), " and scales ",
           shape_text(scales_shape, scales_rank),
           " are no MXFP4 weights; expected [..., R, G, 16] with [..., R, G], or [..., R, K/2] with [..., R, K/32]");
    }
    quern_weights_shape out = QUERN_WEIGHTS_SHAPE_INIT;
    out.convention = gpt_oss ? QUERN_CONVENTION_GPT_OSS : QUERN_CONVENTION_FUSED;
    out.rows = product(scales_shape, scales_rank - 1, "scales");
    out.k = groups * kMxfp4Block;
    write_struct(shape, out, "shape");
  });
}

quern_status quern_decode_policy_preset(const char *name, quern_decode_policy *policy) {
  return guard([&] {
    need(name, "name");
    write_struct(policy, decode_preset(name), "policy");
  });
}

quern_status quern_dequantize_plan(quern_device *device, const quern_dequantize_desc *desc, quern_plan **plan) {
  return guard([&] {
    need(plan, "plan");
    const DequantizeDesc read(desc);
    auto handle = std::make_unique<quern_plan>();
    handle->plan = DequantizePlan::make(need(device, "device").device, read.desc);
    *plan = handle.release();
  });
}

quern_status quern_dequantize_run(const quern_plan *plan, const quern_dequantize_args *args, quern_stream stream) {
  return guard([&] { plan_of<DequantizePlan>(plan, "quern_dequantize_plan").run(read_struct(args, "args"), stream); });
}

quern_status quern_gemm_plan(quern_device *device, const quern_gemm_desc *desc, quern_plan **plan) {
  return guard([&] {
    need(plan, "plan");
    auto handle = std::make_unique<quern_plan>();
    handle->plan = GemmPlan::make(need(device, "device").device, read_struct(desc, "desc"));
    *plan = handle.release();
  });
}

quern_status quern_gemm_best_layout(quern_device *device, const quern_gemm_desc *desc, quern_layout *layout) {
  return guard([&] {
    need(layout, "layout") = GemmPlan::best_layout(*need(device, "device").device, read_struct(desc, "desc"));
  });
}

quern_status quern_gemm_run(const quern_plan *plan, const quern_gemm_args *args, quern_stream stream) {
  return guard([&] { plan_of<GemmPlan>(plan, "quern_gemm_plan").run(read_struct(args, "args"), stream); });
}

quern_status quern_gemm_tune(quern_device *device, const quern_gemm_desc *desc, quern_tune_visitor visit, void *user) {
  return guard([&] {
    tune_gemm(need(device, "device").device, read_struct(desc, "desc"), [&](const TuningReport &row) {
      visit_or_stop(
          visit, user,
          quern_tune_report{sizeof(quern_tune_report), row.kernel.c_str(), row.m, row.microseconds, row.fastest ? 1 : 0,
                            row.failure.c_str(), row.done, row.total, row.chosen ? 1 : 0});
    });
  });
}

quern_status quern_quantize_plan(quern_device *device, const quern_quantize_desc *desc, quern_plan **plan) {
  return guard([&] {
    need(plan, "plan");
    auto handle = std::make_unique<quern_plan>();
    handle->plan = QuantizePlan::make(need(device, "device").device, read_struct(desc, "desc"));
    *plan = handle.release();
  });
}

quern_status quern_quantize_run(const quern_plan *plan, const quern_quantize_args *args, quern_stream stream) {
  return guard([&] { plan_of<QuantizePlan>(plan, "quern_quantize_plan").run(read_struct(args, "args"), stream); });
}

quern_status quern_plan_workspace_size(const quern_plan *plan, int64_t size, size_t *bytes) {
  return guard([&] {
    const Plan &opened = *need(plan, "plan").plan;
    check_size("size", size, opened.executor().largest());
    need(bytes, "bytes") = opened.executor().workspace_bytes(size);
  });
}

void quern_plan_close(quern_plan *plan) { delete plan; }

quern_status quern_plan_explain(const quern_plan *plan, quern_candidate_visitor visit, void *user) {
  return guard([&] { visit_all(need(plan, "plan").plan->executor().explanation(), visit, user); });
}

quern_status quern_dequantize_explain(quern_device *device, const quern_dequantize_desc *desc,
                                      quern_candidate_visitor visit, void *user) {
  return guard([&] {
    const DequantizeDesc read(desc);
    visit_all(DequantizePlan::explain(*need(device, "device").device, read.desc), visit, user);
  });
}

quern_status quern_gemm_explain(quern_device *device, const quern_gemm_desc *desc, quern_candidate_visitor visit,
                                void *user) {
  return guard(
      [&] { visit_all(GemmPlan::explain(*need(device, "device").device, read_struct(desc, "desc")), visit, user); });
}

quern_status quern_quantize_explain(quern_device *device, const quern_quantize_desc *desc,
                                    quern_candidate_visitor visit, void *user) {
  return guard([&] {
    visit_all(QuantizePlan::explain(*need(device, "device").device, read_struct(desc, "desc")), visit, user);
  });
}

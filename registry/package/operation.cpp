#include "registry/package/operation.hpp"

#include <quern/activation.h>
#include <quern/dequantize_params.h>
#include <quern/gemm_params.h>
#include <quern/quantize_params.h>
#include <quern/repack_params.h>

namespace quern {
namespace {

// The names and numbers below appear in kernel.json, in -D options and in cache keys: never renumber, never rename.
constexpr FieldValue kFormats[] = {{"mxfp4", kFormatMxfp4}};
constexpr FieldValue kQuantizedFormats[] = {{"e4m3_row", kFormatE4m3Row}};
constexpr FieldValue kFloats[] = {{"f32", kF32}, {"f16", kF16}, {"bf16", kBf16}};
constexpr FieldValue kFloatsOrE4m3[] = {{"f32", kF32}, {"f16", kF16}, {"bf16", kBf16}, {"e4m3", kE4m3}};
constexpr FieldValue kFloatsOrNone[] = {{"none", kNoDtype}, {"f32", kF32}, {"f16", kF16}, {"bf16", kBf16}};
constexpr FieldValue kScaleZeros[] = {{"exact", kScaleZeroExact}, {"flush", kScaleZeroFlush}};
constexpr FieldValue kScaleNans[] = {
    {"propagate", kScaleNanPropagate}, {"ldexp", kScaleNanLdexp}, {"inf", kScaleNanInf}};
constexpr FieldValue kLayouts[] = {{"canonical", kLayoutCanonical},
                                   {"mma16_bf16", kLayoutMma16Bf16},
                                   {"mma16_f16", kLayoutMma16F16},
                                   {"mma16_e5m2", kLayoutMma16E5m2}};
constexpr FieldValue kAccumulations[] = {{"promoted", kAccumulationPromoted}, {"fast", kAccumulationFast}};
constexpr FieldValue kActivations[] = {{"none", kActivationNone},
                                       {"relu", kActivationRelu},
                                       {"silu", kActivationSilu},
                                       {"gelu", kActivationGelu},
                                       {"gelu_tanh", kActivationGeluTanh}};
constexpr FieldValue kDirections[] = {{"pack", kRepackPack}, {"unpack", kRepackUnpack}};

constexpr Field kGemmFields[] = {
    {"m", FieldKind::kSize, {}},
    {"n", FieldKind::kSize, {}},
    {"k", FieldKind::kSize, {}},
    {"format", FieldKind::kOption, kFormats},
    {"x_dtype", FieldKind::kOption, kFloatsOrE4m3},
    {"y_dtype", FieldKind::kOption, kFloats},
    {"bias_dtype", FieldKind::kOption, kFloatsOrNone},
    {"scale_zero", FieldKind::kOption, kScaleZeros},
    {"layout", FieldKind::kOption, kLayouts},
    {"activation", FieldKind::kOption, kActivations},
    {"residual", FieldKind::kOption, kNoYes},
    {"batch_invariant", FieldKind::kOption, kNoYes},
    {"accumulation", FieldKind::kOption, kAccumulations},
};

constexpr TensorOperand kGemmOperands[] = {{"x", 2}, {"tiles", 8}};

constexpr Field kDequantizeFields[] = {
    {"rows", FieldKind::kSize, {}},
    {"k", FieldKind::kSize, {}},
    {"format", FieldKind::kOption, kFormats},
    {"dst_dtype", FieldKind::kOption, kFloats},
    {"scale_zero", FieldKind::kOption, kScaleZeros},
    {"scale_nan", FieldKind::kOption, kScaleNans},
    {"scale_in_dst", FieldKind::kOption, kNoYes},
    {"canonical_zero", FieldKind::kOption, kNoYes},
};

constexpr Field kRepackFields[] = {
    {"n", FieldKind::kSize, {}},
    {"k", FieldKind::kSize, {}},
    {"format", FieldKind::kOption, kFormats},
    {"layout", FieldKind::kOption, kLayouts},
    {"scale_zero", FieldKind::kOption, kScaleZeros},
    {"direction", FieldKind::kOption, kDirections},
};

constexpr Field kQuantizeFields[] = {
    {"rows", FieldKind::kSize, {}},
    {"k", FieldKind::kSize, {}},
    {"src_dtype", FieldKind::kOption, kFloats},
    {"format", FieldKind::kOption, kQuantizedFormats},
};

constexpr Operation kGemm{"gemm", kGemmParamsVersion, sizeof(GemmParams), 0, kGemmFields, kGemmOperands};
constexpr Operation kDequantize{
    "dequantize", kDequantizeParamsVersion, sizeof(DequantizeParams), 0, kDequantizeFields, {}};
constexpr Operation kRepack{"repack", kRepackParamsVersion, sizeof(RepackParams), 0, kRepackFields, {}};
constexpr Operation kQuantize{"quantize", kQuantizeParamsVersion, sizeof(QuantizeParams), 0, kQuantizeFields, {}};
constexpr Operation kCustom{"custom", 1, 0, 0, {}, {}};
constexpr const Operation *kOperations[] = {&kCustom, &kDequantize, &kGemm, &kQuantize, &kRepack};

static_assert(std::size(kGemmFields) <= kMaxFields && std::size(kDequantizeFields) <= kMaxFields);
static_assert(std::size(kRepackFields) <= kMaxFields && std::size(kQuantizeFields) <= kMaxFields);

}  // namespace

int Operation::find(std::string_view field) const {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == field) return static_cast<int>(i);
  }
  return -1;
}

int Operation::find_operand(std::string_view operand) const {
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].name == operand) return static_cast<int>(i);
  }
  return -1;
}

const Operation &gemm_operation() { return kGemm; }
const Operation &dequantize_operation() { return kDequantize; }
const Operation &quantize_operation() { return kQuantize; }
const Operation &repack_operation() { return kRepack; }
std::span<const Operation *const> operations() { return kOperations; }

const Operation *find_operation(std::string_view name) {
  for (const Operation *operation : kOperations) {
    if (operation->name == name) return operation;
  }
  return nullptr;
}

std::string value_name(const Field &field, int64_t value) {
  for (const FieldValue &known : field.values) {
    if (known.value == value) return std::string(known.name);
  }
  return std::to_string(value);
}

}  // namespace quern

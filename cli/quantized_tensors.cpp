#include "cli/quantized_tensors.hpp"

#include <optional>
#include <string_view>

#include <quern/quern.hpp>

#include "cli/failure.hpp"
#include "cli/printable.hpp"

namespace quern::cli {
namespace {

using safetensors::Dtype;
using safetensors::Tensor;

struct Naming {
  std::string_view blocks, scales, result;
  bool certain;     // nothing else has such names: a missing half is an error
  bool transposed;  // how the reader of these names holds three-dimensional weights
};

constexpr Naming kNamings[] = {
    {"_blocks", "_scales", "", true, true},                       // gpt-oss in transformers; generic weight_blocks
    {".blocks", ".scales", "", true, false},                      // gpt-oss as first published
    {".weight_packed", ".weight_scale", ".weight", true, false},  // compressed-tensors
    {".weight", ".scale", ".weight", false, false},               // DeepSeek
    {".weight", ".weight_scale", ".weight", false, false},        // ModelOpt
};

bool can_be_blocks(Dtype dtype) { return dtype == Dtype::kU8 || dtype == Dtype::kI8 || dtype == Dtype::kF4; }
bool can_be_scales(Dtype dtype) { return dtype == Dtype::kU8 || dtype == Dtype::kF8E8M0; }

std::string in_quotes(std::string_view name) { return "'" + printable(name) + "'"; }

// The stem of a name that ends so, else nothing.
std::optional<std::string> stem(const std::string &name, std::string_view suffix) {
  if (!name.ends_with(suffix) || name.size() == suffix.size()) return std::nullopt;
  return name.substr(0, name.size() - suffix.size());
}

// F4 tells the logical shape; what is stored has two elements in a byte.
std::vector<int64_t> stored_shape(const Tensor &tensor) {
  std::vector<int64_t> shape = tensor.shape;
  if (tensor.dtype == Dtype::kF4 && !shape.empty()) shape.back() /= 2;
  return shape;
}

QuantizedTensor describe(const Naming &naming, const std::string &stem, Located blocks, Located scales) {
  const std::vector<int64_t> shape = stored_shape(*blocks.tensor);
  quern_weights_shape inferred = QUERN_WEIGHTS_SHAPE_INIT;
  host::check(quern_weights_infer(shape.data(), static_cast<int32_t>(shape.size()), scales.tensor->shape.data(),
                                  static_cast<int32_t>(scales.tensor->shape.size()), &inferred));
  QuantizedTensor found{
      stem + std::string(naming.result), blocks, scales, inferred.convention, {}, 1, 0, inferred.k, false};
  const bool gpt_oss = inferred.convention == QUERN_CONVENTION_GPT_OSS;
  const size_t row_dimension = shape.size() - (gpt_oss ? 3 : 2);
  found.rows = shape[row_dimension];
  found.leading.assign(shape.begin(), shape.begin() + static_cast<ptrdiff_t>(row_dimension));
  for (const int64_t dimension : found.leading) found.matrices *= dimension;
  found.transposed = naming.transposed && gpt_oss && found.leading.size() == 1;
  return found;
}

class Finder {
 public:
  explicit Finder(const Checkpoint &checkpoint) : checkpoint_(checkpoint) {}

  QuantizedTensors find() {
    for (const auto &file : checkpoint_.files()) {
      for (const Tensor &tensor : file.header().tensors) visit({&file, &tensor});
    }
    return std::move(result_);
  }

 private:
  void visit(Located tensor) {
    const std::string &name = tensor.tensor->name;
    if (!can_be_blocks(tensor.tensor->dtype)) return;
    for (const Naming &naming : kNamings) {
      if (const auto found = stem(name, naming.blocks); found && pair(naming, *found, tensor)) return;
    }
    check_orphan(tensor);
    check_fp_quant(tensor);
  }

  // True if these names settle what the tensor is.
  bool pair(const Naming &naming, const std::string &stem, Located blocks) {
    const std::string scales_name = stem + std::string(naming.scales);
    const Located scales = checkpoint_.find(scales_name);
    if (!scales) {
      if (naming.certain) problem(blocks, "has no " + in_quotes(scales_name));
      return naming.certain;
    }
    if (!can_be_scales(scales.tensor->dtype)) {
      const std::string_view dtype = safetensors::dtype_name(scales.tensor->dtype);
      if (scales.tensor->dtype == Dtype::kF8E4M3 && blocks.tensor->dtype != Dtype::kI8) {
        problem(blocks, "is NVFP4 (scales of type F8_E4M3); only MXFP4 can be read");
        return true;
      }
      if (naming.certain) problem(blocks, text("has scales of type ", dtype, ", not U8 or F8_E8M0"));
      return naming.certain;
    }
    try {
      result_.found.push_back(describe(naming, stem, blocks, scales));
    } catch (const host::StatusError &error) {
      problem(blocks, "and " + in_quotes(scales_name) + ": " + error.what());
    }
    return true;
  }

  void check_orphan(Located scales) {
    for (const Naming &naming : {kNamings[0], kNamings[1]}) {
      const auto found = stem(scales.tensor->name, naming.scales);
      if (!found || checkpoint_.find(*found + std::string(naming.blocks))) continue;
      // Another scheme's: FP-Quant and MLX name theirs so.
      if (checkpoint_.find(*found + ".qweight") || checkpoint_.find(*found + ".weight")) continue;
      problem(scales, "has no " + in_quotes(*found + std::string(naming.blocks)));
    }
  }

  void check_fp_quant(Located blocks) {
    const auto found = stem(blocks.tensor->name, ".qweight");
    if (!found) return;
    const Located scales = checkpoint_.find(*found + ".scales");
    if (scales && can_be_scales(scales.tensor->dtype)) {
      problem(blocks, "is FP-Quant: its weights are rotated and would not be the model's; undo the rotation first");
    }
  }

  void problem(Located tensor, const std::string &fact) {
    result_.problems.push_back(printable(tensor.file->path()) + ": tensor " + in_quotes(tensor.tensor->name) + " " +
                               fact);
  }

  const Checkpoint &checkpoint_;
  QuantizedTensors result_;
};

}  // namespace

QuantizedTensors find_quantized(const Checkpoint &checkpoint) { return Finder(checkpoint).find(); }

const char *convention_name(quern_convention convention) {
  return convention == QUERN_CONVENTION_GPT_OSS ? "gpt-oss" : "fused";
}

}  // namespace quern::cli

// `quern gemm`: one product from files to a file, to try a kernel on real weights.
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/checkpoint.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/printable.hpp"
#include "cli/quantity.hpp"
#include "cli/quantized_tensors.hpp"
#include "cli/safetensors_writer.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

using safetensors::Dtype;
using safetensors::Tensor;

struct Reference {
  std::string file, tensor;
};

// FILE:TENSOR, split at the last colon: paths have colons more often than tensors do.
Reference parse_reference(const std::string &argument, const char *option) {
  const size_t colon = argument.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == argument.size()) {
    fail(kUsage, option, " '", argument, "' is not FILE:TENSOR");
  }
  return {argument.substr(0, colon), argument.substr(colon + 1)};
}

// TENSOR@e: the e-th matrix of a stack.
std::optional<int64_t> take_expert(std::string &tensor) {
  const size_t at = tensor.rfind('@');
  if (at == std::string::npos || at + 1 == tensor.size() || tensor.size() - at > 10) return std::nullopt;
  if (tensor.find_first_not_of("0123456789", at + 1) != std::string::npos) return std::nullopt;
  const int64_t expert = std::stoll(tensor.substr(at + 1));
  tensor.resize(at);
  return expert;
}

// The matrix asked for: a view of the mapped file.
struct Weights {
  int64_t n, k;
  const std::byte *blocks, *scales;
};

Weights find_weights(const Checkpoint &checkpoint, const Reference &reference, std::optional<int64_t> expert) {
  const QuantizedTensors quantized = find_quantized(checkpoint);
  for (const QuantizedTensor &tensor : quantized.found) {
    const std::string &name = reference.tensor;
    const bool matches = name == tensor.name || name == tensor.blocks.tensor->name || name + ".weight" == tensor.name;
    if (!matches) continue;
    if (tensor.matrices != 1 && !expert) {
      fail(kUsage, "'", printable(name), "' holds ", tensor.matrices, " matrices; add @0 to @", tensor.matrices - 1);
    }
    const int64_t index = expert.value_or(0);
    if (index >= tensor.matrices) {
      fail(kUsage, "'", printable(name), "' holds ", tensor.matrices, " matrices; there is no @", index);
    }
    const int64_t row = index * tensor.rows;
    return {tensor.rows, tensor.k, tensor.blocks.data().data() + row * (tensor.k / 2),
            tensor.scales.data().data() + row * (tensor.k / 32)};
  }
  for (const std::string &problem : quantized.problems) {
    if (problem.find(reference.tensor) != std::string::npos) fail(kFailed, problem);
  }
  fail(kNothingMatched, printable(reference.file), " has no MXFP4 tensor '", printable(reference.tensor),
       "'; 'quern inspect' lists them");
}

Located find_tensor(const Checkpoint &checkpoint, const Reference &reference) {
  const Located tensor = checkpoint.find(reference.tensor);
  if (!tensor) {
    fail(kNothingMatched, printable(reference.file), " has no tensor '", printable(reference.tensor),
         "'; 'quern inspect' lists them");
  }
  return tensor;
}

quern_dtype tensor_dtype(const Tensor &tensor, bool allow_f32) {
  if (tensor.dtype == Dtype::kBf16) return QUERN_DTYPE_BF16;
  if (tensor.dtype == Dtype::kF16) return QUERN_DTYPE_F16;
  if (tensor.dtype == Dtype::kF32 && allow_f32) return QUERN_DTYPE_F32;
  fail(kFailed, "tensor '", printable(tensor.name), "' is ", safetensors::dtype_name(tensor.dtype), ", not BF16",
       allow_f32 ? ", F16 or F32" : " or F16");
}

// Memory that the device reads and writes. On the CPU too a copy: a tensor in a file need not be aligned to its type.
host::DeviceMemory upload(const host::Device &device, const std::byte *src, size_t bytes) {
  host::DeviceMemory memory = device.allocate(bytes);
  device.copy(memory.get(), src, bytes);
  return memory;
}

struct Problem {
  quern_gemm_desc desc;
  Weights weights;
  Located x, bias;
};

// Packed for E4M3 X where every row allows it, else for bf16 X where that is what X is; desc.layout says which.
host::DeviceMemory pack_for_w4a8(const host::Device &device, quern_gemm_desc &desc, const void *blocks,
                                 const void *scales) {
  quern_weights_desc weights = QUERN_WEIGHTS_DESC_INIT;
  weights.layout = QUERN_LAYOUT_MMA16_E5M2;
  if (desc.x_dtype == QUERN_DTYPE_BF16) weights.fallback = QUERN_LAYOUT_MMA16_BF16;
  weights.n = desc.n;
  weights.k = desc.k;
  host::DeviceMemory packed = device.pack(weights, blocks, scales);
  desc.layout = device.packed_layout(packed.get());
  if (desc.layout != QUERN_LAYOUT_MMA16_E5M2) desc.accumulation = QUERN_ACCUMULATION_PROMOTED;
  return packed;
}

std::vector<std::byte> multiply(const host::Device &device, Problem &problem, bool w4a8) {
  quern_gemm_desc &desc = problem.desc;
  auto blocks = upload(device, problem.weights.blocks, static_cast<size_t>(desc.n * (desc.k / 2)));
  auto scales = upload(device, problem.weights.scales, static_cast<size_t>(desc.n * (desc.k / 32)));
  if (w4a8) {
    blocks = pack_for_w4a8(device, desc, blocks.get(), scales.get());
    scales = host::DeviceMemory();
  }
  const host::Plan plan = host::Plan::gemm(device, desc);
  const auto x = upload(device, problem.x.data().data(), problem.x.data().size());
  host::DeviceMemory bias;
  if (problem.bias) bias = upload(device, problem.bias.data().data(), problem.bias.data().size());
  std::vector<std::byte> result(static_cast<size_t>(desc.m_max * desc.n) * 2);
  const host::DeviceMemory y = device.allocate(result.size());

  quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
  args.m = desc.m_max;
  args.x = x.get();
  args.blocks = blocks.get();
  args.scales = scales.get();
  args.bias = bias.get();
  args.y = y.get();
  args.workspace_bytes = plan.workspace_bytes(desc.m_max);
  const host::DeviceMemory workspace = device.allocate(args.workspace_bytes);
  args.workspace = workspace.get();
  plan.run(args);
  device.copy(result.data(), y.get(), result.size());
  return result;
}

}  // namespace

ExitCode run_gemm(const GlobalOptions &global, const GemmOptions &options) {
  Reference weights_reference = parse_reference(options.weights, "--weights");
  const std::optional<int64_t> expert = take_expert(weights_reference.tensor);
  const Reference x_reference = parse_reference(options.x, "--x");
  const size_t colon = options.output.rfind(':');
  const std::string output = options.output.substr(0, colon);
  const std::string output_tensor = colon == std::string::npos ? "y" : options.output.substr(colon + 1);
  if (output.empty() || output_tensor.empty()) fail(kUsage, "-o '", options.output, "' is not FILE or FILE:TENSOR");

  const Checkpoint weights_file(weights_reference.file), x_file(x_reference.file);
  weights_file.refuse_as_output(output);
  x_file.refuse_as_output(output);
  std::unique_ptr<Checkpoint> bias_file;
  Problem problem{QUERN_GEMM_DESC_INIT,
                  find_weights(weights_file, weights_reference, expert),
                  find_tensor(x_file, x_reference),
                  {}};
  quern_gemm_desc &desc = problem.desc;
  const Tensor &x = *problem.x.tensor;
  desc.n = problem.weights.n;
  desc.k = problem.weights.k;
  desc.x_dtype = tensor_dtype(x, /*allow_f32=*/false);
  desc.y_dtype = options.dtype.empty() ? desc.x_dtype : dtype(options.dtype);
  if (x.shape.size() != 2 || x.shape[1] != desc.k || x.shape[0] < 1) {
    fail(kFailed, "x is ", safetensors::shape_text(x.shape), ", not [M, ", desc.k, "] as the weights [", desc.n, ", ",
         desc.k, "] ask");
  }
  desc.m_max = x.shape[0];
  if (!options.bias.empty()) {
    const Reference reference = parse_reference(options.bias, "--bias");
    bias_file = std::make_unique<Checkpoint>(reference.file);
    bias_file->refuse_as_output(output);
    problem.bias = find_tensor(*bias_file, reference);
    const Tensor &bias = *problem.bias.tensor;
    desc.bias_dtype = tensor_dtype(bias, /*allow_f32=*/true);
    if (bias.shape != std::vector<int64_t>{desc.n}) {
      fail(kFailed, "bias is ", safetensors::shape_text(bias.shape), ", not [", desc.n, "]");
    }
  }

  const host::Hub hub = open_hub(global);
  const host::Device device = open_device(hub, options.device);
  desc.accumulation = accumulation(options.w4a8);
  const Dtype y_dtype = desc.y_dtype == QUERN_DTYPE_F16 ? Dtype::kF16 : Dtype::kBf16;
  safetensors::Writer writer(output, {{output_tensor, y_dtype, {desc.m_max, desc.n}}}, {});
  writer.append(multiply(device, problem, !options.w4a8.empty()));
  writer.finish();

  if (global.json) {
    print_json({{"output", output},
                {"tensor", output_tensor},
                {"dtype", dtype_name(desc.y_dtype)},
                {"shape", {desc.m_max, desc.n}},
                {"layout", layout_name(desc.layout)},
                {"device", device.info().name}});
  } else if (!global.quiet) {
    print(text(output, ": ", output_tensor, " [", desc.m_max, ", ", desc.n, "] ", dtype_name(desc.y_dtype),
               options.w4a8.empty() ? "" : text(", W ", layout_name(desc.layout)), "\n"));
  }
  return kDone;
}

}  // namespace quern::cli

// `quern inspect`: what is in a checkpoint, and what its scale bytes are.
#include <array>
#include <string>

#include "cli/checkpoint.hpp"
#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/printable.hpp"
#include "cli/quantity.hpp"
#include "cli/quantized_tensors.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

// 0 and 255 are the scale bytes that systems read differently.
struct ScaleBytes {
  int smallest = 255, largest = 0;
  int64_t zeros = 0, nans = 0;
};

ScaleBytes count_scale_bytes(const QuantizedTensor &tensor) {
  std::array<int64_t, 256> counts{};
  for (const std::byte byte : tensor.scales.data()) ++counts[static_cast<size_t>(byte)];
  ScaleBytes result{255, 0, counts[0], counts[255]};
  for (int byte = 0; byte < 256; ++byte) {
    if (counts[static_cast<size_t>(byte)] == 0) continue;
    result.smallest = std::min(result.smallest, byte);
    result.largest = byte;
  }
  return result;
}

Json quantized_json(const QuantizedTensor &tensor, const ScaleBytes &bytes) {
  return {{"name", tensor.name},
          {"blocks", tensor.blocks.tensor->name},
          {"scales", tensor.scales.tensor->name},
          {"format", "mxfp4"},
          {"convention", convention_name(tensor.convention)},
          {"leading", tensor.leading},
          {"rows", tensor.rows},
          {"k", tensor.k},
          {"scale_min", bytes.smallest},
          {"scale_max", bytes.largest},
          {"scales_0", bytes.zeros},
          {"scales_255", bytes.nans}};
}

}  // namespace

ExitCode run_inspect(const GlobalOptions &global, const InspectOptions &options) {
  const Checkpoint checkpoint(options.input);
  const QuantizedTensors quantized = find_quantized(checkpoint);

  Json tensors = Json::array(), pairs = Json::array(), metadata = Json::object();
  Table tensor_table({"tensor", "type", "shape", ">size"});
  int64_t total = 0;
  for (const auto &file : checkpoint.files()) {
    for (const auto &[key, value] : file.header().metadata) metadata[key] = value;
    for (const safetensors::Tensor &tensor : file.header().tensors) {
      const auto bytes = static_cast<int64_t>(tensor.bytes());
      total += bytes;
      tensor_table.add({printable(tensor.name), std::string(safetensors::dtype_name(tensor.dtype)),
                        safetensors::shape_text(tensor.shape), format_bytes(bytes)});
      tensors.push_back({{"name", tensor.name},
                         {"dtype", safetensors::dtype_name(tensor.dtype)},
                         {"shape", tensor.shape},
                         {"bytes", bytes},
                         {"file", file.path()}});
    }
  }
  Table pair_table({"MXFP4", "convention", "leading", ">rows", ">K", "scale bytes", ">of 0", ">of 255"});
  for (const QuantizedTensor &tensor : quantized.found) {
    check_interrupt();
    const ScaleBytes bytes = count_scale_bytes(tensor);
    pair_table.add({printable(tensor.name), convention_name(tensor.convention), safetensors::shape_text(tensor.leading),
                    text(tensor.rows), text(tensor.k), text(bytes.smallest, "-", bytes.largest), text(bytes.zeros),
                    text(bytes.nans)});
    pairs.push_back(quantized_json(tensor, bytes));
  }

  if (global.json) {
    print_json({{"metadata", metadata},
                {"tensors", tensors},
                {"quantized", pairs},
                {"problems", quantized.problems},
                {"bytes", total}});
    return kDone;
  }
  std::string out = tensor_table.text();
  if (pair_table.rows() > 0) out += "\n" + pair_table.text();
  for (const std::string &problem : quantized.problems) out += "\nproblem: " + problem + "\n";
  print(out + text("\n", tensor_table.rows(), " tensors, ", format_bytes(total), "; ", pair_table.rows(),
                   " of blocks and scales in MXFP4\n"));
  return kDone;
}

}  // namespace quern::cli

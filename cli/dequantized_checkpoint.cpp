#include "cli/dequantized_checkpoint.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "cli/failure.hpp"
#include "cli/printable.hpp"

namespace quern::cli {
namespace {

std::vector<int64_t> result_shape(const QuantizedTensor &tensor, bool keep_rows) {
  std::vector<int64_t> shape = tensor.leading;
  const bool transposed = tensor.transposed && !keep_rows;
  shape.push_back(transposed ? tensor.k : tensor.rows);
  shape.push_back(transposed ? tensor.rows : tensor.k);
  return shape;
}

}  // namespace

std::vector<safetensors::PlannedTensor> DequantizedFile::planned() const {
  std::vector<safetensors::PlannedTensor> all;
  for (const DequantizedTensor &tensor : tensors) all.push_back(tensor.planned);
  return all;
}

std::vector<DequantizedFile> plan_dequantized(const Checkpoint &checkpoint,
                                              const std::vector<QuantizedTensor> &quantized, safetensors::Dtype dtype,
                                              bool keep_rows) {
  std::map<const safetensors::Tensor *, const QuantizedTensor *> by_blocks;
  std::set<const safetensors::Tensor *> scales;
  for (const QuantizedTensor &tensor : quantized) {
    by_blocks.emplace(tensor.blocks.tensor, &tensor);
    scales.insert(tensor.scales.tensor);
  }
  std::vector<DequantizedFile> files;
  std::set<std::string_view> names;
  for (const auto &source : checkpoint.files()) {
    DequantizedFile file{&source, {}};
    for (const safetensors::Tensor &tensor : source.header().tensors) {
      if (scales.contains(&tensor)) continue;
      const auto found = by_blocks.find(&tensor);
      const QuantizedTensor *pair = found == by_blocks.end() ? nullptr : found->second;
      const std::string_view name = pair ? pair->name : tensor.name;
      if (!names.insert(name).second) fail(kFailed, "two tensors would be called '", printable(name), "'");
      if (pair) {
        file.tensors.push_back({{pair->name, dtype, result_shape(*pair, keep_rows)}, pair, {}});
      } else {
        file.tensors.push_back({{tensor.name, tensor.dtype, tensor.shape}, nullptr, {&source, &tensor}});
      }
    }
    // Wide types first, so that each tensor is aligned to its own: readers map files and look at them in place.
    std::stable_sort(file.tensors.begin(), file.tensors.end(), [](const auto &a, const auto &b) {
      return safetensors::dtype_bits(a.planned.dtype) > safetensors::dtype_bits(b.planned.dtype);
    });
    if (!file.tensors.empty()) files.push_back(std::move(file));
  }
  return files;
}

}  // namespace quern::cli

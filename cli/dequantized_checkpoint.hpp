// What a checkpoint becomes when its MXFP4 tensors are dequantized: which tensors, in which files, from what.
#pragma once

#include <string>
#include <vector>

#include "cli/checkpoint.hpp"
#include "cli/quantized_tensors.hpp"
#include "cli/safetensors_writer.hpp"

namespace quern::cli {

struct DequantizedTensor {
  safetensors::PlannedTensor planned;
  const QuantizedTensor *quantized;  // null: `unchanged` is copied
  Located unchanged;
};

struct DequantizedFile {
  const safetensors::MappedFile *source;
  std::vector<DequantizedTensor> tensors;  // in the order they are written

  std::vector<safetensors::PlannedTensor> planned() const;
};

// One file for each of the checkpoint's that keeps a tensor. Throws Failure if two tensors would have one name.
std::vector<DequantizedFile> plan_dequantized(const Checkpoint &checkpoint,
                                              const std::vector<QuantizedTensor> &quantized, safetensors::Dtype dtype,
                                              bool keep_rows);

}  // namespace quern::cli

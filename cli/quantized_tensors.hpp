// Which tensors of a checkpoint are MXFP4: pairs of blocks and scales, found by the names that the known exporters give
// them and held to their shapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/checkpoint.hpp"

#include <quern/quern.h>

namespace quern::cli {

struct QuantizedTensor {
  std::string name;  // of the result
  Located blocks, scales;
  quern_convention convention;
  std::vector<int64_t> leading;  // dimensions before the rows: experts
  int64_t matrices;              // their product
  int64_t rows;                  // of one matrix
  int64_t k;
  bool transposed;  // transformers holds the dequantized tensor as [E, K, R]
};

struct QuantizedTensors {
  std::vector<QuantizedTensor> found;  // by file and offset of the blocks
  // One line each: what carries the names of a quantized tensor but is none that can be read here.
  std::vector<std::string> problems;
};

QuantizedTensors find_quantized(const Checkpoint &checkpoint);

const char *convention_name(quern_convention convention);  // "gpt-oss"

}  // namespace quern::cli

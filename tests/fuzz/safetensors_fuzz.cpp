// Any bytes are a header or a FormatError of one line; what is accepted lies inside the file.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "cli/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace quern::safetensors;
  try {
    const Header header = parse_safetensors(std::as_bytes(std::span(data, size)));
    uint64_t covered = 0;
    for (const Tensor &tensor : header.tensors) {
      if (tensor.begin != covered || tensor.end < tensor.begin) std::abort();
      if (tensor_bytes(tensor.dtype, tensor.shape) != tensor.bytes()) std::abort();
      if (header.find(tensor.name) != &tensor) std::abort();
      covered = tensor.end;
    }
    if (header.data_start + covered != size) std::abort();
  } catch (const FormatError &error) {
    if (std::strchr(error.what(), '\n')) std::abort();
  }
  return 0;
}

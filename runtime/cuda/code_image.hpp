// What compiled code says of itself, read without a GPU: the sizes of an entry's parameters, which prove that a kernel
// takes the block and the tensor maps that its manifest promises.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace quern {

// Bytes of each parameter of a kernel in a cubin (ELF) or in PTX text. Nothing if the code has no such kernel.
std::optional<std::vector<size_t>> parameter_sizes(std::span<const uint8_t> code, const std::string &entry);

}  // namespace quern

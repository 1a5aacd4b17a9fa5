// What compiled code says of itself, read without a GPU: the size of an entry's parameters, which proves that a kernel
// takes the block its manifest promises.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace quern {

// Bytes of all parameters of a kernel in a cubin (ELF) or in PTX text. Nothing if the code has no such kernel.
std::optional<size_t> parameter_bytes(std::span<const uint8_t> code, const std::string &entry);

}  // namespace quern

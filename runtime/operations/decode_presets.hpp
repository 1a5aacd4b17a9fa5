// Which decode policy reproduces which system's bytes. Measured: tests/golden/mxfp4_dequantize.json holds all 256 scale
// bytes and 16 codes of each.
#pragma once

#include <string>

#include <quern/quern.h>

namespace quern {

// Throws QUERN_NOT_FOUND with the list of names.
quern_decode_policy decode_preset(const std::string &name);

}  // namespace quern

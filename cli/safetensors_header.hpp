// From the text of a safetensors header to tensors and metadata: all that can be checked without the file's size.
#pragma once

#include <string_view>

#include "cli/safetensors.hpp"

namespace quern::safetensors {

// Tensors in the order of the text. Refuses duplicate keys, unknown keys and values nested deeper than the format has;
// never recurses. Throws FormatError.
void parse_header_text(std::string_view text, Header &header);

}  // namespace quern::safetensors

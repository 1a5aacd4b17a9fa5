// Text of others, as it may stand in a message.
#pragma once

#include <string>
#include <string_view>

namespace quern {

// At most `limit` bytes of it, with a space for every byte that is no printable ASCII.
std::string plain_text(std::string_view text, size_t limit = 200);

}  // namespace quern

// Names out of files, made fit for one line of a message.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace quern {

// Control characters become \xNN; what is longer than a name can reasonably be is cut.
inline std::string printable(std::string_view text) {
  constexpr size_t kLongest = 200;
  std::string out;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(byte));
      out += escaped;
    } else {
      out += c;
    }
  }
  if (text.size() > kLongest) out += "...";
  return out;
}

}  // namespace quern

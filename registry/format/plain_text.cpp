#include "registry/format/plain_text.hpp"

namespace quern {

std::string plain_text(std::string_view text, size_t limit) {
  std::string out(text.substr(0, limit));
  for (char &c : out) {
    if (c < 0x20 || c > 0x7e) c = ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace quern

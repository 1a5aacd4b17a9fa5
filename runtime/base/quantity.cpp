#include "runtime/base/quantity.hpp"

#include <charconv>
#include <system_error>

namespace quern {

std::optional<int64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  int64_t number = 0, product = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view suffix = text.substr(static_cast<size_t>(rest - text.data()));
  for (const Unit &unit : units) {
    if (unit.suffix != suffix) continue;
    if (__builtin_mul_overflow(number, unit.factor, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

}  // namespace quern

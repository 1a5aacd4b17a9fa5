// Numbers with a unit, "5GiB" or "90d", as people write them into variables and files.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace quern {

struct Unit {
  std::string_view suffix;
  int64_t factor;
};

// A whole number and one of these suffixes, nothing between. Nothing for other text and for what does not fit.
std::optional<int64_t> parse_quantity(std::string_view text, std::span<const Unit> units);

}  // namespace quern

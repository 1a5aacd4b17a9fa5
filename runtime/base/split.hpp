// Lists in a string, as options and variables have them: "sm_80,sm_90a", "/opt/a:/opt/b".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quern {

// Every item, the empty ones too: one more than there are separators.
inline std::vector<std::string> split(std::string_view list, char separator) {
  std::vector<std::string> items(1);
  for (const char c : list) {
    if (c == separator) {
      items.emplace_back();
    } else {
      items.back() += c;
    }
  }
  return items;
}

// Those that are not empty.
inline std::vector<std::string> split_given(std::string_view list, char separator) {
  std::vector<std::string> items = split(list, separator);
  std::erase(items, "");
  return items;
}

}  // namespace quern

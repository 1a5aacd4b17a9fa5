// Lists as the library takes them, and as people read them.
#pragma once

#include <string>
#include <vector>

namespace quern::cli {

inline std::string joined(const std::vector<std::string> &items, const char *separator) {
  std::string list;
  for (const std::string &item : items) list += (list.empty() ? "" : separator) + item;
  return list;
}

}  // namespace quern::cli

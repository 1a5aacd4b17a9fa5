#include "runtime/compile/compile_options.hpp"

#include <algorithm>
#include <string_view>

namespace quern {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_architecture(std::string_view name) {  // sm_90a, compute_120
  if (name.rfind("sm_", 0) == 0) {
    name.remove_prefix(3);
  } else if (name.rfind("compute_", 0) == 0) {
    name.remove_prefix(8);
  } else {
    return false;
  }
  if (!name.empty() && (name.back() == 'a' || name.back() == 'f')) name.remove_suffix(1);
  return name.size() >= 2 && name.size() <= 3 && std::all_of(name.begin(), name.end(), is_digit);
}

bool is_define(std::string_view text) {  // NAME=-12
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals > 160) return false;
  const std::string_view name = text.substr(0, equals);
  std::string_view value = text.substr(equals + 1);
  if (!value.empty() && value.front() == '-') value.remove_prefix(1);
  return !is_digit(name.front()) && !value.empty() && value.size() <= 19 &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); }) &&
         std::all_of(value.begin(), value.end(), is_digit);
}

bool is_allowed(std::string_view option) {
  constexpr std::string_view kArchitecture = "--gpu-architecture=";
  if (option.rfind(kArchitecture, 0) == 0) return is_architecture(option.substr(kArchitecture.size()));
  if (option.rfind("-D", 0) == 0) return is_define(option.substr(2));
  return option == "--std=c++17" || option == "--no-source-include" || option == "--ptxas-options=-v";
}

}  // namespace

std::string refused_option(const std::vector<std::string> &options) {
  if (options.size() > kMostOptions) return std::to_string(options.size()) + " options";
  for (const std::string &option : options) {
    if (!is_allowed(option)) return option.empty() ? "an empty one" : option.substr(0, 80);
  }
  return {};
}

}  // namespace quern

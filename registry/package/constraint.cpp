#include "registry/package/constraint.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"

namespace quern {

std::optional<std::string> Constraint::refuse(const Field &described, int64_t value) const {
  const auto shown = [&] { return text(described.name, " = ", value_name(described, value)); };
  if (described.kind == FieldKind::kOption) {
    if (std::find(one_of.begin(), one_of.end(), value) != one_of.end()) return std::nullopt;
    std::string names;
    for (const int64_t accepted : one_of) names += (names.empty() ? "" : ", ") + value_name(described, accepted);
    return text(shown(), " is not among ", names);
  }
  if (value < least) return text(shown(), " is below ", least);
  if (value > most) return text(shown(), " is above ", most);
  if (value % multiple_of != 0) return text(shown(), " is not a multiple of ", multiple_of);
  return std::nullopt;
}

}  // namespace quern

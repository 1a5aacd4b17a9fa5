// What a variant accepts of one field of the problem.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry/package/operation.hpp"

namespace quern {

struct Constraint {
  size_t field = 0;
  int64_t least = 0;
  int64_t most = INT64_MAX;
  int64_t multiple_of = 1;
  std::vector<int64_t> one_of;  // for options; empty for sizes

  // Why the value is refused, "k = 48 is not a multiple of 32"; nothing if it is accepted.
  std::optional<std::string> refuse(const Field &described, int64_t value) const;
};

}  // namespace quern

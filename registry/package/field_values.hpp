// Values that fields of a problem are to have, as manifests and tables of measurements say where they hold:
// {"n": 2880, "layout": "mma16_bf16"}. Other fields do not matter.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "registry/package/operation.hpp"

namespace quern {

class Json;

using FieldValues = std::vector<std::pair<size_t, int64_t>>;

bool fits(const FieldValues &where, const std::array<int64_t, kMaxFields> &problem);

// Throws QUERN_BAD_MANIFEST, also for the field that changes from run to run.
FieldValues read_field_values(const Json &value, const std::string &path, const Operation &operation);

}  // namespace quern

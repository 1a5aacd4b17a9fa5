#include "registry/package/field_values.hpp"

#include <algorithm>

#include "runtime/base/json.hpp"

namespace quern {
namespace {

constexpr int64_t kLargest = INT64_C(1) << 40;

int64_t read_value(const Json &value, const Field &field, const std::string &path) {
  if (field.kind == FieldKind::kSize) return as_integer(value, path, 1, kLargest);
  const std::string &name = as_string(value, path);
  for (const FieldValue &known : field.values) {
    if (known.name == name) return known.value;
  }
  fail(QUERN_BAD_MANIFEST, path, ": \"", name, "\" is no value of ", field.name);
}

}  // namespace

bool fits(const FieldValues &where, const std::array<int64_t, kMaxFields> &problem) {
  return std::all_of(where.begin(), where.end(),
                     [&](const auto &condition) { return problem[condition.first] == condition.second; });
}

FieldValues read_field_values(const Json &value, const std::string &path, const Operation &operation) {
  FieldValues where;
  const JsonObject object(value, path);
  for (const auto &[name, item] : object.members()) {
    const int field = operation.find(name);
    if (field < 0 || static_cast<size_t>(field) == operation.run_size) {
      fail(QUERN_BAD_MANIFEST, path, ".", name, " is no field of ", operation.name, " that a plan fixes");
    }
    const auto index = static_cast<size_t>(field);
    where.emplace_back(index, read_value(item, operation.fields[index], path + "." + name));
  }
  return where;
}

}  // namespace quern

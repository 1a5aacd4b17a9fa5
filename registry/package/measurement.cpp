#include "registry/package/measurement.hpp"

#include <algorithm>

namespace quern {
namespace {

constexpr int64_t kLargest = INT64_C(1) << 40;
constexpr size_t kMostSteps = 64;

int64_t read_value(const Json &value, const Field &field, const std::string &path) {
  if (field.kind == FieldKind::kSize) return as_integer(value, path, 1, kLargest);
  const std::string name = as_string(value, path);
  for (const FieldValue &known : field.values) {
    if (known.name == name) return known.value;
  }
  fail(QUERN_BAD_MANIFEST, path, ": \"", name, "\" is no value of ", field.name);
}

}  // namespace

bool Measurement::fits(const Problem &problem, const std::string &model) const {
  return device == model && std::all_of(where.begin(), where.end(), [&](const auto &condition) {
           return problem.values[condition.first] == condition.second;
         });
}

Measurement read_measurement(const Json &value, const std::string &path, const Operation &operation,
                             const std::string &package) {
  Measurement measurement;
  JsonObject object(value, path);
  measurement.device = object.need_string("device");
  const std::string where = object.path("where");
  const JsonObject checked(object.need("where"), where);
  for (const auto &[name, item] : value["where"].items()) {
    const int field = operation.find(name);
    if (field < 0 || static_cast<size_t>(field) == operation.run_size) {
      fail(QUERN_BAD_MANIFEST, where, ".", name, " is no field of ", operation.name, " that a plan fixes");
    }
    const auto index = static_cast<size_t>(field);
    measurement.where.emplace_back(index, read_value(item, operation.fields[index], where + "." + name));
  }
  for (const Json &step : object.need_array("steps", 1, kMostSteps)) {
    const std::string at = text(object.path("steps"), "[", measurement.steps.size(), "]");
    if (!step.is_array() || step.size() != 2) fail(QUERN_BAD_MANIFEST, at, " is not [size, variant]");
    MeasuredStep read{as_integer(step[0], at, 1, kLargest), as_string(step[1], at)};
    if (read.kernel.find(':') == std::string::npos) read.kernel = package + ":" + read.kernel;
    if (!measurement.steps.empty() && read.last <= measurement.steps.back().last) {
      fail(QUERN_BAD_MANIFEST, at, " has a size that is not above the one before");
    }
    measurement.steps.push_back(std::move(read));
  }
  object.finish();
  return measurement;
}

Json write_measurement(const Measurement &measurement, const Operation &operation) {
  Json where = Json::object(), steps = Json::array();
  for (const auto &[index, value] : measurement.where) {
    const Field &field = operation.fields[index];
    if (field.kind == FieldKind::kSize) {
      where[std::string(field.name)] = value;
    } else {
      where[std::string(field.name)] = value_name(field, value);
    }
  }
  for (const MeasuredStep &step : measurement.steps) steps.push_back({step.last, step.kernel});
  return {{"device", measurement.device}, {"where", where}, {"steps", steps}};
}

}  // namespace quern

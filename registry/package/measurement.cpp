#include "registry/package/measurement.hpp"

#include <algorithm>

#include "runtime/base/json_writer.hpp"

namespace quern {
namespace {

constexpr int64_t kLargest = INT64_C(1) << 40;
constexpr size_t kMostSteps = 64;

int64_t read_value(const Json &value, const Field &field, const std::string &path) {
  if (field.kind == FieldKind::kSize) return as_integer(value, path, 1, kLargest);
  const std::string &name = as_string(value, path);
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
  for (const auto &[name, item] : checked.members()) {
    const int field = operation.find(name);
    if (field < 0 || static_cast<size_t>(field) == operation.run_size) {
      fail(QUERN_BAD_MANIFEST, where, ".", name, " is no field of ", operation.name, " that a plan fixes");
    }
    const auto index = static_cast<size_t>(field);
    measurement.where.emplace_back(index, read_value(item, operation.fields[index], where + "." + name));
  }
  for (const Json &step : object.need_array("steps", 1, kMostSteps)) {
    const std::string at = text(object.path("steps"), "[", measurement.steps.size(), "]");
    const auto *pair = std::get_if<Json::Array>(&step.value());
    if (pair == nullptr || pair->size() != 2) fail(QUERN_BAD_MANIFEST, at, " is not [size, variant]");
    MeasuredStep read{as_integer(pair->front(), at, 1, kLargest), as_string(pair->back(), at)};
    if (read.kernel.find(':') == std::string::npos) read.kernel = package + ":" + read.kernel;
    if (!measurement.steps.empty() && read.last <= measurement.steps.back().last) {
      fail(QUERN_BAD_MANIFEST, at, " has a size that is not above the one before");
    }
    measurement.steps.push_back(std::move(read));
  }
  object.finish();
  return measurement;
}

std::string write_measurement(const Measurement &measurement, const Operation &operation) {
  JsonWriter out(1);
  out.begin_object();
  out.member("device", measurement.device);
  out.begin_object("where");
  for (const auto &[index, value] : measurement.where) {
    const Field &field = operation.fields[index];
    if (field.kind == FieldKind::kSize) {
      out.member(field.name, value);
    } else {
      out.member(field.name, value_name(field, value));
    }
  }
  out.end_object();
  out.begin_array("steps");
  for (const MeasuredStep &step : measurement.steps) {
    out.begin_array();
    out.value(step.last);
    out.value(step.kernel);
    out.end_array();
  }
  out.end_array();
  return out.finish();
}

}  // namespace quern

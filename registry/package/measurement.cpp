#include "registry/package/measurement.hpp"

#include "runtime/base/json_writer.hpp"

namespace quern {
namespace {

constexpr int64_t kLargest = INT64_C(1) << 40;
constexpr size_t kMostSteps = 64;

}  // namespace

bool Measurement::fits(const Problem &problem, const std::string &model) const {
  return device == model && quern::fits(where, problem.values);
}

Measurement read_measurement(const Json &value, const std::string &path, const Operation &operation,
                             const std::string &package) {
  Measurement measurement;
  JsonObject object(value, path);
  measurement.device = object.need_string("device");
  measurement.where = read_field_values(object.need("where"), object.path("where"), operation);
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

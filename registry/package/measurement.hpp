// Which variant was measured to be the fastest, for one kind of device and one problem. Packages bring such tables in
// their manifest; tuning writes them into the cache.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/package/field_values.hpp"
#include "runtime/base/json.hpp"

namespace quern {

struct MeasuredStep {
  int64_t last;        // the largest run size that it is good for; the next step begins behind it
  std::string kernel;  // "package:variant"
};

struct Measurement {
  std::string device;  // its model, "NVIDIA H200"
  FieldValues where;
  std::vector<MeasuredStep> steps;  // by size

  bool fits(const Problem &problem, const std::string &model) const;
};

// {"device": "...", "where": {"n": 2880, "layout": "mma16_bf16"}, "steps": [[16, "variant"], ...]}. A variant without a
// package is one of `package`. Throws QUERN_BAD_MANIFEST.
Measurement read_measurement(const Json &value, const std::string &path, const Operation &operation,
                             const std::string &package);
std::string write_measurement(const Measurement &measurement, const Operation &operation);

}  // namespace quern

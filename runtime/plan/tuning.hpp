// Tuned choices on disk: tuned/<digest>.json in the cache, one file for each model of device and problem.
#pragma once

#include <optional>
#include <string>

#include "registry/package/measurement.hpp"
#include "runtime/hub/hub.hpp"

namespace quern {

// What was measured for this problem on this model; nothing if it never was, or the file is damaged.
std::optional<Measurement> load_tuning(const Hub &hub, const Problem &problem, const std::string &model);

// Throws QUERN_IO_ERROR, QUERN_NOT_FOUND without a cache.
void save_tuning(const Hub &hub, const Problem &problem, const Measurement &measurement);

// The fields that tuning tells apart: all but the run size and what hardly changes the time, such as the bias.
std::vector<std::pair<size_t, int64_t>> tuning_fields(const Problem &problem);

}  // namespace quern

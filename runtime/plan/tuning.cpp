#include "runtime/plan/tuning.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr size_t kMaxFile = 64 * 1024;
constexpr const char *kTunedFields[] = {"n", "k", "format", "x_dtype", "layout", "batch_invariant", "accumulation"};

// Below the cache's directory.
std::string file_of(const Problem &problem, const std::string &model) {
  FieldHash hash;
  hash.add("quern tuning 1");
  hash.add(std::string(problem.operation->name));
  hash.add(model);
  for (const auto &[field, value] : tuning_fields(problem)) {
    hash.add(std::string(problem.operation->fields[field].name));
    hash.add(std::to_string(value));
  }
  return "tuned/" + hex(hash.finish()) + ".json";
}

}  // namespace

std::vector<std::pair<size_t, int64_t>> tuning_fields(const Problem &problem) {
  std::vector<std::pair<size_t, int64_t>> fields;
  for (const char *name : kTunedFields) {
    const int field = problem.operation->find(name);
    if (field >= 0) fields.emplace_back(static_cast<size_t>(field), problem.values[static_cast<size_t>(field)]);
  }
  return fields;
}

std::optional<Measurement> load_tuning(const Hub &hub, const Problem &problem, const std::string &model) {
  const std::string file = file_of(problem, model);
  for (const CacheLayer *layer : hub.cache().layers()) {
    const auto bytes = hub.cache().read(*layer, file, kMaxFile);
    if (!bytes) continue;
    const std::string content(bytes->begin(), bytes->end());
    const std::string place = (layer->directory.path() / file).string();
    try {
      Measurement found = read_measurement(parse_strict(content, place), "", *problem.operation, "");
      if (found.fits(problem, model)) return found;
      hub.log().write(QUERN_LOG_WARN, "dispatch", place, " is of another problem; tune again");
    } catch (const Error &error) {
      hub.log().write(QUERN_LOG_WARN, "dispatch", "tuning is not used: ", error.what(), "; tune again");
    }
  }
  return std::nullopt;
}

void save_tuning(const Hub &hub, const Problem &problem, const Measurement &measurement) {
  if (hub.cache().mode() != CacheMode::kReadWrite) {
    fail(QUERN_NOT_FOUND, "tuning has nowhere to be kept: ", hub.cache().trouble());
  }
  const std::string content = write_measurement(measurement, *problem.operation);
  hub.cache().writable()->publish(file_of(problem, measurement.device), as_bytes(content));
}

}  // namespace quern

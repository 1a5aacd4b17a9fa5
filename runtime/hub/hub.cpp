#include "runtime/hub/hub.hpp"

namespace quern {
namespace {

CacheSettings cache_settings(const HubSettings &settings) {
  CacheSettings cache;
  cache.directory = settings.cache_dir;
  cache.mode = settings.cache_mode;
  cache.lower = settings.cache_lower;
  cache.max_bytes = settings.cache_max_bytes;
  cache.max_age_s = settings.cache_max_age_s;
  cache.durable = settings.durable;
  cache.seal_keys = settings.seal_keys;
  cache.runtime_dir = settings.environment.xdg_runtime_dir;
  return cache;
}

}  // namespace

Hub::Hub(HubSettings settings)
    : settings_(std::move(settings)),
      log_(settings_.log_level, settings_.log, settings_.log_user),
      cache_(cache_settings(settings_)),
      nvrtc_(settings_.nvrtc_path, settings_.environment),
      packages_(settings_, cache_, log_),
      store_(cache_, nvrtc_, settings_.jit_allowed, log_, CompileChild(settings_.environment)) {
  if (cache_.mode() != settings_.cache_mode) log_.write(QUERN_LOG_WARN, "cache", cache_.trouble());
  for (const std::string &refused : cache_.refused_layers()) log_.write(QUERN_LOG_WARN, "cache", refused);
  const std::shared_ptr<const Catalog> known = catalog();
  for (const RefusedPackage &refused : known->refused()) {
    log_.write(QUERN_LOG_WARN, "dispatch", refused.origin, " is not used: ", refused.reason);
  }
}

std::shared_ptr<const Module> Hub::loaded_module(const CompileUnit &unit) {
  const std::lock_guard lock(mutex_);
  const auto found = modules_.find(unit.request());
  if (found == modules_.end()) return nullptr;
  ++memory_hits_;
  return found->second;
}

std::shared_ptr<const Module> Hub::module(const CompileUnit &unit, const KernelStore::Code *code) {
  if (auto known = loaded_module(unit)) return known;
  std::optional<KernelStore::Code> gotten;
  if (code == nullptr) code = &gotten.emplace(store_.get(unit));
  const size_t block_bytes = unit->parameter_sizes.empty() ? 0 : unit->parameter_sizes.front();
  auto loaded = std::make_shared<const Module>(code->entry.code, unit->entry, block_bytes, unit->kernel);
  const std::lock_guard lock(mutex_);
  return modules_.emplace(unit.request(), std::move(loaded)).first->second;  // another thread's, if it was faster
}

}  // namespace quern

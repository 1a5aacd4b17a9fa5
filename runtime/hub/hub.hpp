// What a process shares: the options resolved once, the catalog of kernels, the cache, the compiler, the loaded
// modules.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "registry/cache/cache.hpp"
#include "runtime/base/log.hpp"
#include "runtime/compile/nvrtc_api.hpp"
#include "runtime/cuda/module.hpp"
#include "runtime/hub/hub_packages.hpp"
#include "runtime/hub/hub_settings.hpp"
#include "runtime/hub/kernel_store.hpp"

namespace quern {

class Hub {
 public:
  explicit Hub(HubSettings settings);

  const HubSettings &settings() const { return settings_; }
  const Log &log() const { return log_; }
  // What is known now; it may grow, so whoever goes through it holds it.
  std::shared_ptr<const Catalog> catalog() const { return packages_.catalog(); }
  HubPackages &packages() { return packages_; }
  Cache &cache() { return cache_; }
  const Cache &cache() const { return cache_; }
  KernelStore &store() { return store_; }
  const KernelStore &store() const { return store_; }

  // The unit's code, loaded into the driver; one module per unit in a process. `code` is the unit's, if it is at hand.
  std::shared_ptr<const Module> module(const CompileUnit &unit, const KernelStore::Code *code = nullptr);
  // Null where it is not loaded yet.
  std::shared_ptr<const Module> loaded_module(const CompileUnit &unit);
  int64_t memory_hits() const { return memory_hits_; }

 private:
  const HubSettings settings_;
  Log log_;
  Cache cache_;
  Nvrtc nvrtc_;
  HubPackages packages_;
  KernelStore store_;
  std::atomic<int64_t> memory_hits_{0};
  std::mutex mutex_;                                              // guards modules_
  std::map<std::string, std::shared_ptr<const Module>> modules_;  // by request
};

}  // namespace quern

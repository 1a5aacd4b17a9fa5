// What a process shares: the options resolved once, the catalog of kernels, the cache, the compiler, the loaded
// modules.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "registry/cache.hpp"
#include "registry/catalog.hpp"
#include "runtime/base/environment.hpp"
#include "runtime/base/log.hpp"
#include "runtime/kernel_store.hpp"
#include "runtime/module.hpp"
#include "runtime/nvrtc_api.hpp"

namespace quern {

// Options and environment made one; options win.
struct HubSettings {
  Environment environment;
  std::string cache_dir;
  std::string kernel_path;
  std::string nvrtc_path;
  CacheMode cache_mode;
  std::vector<std::filesystem::path> cache_lower;  // read-only directories below it
  int64_t cache_max_bytes;                         // 0: no limit
  int64_t cache_max_age_s;                         // 0: no limit
  bool durable;
  bool jit_allowed;
  quern_log_level log_level;
  quern_log_callback log;
  void *log_user;
  int threads;  // of the CPU device; 0: one per core
};

HubSettings resolve_settings(const quern_hub_options &options, const Environment &environment);

class Hub {
 public:
  explicit Hub(HubSettings settings);

  const HubSettings &settings() const { return settings_; }
  const Log &log() const { return log_; }
  const Catalog &catalog() const { return catalog_; }
  Cache &cache() { return cache_; }
  const Cache &cache() const { return cache_; }
  KernelStore &store() { return store_; }
  const KernelStore &store() const { return store_; }

  // The unit's code, loaded into the driver; one module per unit in a process. `code` is the unit's, if it is at hand.
  std::shared_ptr<const Module> module(const CompileUnit &unit, const KernelStore::Code *code = nullptr);
  bool is_loaded(const CompileUnit &unit);
  int64_t memory_hits() const { return memory_hits_; }

  std::set<std::string> package_digests() const;

 private:
  const HubSettings settings_;
  Log log_;
  Cache cache_;
  Nvrtc nvrtc_;
  Catalog catalog_;
  KernelStore store_;
  std::atomic<int64_t> memory_hits_{0};
  std::mutex mutex_;                                              // guards modules_
  std::map<std::string, std::shared_ptr<const Module>> modules_;  // by request
};

}  // namespace quern

// What a hub is opened with: options, environment and configuration made one. Options beat the environment, and that
// beats the configuration.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <quern/quern.h>

#include "registry/cache/cache.hpp"
#include "registry/trust/configuration.hpp"
#include "runtime/base/environment.hpp"

namespace quern {

struct HubSettings {
  Environment environment;
  ConfigurationFiles files;
  Configuration configuration;
  std::string lock_file;             // "": none
  std::vector<PublicKey> seal_keys;  // none: not sealed
  std::string cache_dir;
  std::string kernel_path;
  std::string nvrtc_path;
  CacheMode cache_mode;
  std::vector<std::filesystem::path> cache_lower;  // read-only directories below it
  int64_t cache_max_bytes;                         // 0: no limit
  int64_t cache_max_age_s;                         // 0: no limit
  bool durable;
  bool jit_allowed;
  bool offline;
  quern_log_level log_level;
  quern_log_callback log;
  void *log_user;
  int threads;  // of the CPU device; 0: one per core
  int jobs;     // compiles at once; 0: one per core
};

// Reads config.json, and no other file. Throws QUERN_INVALID_ARGUMENT, QUERN_NOT_FOUND, QUERN_UNTRUSTED,
// QUERN_IO_ERROR.
HubSettings resolve_settings(const quern_hub_options &options, const Environment &environment);

}  // namespace quern

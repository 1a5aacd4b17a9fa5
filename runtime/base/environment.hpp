// The only place that reads environment variables. They are read once, when a hub opens.
#pragma once

#include <cstdint>
#include <string>

namespace quern {

struct Environment {
  std::string cache_dir;       // QUERN_CACHE_DIR
  std::string cache_mode;      // QUERN_CACHE_MODE: rw, ro, off
  std::string cache_ro;        // QUERN_CACHE_RO: directories, ":" between
  std::string cache_max_size;  // QUERN_CACHE_MAX_SIZE: "2GiB"
  std::string cache_max_age;   // QUERN_CACHE_MAX_AGE: "90d"
  std::string durable;         // QUERN_DURABLE
  std::string kernel_path;     // QUERN_KERNEL_PATH
  std::string kernel_force;    // QUERN_KERNEL_FORCE: package or package:variant
  std::string offline;         // QUERN_OFFLINE
  std::string jit;             // QUERN_JIT: allow, forbid
  std::string nvrtc_path;      // QUERN_NVRTC_PATH
  std::string driver_path;     // QUERN_DRIVER_PATH
  std::string log;             // QUERN_LOG: off, error, warn, info, debug
  std::string threads;         // QUERN_THREADS
  std::string xdg_cache_home, xdg_runtime_dir, home, cuda_home, cuda_path, library_path;
};

Environment read_environment();

// 1/0/true/false/on/off; empty is false. Anything else is an error that names the variable.
bool parse_bool(const char *variable, const std::string &value);

// "5GiB", "500MB", "4096"; "90d", "12h", "2w", "30m", "60s". Anything else is an error that names the variable.
int64_t parse_size(const char *variable, const std::string &value);
int64_t parse_age(const char *variable, const std::string &value);

}  // namespace quern

// The only place that reads environment variables. They are read once, when a hub opens.
#pragma once

#include <cstdint>
#include <string>

namespace quern {

struct Environment {
  std::string cache_dir;           // QUERN_CACHE_DIR
  std::string cache_mode;          // QUERN_CACHE_MODE: rw, ro, off
  std::string cache_ro;            // QUERN_CACHE_RO: directories, ":" between
  std::string cache_max_size;      // QUERN_CACHE_MAX_SIZE: "2GiB"
  std::string cache_max_age;       // QUERN_CACHE_MAX_AGE: "90d"
  std::string durable;             // QUERN_DURABLE
  std::string kernel_path;         // QUERN_KERNEL_PATH
  std::string kernel_force;        // QUERN_KERNEL_FORCE: package or package:variant
  std::string offline;             // QUERN_OFFLINE
  std::string jit;                 // QUERN_JIT: allow, forbid
  std::string nvrtc_path;          // QUERN_NVRTC_PATH
  std::string driver_path;         // QUERN_DRIVER_PATH
  std::string log;                 // QUERN_LOG: off, error, warn, info, debug
  std::string threads;             // QUERN_THREADS
  std::string jobs;                // QUERN_JOBS
  std::string config;              // QUERN_CONFIG
  std::string trust;               // QUERN_TRUST
  std::string lock;                // QUERN_LOCK
  std::string seal;                // QUERN_SEAL: public keys in hex, ":" between
  std::string compile_child;       // QUERN_CC: child, inproc
  std::string compile_child_path;  // QUERN_CC_PATH
  std::string allow_http;          // QUERN_ALLOW_HTTP
  std::string curl_path;           // QUERN_CURL_PATH
  std::string ssl_cert_file, ssl_cert_dir;
  std::string hf_endpoint, hf_token, hf_token_path, hf_home, hf_hub_cache, hf_hub_disable_implicit_token,
      hf_hub_offline;
  std::string transformers_offline, hf_hub_etag_timeout, hf_hub_download_timeout;
  std::string xdg_cache_home, xdg_config_home, xdg_runtime_dir, home, cuda_home, cuda_path, library_path;
};

Environment read_environment();

// 1/0/true/false/on/off; empty is false. Anything else is an error that names the variable.
bool parse_bool(const char *variable, const std::string &value);

// "5GiB", "500MB", "4096"; "90d", "12h", "2w", "30m", "60s". Anything else is an error that names the variable.
int64_t parse_size(const char *variable, const std::string &value);
int64_t parse_age(const char *variable, const std::string &value);

}  // namespace quern

#include "runtime/base/environment.hpp"

#include <cstdlib>

#include "runtime/base/error.hpp"
#include "runtime/base/quantity.hpp"

namespace quern {
namespace {

std::string variable(const char *name) {
  const char *value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

constexpr Unit kSizes[] = {{"", 1},
                           {"B", 1},
                           {"KiB", INT64_C(1) << 10},
                           {"MiB", INT64_C(1) << 20},
                           {"GiB", INT64_C(1) << 30},
                           {"TiB", INT64_C(1) << 40},
                           {"KB", 1000},
                           {"MB", 1000000},
                           {"GB", 1000000000},
                           {"TB", 1000000000000}};
constexpr Unit kAges[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}};

}  // namespace

Environment read_environment() {
  Environment env;
  env.cache_dir = variable("QUERN_CACHE_DIR");
  env.cache_mode = variable("QUERN_CACHE_MODE");
  env.cache_ro = variable("QUERN_CACHE_RO");
  env.cache_max_size = variable("QUERN_CACHE_MAX_SIZE");
  env.cache_max_age = variable("QUERN_CACHE_MAX_AGE");
  env.durable = variable("QUERN_DURABLE");
  env.kernel_path = variable("QUERN_KERNEL_PATH");
  env.kernel_force = variable("QUERN_KERNEL_FORCE");
  env.offline = variable("QUERN_OFFLINE");
  env.jit = variable("QUERN_JIT");
  env.nvrtc_path = variable("QUERN_NVRTC_PATH");
  env.driver_path = variable("QUERN_DRIVER_PATH");
  env.log = variable("QUERN_LOG");
  env.threads = variable("QUERN_THREADS");
  env.jobs = variable("QUERN_JOBS");
  env.config = variable("QUERN_CONFIG");
  env.trust = variable("QUERN_TRUST");
  env.lock = variable("QUERN_LOCK");
  env.seal = variable("QUERN_SEAL");
  env.allow_http = variable("QUERN_ALLOW_HTTP");
  env.curl_path = variable("QUERN_CURL_PATH");
  env.ssl_cert_file = variable("SSL_CERT_FILE");
  env.ssl_cert_dir = variable("SSL_CERT_DIR");
  env.hf_endpoint = variable("HF_ENDPOINT");
  env.hf_token = variable("HF_TOKEN");
  env.hf_token_path = variable("HF_TOKEN_PATH");
  env.hf_home = variable("HF_HOME");
  env.hf_hub_cache = variable("HF_HUB_CACHE");
  env.hf_hub_disable_implicit_token = variable("HF_HUB_DISABLE_IMPLICIT_TOKEN");
  env.hf_hub_offline = variable("HF_HUB_OFFLINE");
  env.transformers_offline = variable("TRANSFORMERS_OFFLINE");
  env.hf_hub_etag_timeout = variable("HF_HUB_ETAG_TIMEOUT");
  env.hf_hub_download_timeout = variable("HF_HUB_DOWNLOAD_TIMEOUT");
  env.compile_child = variable("QUERN_CC");
  env.compile_child_path = variable("QUERN_CC_PATH");
  env.xdg_cache_home = variable("XDG_CACHE_HOME");
  env.xdg_config_home = variable("XDG_CONFIG_HOME");
  env.xdg_runtime_dir = variable("XDG_RUNTIME_DIR");
  env.home = variable("HOME");
  env.cuda_home = variable("CUDA_HOME");
  env.cuda_path = variable("CUDA_PATH");
  env.library_path = variable("LD_LIBRARY_PATH");
  return env;
}

bool parse_bool(const char *variable, const std::string &value) {
  if (value.empty() || value == "0" || value == "false" || value == "off") return false;
  if (value == "1" || value == "true" || value == "on") return true;
  fail(QUERN_INVALID_ARGUMENT, variable, " is \"", value, "\"; set it to 1 or 0");
}

int64_t parse_size(const char *variable, const std::string &value) {
  const std::optional<int64_t> bytes = parse_quantity(value, kSizes);
  if (!bytes) fail(QUERN_INVALID_ARGUMENT, variable, " is \"", value, "\"; write it like 2GiB or 500MB");
  return *bytes;
}

int64_t parse_age(const char *variable, const std::string &value) {
  const std::optional<int64_t> seconds = parse_quantity(value, kAges);
  if (!seconds) fail(QUERN_INVALID_ARGUMENT, variable, " is \"", value, "\"; write it like 90d or 12h");
  return *seconds;
}

}  // namespace quern

#include "runtime/base/environment.hpp"

#include <cstdlib>

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

TEST(ParseBool, RefusesTyposWithTheVariablesName) {
  for (const char *value : {"yes", "TRUE", "2", " 1", "1 ", "-1"}) {
    try {
      parse_bool("QUERN_OFFLINE", value);
      ADD_FAILURE() << value << " was accepted";
    } catch (const Error &error) {
      EXPECT_EQ(error.status(), QUERN_INVALID_ARGUMENT);
      EXPECT_EQ(error.what(), "QUERN_OFFLINE is \"" + std::string(value) + "\"; set it to 1 or 0");
    }
  }
}

TEST(ParseBool, ReadsEverySpelling) {
  for (const char *value : {"1", "true", "on"}) EXPECT_TRUE(parse_bool("V", value)) << value;
  for (const char *value : {"", "0", "false", "off"}) EXPECT_FALSE(parse_bool("V", value)) << value;
}

TEST(ReadEnvironment, TakesEachVariableFromItsOwnName) {
  const std::pair<const char *, std::string Environment::*> variables[] = {
      {"QUERN_CACHE_DIR", &Environment::cache_dir},
      {"QUERN_CACHE_MODE", &Environment::cache_mode},
      {"QUERN_KERNEL_PATH", &Environment::kernel_path},
      {"QUERN_KERNEL_FORCE", &Environment::kernel_force},
      {"QUERN_OFFLINE", &Environment::offline},
      {"QUERN_JIT", &Environment::jit},
      {"QUERN_NVRTC_PATH", &Environment::nvrtc_path},
      {"QUERN_DRIVER_PATH", &Environment::driver_path},
      {"QUERN_LOG", &Environment::log},
      {"QUERN_THREADS", &Environment::threads},
      {"QUERN_JOBS", &Environment::jobs},
      {"QUERN_CONFIG", &Environment::config},
      {"QUERN_TRUST", &Environment::trust},
      {"QUERN_LOCK", &Environment::lock},
      {"QUERN_SEAL", &Environment::seal},
      {"QUERN_ALLOW_HTTP", &Environment::allow_http},
      {"QUERN_CURL_PATH", &Environment::curl_path},
      {"SSL_CERT_FILE", &Environment::ssl_cert_file},
      {"SSL_CERT_DIR", &Environment::ssl_cert_dir},
      {"HF_ENDPOINT", &Environment::hf_endpoint},
      {"HF_TOKEN", &Environment::hf_token},
      {"HF_TOKEN_PATH", &Environment::hf_token_path},
      {"HF_HOME", &Environment::hf_home},
      {"HF_HUB_CACHE", &Environment::hf_hub_cache},
      {"HF_HUB_DISABLE_IMPLICIT_TOKEN", &Environment::hf_hub_disable_implicit_token},
      {"HF_HUB_OFFLINE", &Environment::hf_hub_offline},
      {"TRANSFORMERS_OFFLINE", &Environment::transformers_offline},
      {"HF_HUB_ETAG_TIMEOUT", &Environment::hf_hub_etag_timeout},
      {"HF_HUB_DOWNLOAD_TIMEOUT", &Environment::hf_hub_download_timeout},
      {"QUERN_CC", &Environment::compile_child},
      {"QUERN_CC_PATH", &Environment::compile_child_path},
      {"XDG_CACHE_HOME", &Environment::xdg_cache_home},
      {"XDG_CONFIG_HOME", &Environment::xdg_config_home},
      {"HOME", &Environment::home},
      {"CUDA_HOME", &Environment::cuda_home},
      {"CUDA_PATH", &Environment::cuda_path},
      {"LD_LIBRARY_PATH", &Environment::library_path}};
  for (const auto &[name, member] : variables) {
    const char *before = std::getenv(name);
    const std::string kept = before == nullptr ? "" : before;
    ::setenv(name, (std::string("value of ") + name).c_str(), 1);
    EXPECT_EQ(read_environment().*member, std::string("value of ") + name);
    ::unsetenv(name);
    EXPECT_EQ(read_environment().*member, "") << name;
    if (before != nullptr) ::setenv(name, kept.c_str(), 1);
  }
}

}  // namespace
}  // namespace quern

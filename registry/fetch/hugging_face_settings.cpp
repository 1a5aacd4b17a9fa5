#include "registry/fetch/hugging_face_settings.hpp"

#include <algorithm>
#include <cctype>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

// A whole number of seconds; the Hub's tools accept no other either.
std::chrono::seconds seconds_of(const char *variable, const std::string &value) {
  if (value.empty()) return std::chrono::seconds(10);
  const bool is_number = value.size() <= 5 && value.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number || std::stoi(value) == 0) {
    fail(QUERN_INVALID_ARGUMENT, variable, " is \"", value, "\"; set it to a number of seconds from 1 to 99999");
  }
  return std::chrono::seconds(std::stoi(value));
}

fs::path expanded(const std::string &path, const std::string &home) {
  return path == "~" || path.starts_with("~/") ? fs::path(home + path.substr(1)) : fs::path(path);
}

// A place in the folder of the Hub's tools, "" if nothing says where that is.
fs::path in_home(const Environment &environment, const char *name) {
  if (!environment.hf_home.empty()) return expanded(environment.hf_home, environment.home) / name;
  if (!environment.xdg_cache_home.empty()) return fs::path(environment.xdg_cache_home) / "huggingface" / name;
  return environment.home.empty() ? fs::path() : fs::path(environment.home) / ".cache/huggingface" / name;
}

fs::path token_path(const Environment &environment) {
  if (!environment.hf_token_path.empty()) return expanded(environment.hf_token_path, environment.home);
  return in_home(environment, "token");
}

Credential implicit_credential(const Environment &environment, const Url &endpoint) {
  if (hugging_face_true(environment.hf_hub_disable_implicit_token)) return {};
  const Credential credential = make_credential(environment.hf_token, endpoint, "HF_TOKEN");
  if (!credential.header.empty()) return credential;
  const fs::path path = token_path(environment);
  std::error_code ignored;
  return path.empty() || !fs::exists(path, ignored) ? Credential{} : read_credential(path, endpoint);
}

}  // namespace

bool hugging_face_true(const std::string &value) {
  std::string upper = value;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

HuggingFaceSettings hugging_face_settings(const Environment &environment, const fs::path &token_file) {
  HuggingFaceSettings settings;
  settings.endpoint = parse_url(environment.hf_endpoint.empty() ? "https://huggingface.co" : environment.hf_endpoint);
  settings.cache = environment.hf_hub_cache.empty() ? in_home(environment, "hub")
                                                    : expanded(environment.hf_hub_cache, environment.home);
  // The second stands in where the first is empty, as there.
  settings.offline = hugging_face_true(environment.hf_hub_offline.empty() ? environment.transformers_offline
                                                                          : environment.hf_hub_offline);
  settings.etag_timeout = seconds_of("HF_HUB_ETAG_TIMEOUT", environment.hf_hub_etag_timeout);
  settings.download_timeout = seconds_of("HF_HUB_DOWNLOAD_TIMEOUT", environment.hf_hub_download_timeout);
  settings.credential = token_file.empty() ? implicit_credential(environment, settings.endpoint)
                                           : read_credential(token_file, settings.endpoint);
  return settings;
}

}  // namespace quern

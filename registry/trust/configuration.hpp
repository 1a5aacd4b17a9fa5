// config.json: which registries there are, how much the cache may hold, whether the network may be used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/trust/signature.hpp"

namespace quern {

struct RegistryConfiguration {
  std::string name;
  std::string url;  // https://, http://, file:// or hf://; no '/' at the end, but for "hf://"
  std::vector<std::string> mirrors;
  std::vector<PublicKey> root_keys;  // none: serves only what a lock pins
  size_t threshold = 1;
  std::filesystem::path token_file;  // absolute, or empty
};

struct Configuration {
  std::vector<RegistryConfiguration> registries;  // the first that has a package serves it
  std::optional<int64_t> cache_max_bytes;
  std::optional<int64_t> cache_max_age_s;
  bool offline = false;
};

// Where the operator's files are. Nothing else of the environment is needed to find them.
struct ConfigurationPlaces {
  std::string config;           // QUERN_CONFIG
  std::string trust;            // QUERN_TRUST
  std::string xdg_config_home;  // ignored if it is relative
  std::string home;
  std::filesystem::path system = "/etc/xdg/quern";
};

struct ConfigurationFiles {
  std::filesystem::path config;  // empty: there is none
  std::filesystem::path trust;   // need not exist
};

// Throws QUERN_NOT_FOUND if a file that a variable names does not exist.
ConfigurationFiles find_configuration(const ConfigurationPlaces &places);

// The defaults for an empty path. Throws QUERN_INVALID_ARGUMENT, QUERN_IO_ERROR, QUERN_UNTRUSTED.
Configuration load_configuration(const std::filesystem::path &path);
// Relative paths in it start at `directory`. Throws QUERN_INVALID_ARGUMENT.
Configuration parse_configuration(std::string_view document, const std::filesystem::path &directory,
                                  const std::string &what);

// "5GiB", "500MB", "4096": whole numbers with B, kB, MB, GB, TB, KiB, MiB, GiB, TiB. Nothing for other text.
std::optional<int64_t> parse_byte_size(std::string_view text);
// "90d", "12h", "30m", "45s", "2w", in seconds. Nothing for other text.
std::optional<int64_t> parse_age(std::string_view text);

}  // namespace quern

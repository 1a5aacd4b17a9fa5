#include "registry/trust/configuration.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include "registry/format/strict_document.hpp"
#include "registry/trust/operator_file.hpp"
#include "runtime/base/quantity.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr Unit kByteUnits[] = {{"", 1},
                               {"B", 1},
                               {"kB", 1000},
                               {"MB", 1000 * 1000},
                               {"GB", 1000 * 1000 * 1000},
                               {"TB", INT64_C(1000) * 1000 * 1000 * 1000},
                               {"KiB", 1 << 10},
                               {"MiB", 1 << 20},
                               {"GiB", 1 << 30},
                               {"TiB", INT64_C(1) << 40}};
constexpr Unit kAgeUnits[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};

// It names a folder of the cache too.
bool is_registry_name(const std::string &name) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  return !name.empty() && name.size() <= 64 && name[0] != '-' && std::all_of(name.begin(), name.end(), is_plain);
}

std::string check_url(std::string url, const std::string &path) {
  constexpr std::string_view kSchemes[] = {"https://", "http://", "file://", "hf://"};
  const auto scheme = std::find_if(std::begin(kSchemes), std::end(kSchemes),
                                   [&](std::string_view candidate) { return url.starts_with(candidate); });
  if (scheme == std::end(kSchemes)) {
    fail(QUERN_INVALID_ARGUMENT, path, " is \"", url, "\"; begin it with https://, http://, file:// or hf://");
  }
  const auto is_visible = [](char c) { return c > 0x20 && c < 0x7f; };
  if (!std::all_of(url.begin(), url.end(), is_visible) || url.size() > 2000 ||
      url.find_first_of("?#@\\\"") != std::string::npos) {
    fail(QUERN_INVALID_ARGUMENT, path, " has a character that none may have here; secrets belong into token_file");
  }
  while (url.size() > scheme->size() && url.back() == '/') url.pop_back();
  if (url.size() == scheme->size() && *scheme != "hf://")
    fail(QUERN_INVALID_ARGUMENT, path, " names no host or folder");
  return url;
}

void read_root_keys(JsonObject &object, RegistryConfiguration &registry) {
  if (object.find("root_keys") != nullptr) {
    std::set<std::string> seen;
    for (const Json &item : object.need_array("root_keys", 0, kMaxSignatures)) {
      const auto key = PublicKey::parse(as_string(item, object.path("root_keys")));
      if (!key)
        fail(QUERN_INVALID_ARGUMENT, object.path("root_keys"),
             " has what is no Ed25519 public key; give 64 hex digits");
      if (!seen.insert(key->id()).second) fail(QUERN_INVALID_ARGUMENT, object.path("root_keys"), " has a key twice");
      registry.root_keys.push_back(*key);
    }
  }
  const auto count = static_cast<int64_t>(registry.root_keys.size());
  registry.threshold = static_cast<size_t>(object.integer_or("threshold", 1, 1, std::max<int64_t>(1, count)));
  if (count > 0 && registry.url.starts_with("hf://")) {
    fail(QUERN_INVALID_ARGUMENT, object.path("root_keys"), ": Hugging Face has no root to sign; remove them");
  }
}

RegistryConfiguration read_registry(const Json &item, const std::string &path, const fs::path &directory) {
  JsonObject object(item, path);
  RegistryConfiguration registry;
  registry.name = object.need_string("name");
  if (!is_registry_name(registry.name)) {
    fail(QUERN_INVALID_ARGUMENT, object.path("name"), " is \"", registry.name,
         "\"; write 1 to 64 of a-z, 0-9, '-' and '_'");
  }
  registry.url = check_url(object.need_string("url"), object.path("url"));
  if (object.find("mirrors") != nullptr) {
    for (const Json &mirror : object.need_array("mirrors", 0, 16)) {
      registry.mirrors.push_back(check_url(as_string(mirror, object.path("mirrors")), object.path("mirrors")));
    }
  }
  read_root_keys(object, registry);
  const std::string token = object.string_or("token_file", "");
  if (!token.empty()) registry.token_file = (directory / token).lexically_normal();
  object.finish();
  return registry;
}

template <typename Parse>
std::optional<int64_t> read_limit(JsonObject &object, const char *key, Parse parse, const char *example) {
  if (object.find(key) == nullptr) return std::nullopt;
  const std::optional<int64_t> limit = parse(object.need_string(key));
  if (!limit) fail(QUERN_INVALID_ARGUMENT, object.path(key), " is not like \"", example, "\"; write it so");
  return limit;
}

fs::path named_file(const char *variable, const std::string &path) {
  std::error_code error;
  if (!fs::exists(path, error)) fail(QUERN_NOT_FOUND, variable, " is ", path, ", which does not exist; correct it");
  return fs::absolute(path);
}

}  // namespace

std::optional<int64_t> parse_byte_size(std::string_view text) { return parse_quantity(text, kByteUnits); }
std::optional<int64_t> parse_age(std::string_view text) { return parse_quantity(text, kAgeUnits); }

ConfigurationFiles find_configuration(const ConfigurationPlaces &places) {
  std::vector<fs::path> folders;
  if (fs::path(places.xdg_config_home).is_absolute()) {
    folders.push_back(fs::path(places.xdg_config_home) / "quern");
  } else if (fs::path(places.home).is_absolute()) {
    folders.push_back(fs::path(places.home) / ".config" / "quern");
  }
  folders.push_back(places.system);
  const auto folder_with = [&](const char *name) {
    std::error_code ignored;
    return std::find_if(folders.begin(), folders.end(),
                        [&](const fs::path &folder) { return fs::exists(folder / name, ignored); });
  };
  ConfigurationFiles files;
  if (!places.config.empty()) {
    files.config = named_file("QUERN_CONFIG", places.config);
  } else if (const auto found = folder_with("config.json"); found != folders.end()) {
    files.config = *found / "config.json";
  }
  if (!places.trust.empty()) {
    files.trust = named_file("QUERN_TRUST", places.trust);
  } else if (!files.config.empty()) {
    files.trust = files.config.parent_path() / "trust.json";
  } else {
    const auto found = folder_with("trust.json");
    files.trust = (found != folders.end() ? *found : folders.front()) / "trust.json";
  }
  return files;
}

Configuration load_configuration(const fs::path &path) {
  if (path.empty()) return {};
  const auto document = read_operator_file(path, kMaxJsonBytes);
  return document ? parse_configuration(*document, fs::absolute(path).parent_path(), path.string()) : Configuration();
}

Configuration parse_configuration(std::string_view document, const fs::path &directory, const std::string &what) {
  return read_document(document, what, QUERN_INVALID_ARGUMENT, kMaxJsonBytes, [&](JsonObject &root) {
    Configuration configuration;
    if (root.find("registries") != nullptr) {
      std::set<std::string> names;
      for (const Json &item : root.need_array("registries", 0, 64)) {
        const std::string path = text("registries[", configuration.registries.size(), "]");
        configuration.registries.push_back(read_registry(item, path, directory));
        const std::string &name = configuration.registries.back().name;
        if (!names.insert(name).second) fail(QUERN_INVALID_ARGUMENT, path, ".name: ", name, " appears twice");
      }
    }
    if (const Json *cache = root.find("cache")) {
      JsonObject object(*cache, "cache");
      configuration.cache_max_bytes = read_limit(object, "max_size", parse_byte_size, "5GiB");
      configuration.cache_max_age_s = read_limit(object, "max_age", parse_age, "90d");
      object.finish();
    }
    configuration.offline = root.boolean_or("offline", false);
    return configuration;
  });
}

}  // namespace quern

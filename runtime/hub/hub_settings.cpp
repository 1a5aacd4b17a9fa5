#include "runtime/hub/hub_settings.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/split.hpp"

namespace quern {
namespace {

std::string string_or(const char *option, const std::string &fallback) { return option == nullptr ? fallback : option; }

std::string default_cache_dir(const Environment &env) {
  if (!env.cache_dir.empty()) return env.cache_dir;
  // Relative paths in XDG variables are to be ignored (XDG Base Directory Specification).
  if (!env.xdg_cache_home.empty() && env.xdg_cache_home[0] == '/') return env.xdg_cache_home + "/quern";
  if (!env.home.empty() && env.home[0] == '/') return env.home + "/.cache/quern";
  return {};
}

CacheMode resolve_cache_mode(quern_cache_mode option, const std::string &variable) {
  switch (option) {
    case QUERN_CACHE_READ_WRITE:
      return CacheMode::kReadWrite;
    case QUERN_CACHE_READ_ONLY:
      return CacheMode::kReadOnly;
    case QUERN_CACHE_OFF:
      return CacheMode::kOff;
    case QUERN_CACHE_DEFAULT:
      break;
    default:
      fail(QUERN_INVALID_ARGUMENT, "cache_mode is ", static_cast<int>(option), "; use a QUERN_CACHE_ value");
  }
  if (variable.empty() || variable == "rw") return CacheMode::kReadWrite;
  if (variable == "ro") return CacheMode::kReadOnly;
  if (variable == "off") return CacheMode::kOff;
  fail(QUERN_INVALID_ARGUMENT, "QUERN_CACHE_MODE is \"", variable, "\"; set it to rw, ro or off");
}

bool resolve_jit(quern_jit option, const std::string &variable) {
  switch (option) {
    case QUERN_JIT_ALLOW:
      return true;
    case QUERN_JIT_FORBID:
      return false;
    case QUERN_JIT_DEFAULT:
      break;
    default:
      fail(QUERN_INVALID_ARGUMENT, "jit is ", static_cast<int>(option), "; use a QUERN_JIT_ value");
  }
  if (variable.empty() || variable == "allow") return true;
  if (variable == "forbid") return false;
  fail(QUERN_INVALID_ARGUMENT, "QUERN_JIT is \"", variable, "\"; set it to allow or forbid");
}

// A number of threads; 0 where the variable is not set.
int parse_threads(const char *name, const std::string &variable) {
  int threads = 0;
  const char *end = variable.data() + variable.size();
  const auto [rest, error] = std::from_chars(variable.data(), end, threads);
  if (variable.empty()) return 0;
  if (error != std::errc() || rest != end || threads < 1 || threads > 4096) {
    fail(QUERN_INVALID_ARGUMENT, name, " is \"", variable, "\"; set it to 1 to 4096");
  }
  return threads;
}

std::vector<std::filesystem::path> split_paths(const std::string &list) {
  std::vector<std::filesystem::path> paths;
  for (const std::string &item : split_given(list, ':')) paths.emplace_back(item);
  return paths;
}

std::vector<PublicKey> parse_seal_keys(const std::string &list) {
  std::vector<PublicKey> keys;
  for (const std::filesystem::path &text : split_paths(list)) {
    const auto key = PublicKey::parse(text.string());
    if (!key)
      fail(QUERN_INVALID_ARGUMENT, "the seal's key is \"", text.string(), "\"; give 64 hex digits of a public key");
    keys.push_back(*key);
  }
  return keys;
}

constexpr int64_t kDefaultMaxBytes = int64_t{2} << 30;

// 0 is the variable or else the default, -1 is no limit, which inside is 0. A variable of 0 is no limit either: a cache
// that may hold nothing is QUERN_CACHE_MODE=off.
int64_t resolve_limit(const char *name, int64_t option, const std::string &variable, int64_t fallback,
                      int64_t (*parse)(const char *, const std::string &), const char *env_name) {
  const int64_t asked = variable.empty() ? fallback : parse(env_name, variable);
  if (option < -1) fail(QUERN_INVALID_ARGUMENT, name, " is ", option, "; use -1 for no limit");
  return option == 0 ? asked : std::max<int64_t>(option, 0);
}

}  // namespace

HubSettings resolve_settings(const quern_hub_options &options, const Environment &environment) {
  HubSettings settings;
  settings.environment = environment;
  settings.files = find_configuration({string_or(options.config_file, environment.config),
                                       string_or(options.trust_file, environment.trust), environment.xdg_config_home,
                                       environment.home});
  settings.configuration = load_configuration(settings.files.config);
  settings.lock_file = string_or(options.lock_file, environment.lock);
  settings.seal_keys = parse_seal_keys(string_or(options.seal, environment.seal));
  settings.cache_dir = string_or(options.cache_dir, default_cache_dir(environment));
  settings.kernel_path = string_or(options.kernel_path, environment.kernel_path);
  settings.nvrtc_path = string_or(options.nvrtc_path, "");
  settings.cache_mode = resolve_cache_mode(options.cache_mode, environment.cache_mode);
  settings.cache_lower = split_paths(string_or(options.cache_ro, environment.cache_ro));
  settings.cache_max_bytes = resolve_limit("cache_max_bytes", options.cache_max_bytes, environment.cache_max_size,
                                           settings.configuration.cache_max_bytes.value_or(kDefaultMaxBytes),
                                           parse_size, "QUERN_CACHE_MAX_SIZE");
  settings.cache_max_age_s =
      resolve_limit("cache_max_age_s", options.cache_max_age_s, environment.cache_max_age,
                    settings.configuration.cache_max_age_s.value_or(0), parse_age, "QUERN_CACHE_MAX_AGE");
  settings.durable = environment.durable.empty() || parse_bool("QUERN_DURABLE", environment.durable);
  settings.jit_allowed = resolve_jit(options.jit, environment.jit);
  settings.offline =
      parse_bool("QUERN_OFFLINE", environment.offline) || options.offline != 0 || settings.configuration.offline;
  if (!settings.seal_keys.empty()) {  // what is not sealed is not used, so nothing may bring it
    settings.kernel_path.clear();
    settings.cache_mode = settings.cache_mode == CacheMode::kOff ? CacheMode::kOff : CacheMode::kReadOnly;
    settings.jit_allowed = false;
    settings.offline = true;
  }
  if (options.log_level < 0 || options.log_level > QUERN_LOG_DEBUG) {
    fail(QUERN_INVALID_ARGUMENT, "log_level is ", static_cast<int>(options.log_level), "; use a QUERN_LOG_ value");
  }
  const quern_log_level asked = parse_log_level(environment.log);
  settings.log = options.log;
  settings.log_user = options.log_user;
  settings.log_level = options.log != nullptr && options.log_level != 0 ? options.log_level : asked;
  settings.threads = parse_threads("QUERN_THREADS", environment.threads);
  settings.jobs = parse_threads("QUERN_JOBS", environment.jobs);
  return settings;
}

}  // namespace quern

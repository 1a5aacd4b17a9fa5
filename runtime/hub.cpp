#include "runtime/hub.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/base/error.hpp"

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

int parse_threads(const std::string &variable) {
  int threads = 0;
  const char *end = variable.data() + variable.size();
  const auto [rest, error] = std::from_chars(variable.data(), end, threads);
  if (variable.empty()) return 0;
  if (error != std::errc() || rest != end || threads < 1 || threads > 4096) {
    fail(QUERN_INVALID_ARGUMENT, "QUERN_THREADS is \"", variable, "\"; set it to 1 to 4096");
  }
  return threads;
}

std::vector<std::filesystem::path> split_paths(const std::string &list) {
  std::vector<std::filesystem::path> paths;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(':', begin), list.size());
    if (end > begin) paths.emplace_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return paths;
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

CacheSettings cache_settings(const HubSettings &settings) {
  CacheSettings cache;
  cache.directory = settings.cache_dir;
  cache.mode = settings.cache_mode;
  cache.lower = settings.cache_lower;
  cache.max_bytes = settings.cache_max_bytes;
  cache.max_age_s = settings.cache_max_age_s;
  cache.durable = settings.durable;
  cache.runtime_dir = settings.environment.xdg_runtime_dir;
  return cache;
}

}  // namespace

HubSettings resolve_settings(const quern_hub_options &options, const Environment &environment) {
  HubSettings settings;
  settings.environment = environment;
  settings.cache_dir = string_or(options.cache_dir, default_cache_dir(environment));
  settings.kernel_path = string_or(options.kernel_path, environment.kernel_path);
  settings.nvrtc_path = string_or(options.nvrtc_path, "");
  settings.cache_mode = resolve_cache_mode(options.cache_mode, environment.cache_mode);
  settings.cache_lower = split_paths(string_or(options.cache_ro, environment.cache_ro));
  settings.cache_max_bytes = resolve_limit("cache_max_bytes", options.cache_max_bytes, environment.cache_max_size,
                                           kDefaultMaxBytes, parse_size, "QUERN_CACHE_MAX_SIZE");
  settings.cache_max_age_s = resolve_limit("cache_max_age_s", options.cache_max_age_s, environment.cache_max_age, 0,
                                           parse_age, "QUERN_CACHE_MAX_AGE");
  settings.durable = environment.durable.empty() || parse_bool("QUERN_DURABLE", environment.durable);
  settings.jit_allowed = resolve_jit(options.jit, environment.jit);
  parse_bool("QUERN_OFFLINE", environment.offline);  // nothing touches the network yet; a typo is told all the same
  if (options.log_level < 0 || options.log_level > QUERN_LOG_DEBUG) {
    fail(QUERN_INVALID_ARGUMENT, "log_level is ", static_cast<int>(options.log_level), "; use a QUERN_LOG_ value");
  }
  const quern_log_level asked = parse_log_level(environment.log);
  settings.log = options.log;
  settings.log_user = options.log_user;
  settings.log_level = options.log != nullptr && options.log_level != 0 ? options.log_level : asked;
  settings.threads = parse_threads(environment.threads);
  return settings;
}

Hub::Hub(HubSettings settings)
    : settings_(std::move(settings)),
      log_(settings_.log_level, settings_.log, settings_.log_user),
      cache_(cache_settings(settings_)),
      nvrtc_(settings_.nvrtc_path, settings_.environment),
      catalog_(settings_.kernel_path),
      store_(cache_, nvrtc_, settings_.jit_allowed, log_, CompileChild(settings_.environment)) {
  if (cache_.mode() != settings_.cache_mode) log_.write(QUERN_LOG_WARN, "cache", "the cache is ", cache_.state());
  for (const std::string &refused : cache_.refused_layers()) log_.write(QUERN_LOG_WARN, "cache", refused);
  for (const RefusedPackage &refused : catalog_.refused()) {
    log_.write(QUERN_LOG_WARN, "dispatch", refused.origin, " is not used: ", refused.reason);
  }
}

bool Hub::is_loaded(const CompileUnit &unit) {
  const std::lock_guard lock(mutex_);
  return modules_.count(unit.request()) != 0;
}

std::shared_ptr<const Module> Hub::module(const CompileUnit &unit, const KernelStore::Code *code) {
  const std::string request = unit.request();
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = modules_.find(request); found != modules_.end()) {
      ++memory_hits_;
      return found->second;
    }
  }
  std::optional<KernelStore::Code> gotten;
  if (code == nullptr) code = &gotten.emplace(store_.get(unit));
  const size_t block_bytes = unit.parameter_sizes.empty() ? 0 : unit.parameter_sizes.front();
  auto loaded = std::make_shared<const Module>(code->entry.code, unit.entry, block_bytes, unit.kernel);
  const std::lock_guard lock(mutex_);
  return modules_.emplace(request, std::move(loaded)).first->second;  // another thread's, if it was faster
}

std::set<std::string> Hub::package_digests() const {
  std::set<std::string> digests;
  for (const auto &package : catalog_.packages()) digests.insert(package->digest);
  return digests;
}

}  // namespace quern

// How a hub's options and the environment become one.
#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "runtime/base/error.hpp"
#include "runtime/hub/hub.hpp"

namespace quern {
namespace {

quern_hub_options options() {
  quern_hub_options given = QUERN_HUB_OPTIONS_INIT;
  return given;
}

template <typename Edit>
void expect_refused(Edit edit, const std::string &message) {
  quern_hub_options given = options();
  Environment environment;
  edit(given, environment);
  try {
    resolve_settings(given, environment);
    ADD_FAILURE() << "accepted; expected: " << message;
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_INVALID_ARGUMENT);
    EXPECT_EQ(std::string(error.what()).rfind(message, 0), 0u) << error.what();
  }
}

TEST(ResolveSettings, TyposAreRefusedWithTheVariablesName) {
  using Options = quern_hub_options;
  expect_refused([](Options &, Environment &e) { e.cache_mode = "readonly"; },
                 "QUERN_CACHE_MODE is \"readonly\"; set it to rw");
  expect_refused([](Options &, Environment &e) { e.jit = "no"; }, "QUERN_JIT is \"no\"; set it to allow or forbid");
  expect_refused([](Options &, Environment &e) { e.offline = "yes"; }, "QUERN_OFFLINE is \"yes\"");
  expect_refused([](Options &, Environment &e) { e.log = "verbose"; }, "QUERN_LOG is \"verbose\"; set it to off");
  for (const char *threads : {"0", "-1", "4097", "4x", " 4", "four", "99999999999"}) {
    expect_refused([&](Options &, Environment &e) { e.threads = threads; },
                   "QUERN_THREADS is \"" + std::string(threads) + "\"");
    expect_refused([&](Options &, Environment &e) { e.jobs = threads; },
                   "QUERN_JOBS is \"" + std::string(threads) + "\"");
  }
  expect_refused([](Options &o, Environment &) { o.jit = static_cast<quern_jit>(3); }, "jit is 3");
  expect_refused([](Options &o, Environment &) { o.cache_mode = static_cast<quern_cache_mode>(9); }, "cache_mode is 9");
  expect_refused([](Options &o, Environment &) { o.log_level = static_cast<quern_log_level>(5); }, "log_level is 5");
  // A typo is told even where an option makes the variable moot.
  expect_refused([](Options &o, Environment &e) { o.log_level = QUERN_LOG_WARN, e.log = "loud"; },
                 "QUERN_LOG is \"loud\"");
}

TEST(ResolveSettings, TheConfigurationComesAfterTheEnvironment) {
  const TemporaryDirectory directory;
  const std::string path = directory / "config.json";
  write_text(path, R"({"schema":1,"cache":{"max_size":"5GiB","max_age":"90d"},"offline":true})");
  quern_hub_options given = options();
  given.config_file = path.c_str();
  const HubSettings read = resolve_settings(given, {});
  EXPECT_EQ(read.cache_max_bytes, int64_t{5} << 30);
  EXPECT_EQ(read.cache_max_age_s, 90 * 86400);
  EXPECT_TRUE(read.offline);
  EXPECT_EQ(read.files.trust, directory / "trust.json");
  Environment environment;
  environment.config = path;
  environment.cache_max_size = "1GiB";
  EXPECT_EQ(resolve_settings(options(), environment).cache_max_bytes, int64_t{1} << 30);
  EXPECT_EQ(resolve_settings(options(), environment).cache_max_age_s, 90 * 86400);
  given.cache_max_bytes = -1;
  EXPECT_EQ(resolve_settings(given, environment).cache_max_bytes, 0);
}

TEST(ResolveSettings, ASealForbidsAllThatItDoesNotCover) {
  const std::string key = PublicKey(SecretKey::from_seed({}).public_key()).text();
  quern_hub_options given = options();
  given.seal = key.c_str();
  given.jit = QUERN_JIT_ALLOW;
  Environment environment;
  environment.kernel_path = "/somewhere";
  const HubSettings sealed = resolve_settings(given, environment);
  EXPECT_EQ(sealed.seal_keys.size(), 1u);
  EXPECT_EQ(sealed.cache_mode, CacheMode::kReadOnly);
  EXPECT_FALSE(sealed.jit_allowed);
  EXPECT_TRUE(sealed.offline);
  EXPECT_EQ(sealed.kernel_path, "");
  given.cache_mode = QUERN_CACHE_OFF;
  EXPECT_EQ(resolve_settings(given, {}).cache_mode, CacheMode::kOff);
  expect_refused([](quern_hub_options &, Environment &e) { e.seal = "mine"; }, "the seal's key is \"mine\"");
}

TEST(ResolveSettings, LimitsAndLayersOfTheCache) {
  const HubSettings defaults = resolve_settings(options(), {});
  EXPECT_EQ(defaults.cache_max_bytes, int64_t{2} << 30);
  EXPECT_EQ(defaults.cache_max_age_s, 0);
  EXPECT_TRUE(defaults.cache_lower.empty());
  EXPECT_TRUE(defaults.durable);
  Environment environment;
  environment.cache_ro = "/a::/b";
  environment.cache_max_size = "500MB";
  environment.cache_max_age = "90d";
  environment.durable = "0";
  const HubSettings read = resolve_settings(options(), environment);
  EXPECT_EQ(read.cache_lower, (std::vector<std::filesystem::path>{"/a", "/b"}));
  EXPECT_EQ(read.cache_max_bytes, 500000000);
  EXPECT_EQ(read.cache_max_age_s, 90 * 86400);
  EXPECT_FALSE(read.durable);
  quern_hub_options given = options();
  given.cache_ro = "";
  given.cache_max_bytes = -1;
  given.cache_max_age_s = 5;
  const HubSettings beaten = resolve_settings(given, environment);
  EXPECT_TRUE(beaten.cache_lower.empty());
  EXPECT_EQ(beaten.cache_max_bytes, 0);
  EXPECT_EQ(beaten.cache_max_age_s, 5);
  using Options = quern_hub_options;
  for (const char *size : {"big", "-1", "1.5GiB", "GiB", "9999999TiB"}) {
    expect_refused([&](Options &, Environment &e) { e.cache_max_size = size; },
                   "QUERN_CACHE_MAX_SIZE is \"" + std::string(size) + "\"; write it like 2GiB");
  }
  expect_refused([](Options &, Environment &e) { e.cache_max_age = "yesterday"; }, "QUERN_CACHE_MAX_AGE is");
  expect_refused([](Options &, Environment &e) { e.durable = "maybe"; }, "QUERN_DURABLE is");
  expect_refused([](Options &o, Environment &) { o.cache_max_bytes = -2; }, "cache_max_bytes is -2; use -1");
}

TEST(ResolveSettings, Defaults) {
  const HubSettings settings = resolve_settings(options(), {});
  EXPECT_EQ(settings.cache_dir, "");
  EXPECT_EQ(settings.kernel_path, "");
  EXPECT_EQ(settings.nvrtc_path, "");
  EXPECT_EQ(settings.cache_mode, CacheMode::kReadWrite);
  EXPECT_TRUE(settings.jit_allowed);
  EXPECT_EQ(settings.log_level, 0);
  EXPECT_EQ(settings.threads, 0);
  EXPECT_EQ(settings.jobs, 0);
}

TEST(ResolveSettings, TheEnvironmentIsUsed) {
  Environment environment;
  environment.cache_dir = "/cache";
  environment.cache_mode = "ro";
  environment.kernel_path = "/kernels";
  environment.jit = "forbid";
  environment.log = "info";
  environment.threads = "3";
  environment.jobs = "2";
  const HubSettings settings = resolve_settings(options(), environment);
  EXPECT_EQ(settings.cache_dir, "/cache");
  EXPECT_EQ(settings.cache_mode, CacheMode::kReadOnly);
  EXPECT_EQ(settings.kernel_path, "/kernels");
  EXPECT_FALSE(settings.jit_allowed);
  EXPECT_EQ(settings.log_level, QUERN_LOG_INFO);
  EXPECT_EQ(settings.threads, 3);
  EXPECT_EQ(settings.jobs, 2);
}

TEST(ResolveSettings, OptionsBeatTheEnvironment) {
  Environment environment;
  environment.cache_dir = "/cache";
  environment.cache_mode = "off";
  environment.kernel_path = "/kernels";
  environment.jit = "forbid";
  environment.log = "debug";
  quern_hub_options given = options();
  given.cache_dir = "/mine";
  given.kernel_path = "";  // given, and empty: no packages but the built-in
  given.nvrtc_path = "/nvrtc";
  given.jit = QUERN_JIT_ALLOW;
  given.cache_mode = QUERN_CACHE_READ_WRITE;
  given.log_level = QUERN_LOG_WARN;
  given.log = [](void *, quern_log_level, const char *, const char *) {};
  const HubSettings settings = resolve_settings(given, environment);
  EXPECT_EQ(settings.cache_dir, "/mine");
  EXPECT_EQ(settings.kernel_path, "");
  EXPECT_EQ(settings.nvrtc_path, "/nvrtc");
  EXPECT_TRUE(settings.jit_allowed);
  EXPECT_EQ(settings.cache_mode, CacheMode::kReadWrite);
  EXPECT_EQ(settings.log_level, QUERN_LOG_WARN);
  given.jit = QUERN_JIT_FORBID;
  given.cache_mode = QUERN_CACHE_READ_ONLY;
  environment.jit = "allow";
  EXPECT_FALSE(resolve_settings(given, environment).jit_allowed);
  EXPECT_EQ(resolve_settings(given, environment).cache_mode, CacheMode::kReadOnly);
}

TEST(ResolveSettings, TheLibraryPrintsOnlyWhenTheEnvironmentAsks) {
  quern_hub_options given = options();
  given.log_level = QUERN_LOG_DEBUG;  // without a callback
  EXPECT_EQ(resolve_settings(given, {}).log_level, 0);
}

TEST(ResolveSettings, WhereTheCacheIs) {
  Environment environment;
  environment.home = "/home/you";
  EXPECT_EQ(resolve_settings(options(), environment).cache_dir, "/home/you/.cache/quern");
  environment.xdg_cache_home = "relative";  // to be ignored
  EXPECT_EQ(resolve_settings(options(), environment).cache_dir, "/home/you/.cache/quern");
  environment.xdg_cache_home = "/xdg";
  EXPECT_EQ(resolve_settings(options(), environment).cache_dir, "/xdg/quern");
  environment.cache_dir = "here";
  EXPECT_EQ(resolve_settings(options(), environment).cache_dir, "here");
  quern_hub_options given = options();
  given.cache_dir = "";
  EXPECT_EQ(resolve_settings(given, environment).cache_dir, "");
  EXPECT_EQ(resolve_settings(options(), {}).cache_dir, "");
}

}  // namespace
}  // namespace quern

// Compilers, Querns and clocks of other times at one cache: each finds its own or nothing, and nobody deletes what it
// does not understand. (T30, T36, T39)
#include <ctime>
#include <random>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "cache_entries.hpp"
#include "faults/fake_nvrtc.hpp"
#include "faults/resolving.hpp"
#include "runtime/base/error.hpp"
#include "runtime/hub/kernel_store.hpp"

namespace quern::faults {
namespace {

namespace fs = std::filesystem;

const Log kSilent(static_cast<quern_log_level>(0), nullptr, nullptr);
constexpr int64_t kDay = 86400;

class SkewFault : public testing::Test {
 protected:
  // A libnvrtc of another build.
  std::string nvrtc_of(const std::string &build) const {
    const fs::path file = root_ / ("libfake_nvrtc." + build + ".so");
    if (!fs::exists(file)) fs::copy_file(FAKE_NVRTC, file);
    return file.string();
  }
  // 0, or what went wrong with the keys, by this build.
  int get(const std::string &nvrtc, const std::string &build, int keys, bool jit_allowed = true) const {
    Cache cache(settings_);
    Nvrtc api(nvrtc, Environment());
    KernelStore store(cache, api, jit_allowed, kSilent);
    for (int key = 0; key < keys; ++key) {
      const KernelStore::Code code = store.get(unit_of(key));
      const std::string bytes(code.entry.code.begin(), code.entry.code.end());
      if (bytes != fake_ptx(text("key ", key), build)) return 1;
    }
    return 0;
  }

  const WithoutSync without_sync_;
  const TemporaryDirectory root_;
  const CacheSettings settings_ = settings_of(root_ / "cache");
};

TEST_F(SkewFault, TwoBuildsOfTheCompilerShareACache) {
  const std::string old_one = nvrtc_of("11111111"), new_one = nvrtc_of("99999999");
  const CompileLog log(0);
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(run("", [&] { return get(old_one, "11111111", 20); }), 0) << round;
    ASSERT_EQ(run("", [&] { return get(new_one, "99999999", 20); }), 0) << round;
  }
  EXPECT_EQ(log.lines().size(), 40u);  // each once by each
  const auto statuses = run_together(
      16, "", [&](int i) { return i % 2 == 0 ? get(old_one, "11111111", 30) : get(new_one, "99999999", 30); });
  for (const int status : statuses) EXPECT_EQ(status, 0);
  EXPECT_EQ(log.lines().size(), 60u);
  // Without any, all that is there is found: the newest build's.
  EXPECT_EQ(run("", [&] { return get("/nonexistent/libnvrtc.so.13", "99999999", 30); }), 0);
  EXPECT_EQ(run("", [&] { return get("/nonexistent/libnvrtc.so.13", "99999999", 30, false); }), 0);
  expect_sound(settings_, "two builds");
  std::printf("2 builds of the compiler at one cache: 60 compiles for 30 keys, both find their own, none finds both\n");
}

// What a Quern before or after this one keeps has names of its own, wherever it is: so the formats say.
class Stranger {
 public:
  explicit Stranger(const fs::path &cache) : cache_(cache) {
    for (int key = 0; key < 8; ++key) {
      const std::string request = unit_of(key).request(), shard = request.substr(0, 2);
      for (const char *suffix : {".qkc2", ".qk0", ".qkc.zst"}) {
        put("jit/" + shard + "/" + request + ".13.0.88-36424714" + suffix, text(suffix, key));
      }
    }
    const std::string digest(64, 'c');
    const std::vector<std::string> names{"blobs/cc/" + digest + ".zst",
                                         "blobs3/cc/" + digest,
                                         "refs/acme/gemm/v1.next",
                                         "refs/acme/gemm/locked/" + digest,
                                         "refs/acme/gemm/" + digest + ".sig2",
                                         "refs/acme/gemm/V1",
                                         "roots/next.json2",
                                         "tuned/" + digest + ".json2",
                                         "locks2/x",
                                         "index2.sqlite3",
                                         "trust/main/state2.json",
                                         "trust/main/index/acme/gemm/1." + digest + ".jsonl2",
                                         "seal2.json",
                                         "NEWS"};
    for (const std::string &name : names) {
      put(name, "of another Quern: " + name);
    }
  }
  void expect_untouched(const std::string &after) const {
    for (const auto &[name, bytes] : kept_) EXPECT_EQ(text_of(cache_ / name), bytes) << name << " after " << after;
  }
  size_t files() const { return kept_.size(); }

 private:
  void put(const std::string &name, const std::string &bytes) {
    write_text(cache_ / name, bytes);
    kept_[name] = bytes;
  }
  fs::path cache_;
  std::map<std::string, std::string> kept_;
};

TEST_F(SkewFault, WhatAnotherQuernKeepsIsLeftAlone) {
  PublishedRegistry registry(root_ / "registry");
  registry.publish_build("acme/gemm", 7, source_of("acme/gemm", 7));
  ASSERT_EQ(run("", [&] { return get_keys(settings_, {0, 1, 2, 3}); }), kRight);
  const Stranger stranger(settings_.directory);
  const auto any = [](const CacheRow &) { return true; };
  std::mt19937 random(1);
  int operations = 0;
  for (int round = 0; round < 200 * scale(); ++round) {
    const int what = static_cast<int>(random() % 7), key = static_cast<int>(random() % 8);
    CacheSettings settings = settings_;
    settings.durable = false;
    if (what == 5) {  // evicting all it may
      settings.max_bytes = 1;
      settings.max_age_s = 1;
      settings.between_checks = std::chrono::milliseconds(0);
    }
    if (what < 2 || what == 5) {
      ASSERT_EQ(get_keys(settings, {key}), kRight);
    } else if (what == 2) {
      ASSERT_EQ(resolve(settings, {registry.url(), "acme/gemm", 7, false, {}}), kRight);
      ASSERT_EQ(resolve(settings, {"file:///nonexistent", "acme/gemm", 7, true, {}}), kRight);
    } else {
      Cache cache(settings);
      PruneRules rules;
      rules.all = what == 3;
      rules.clear = what == 4;
      if (what == 6) {
        cache.check(true, true, [](const CacheProblem &) { return true; });
      } else {
        cache.prune(rules, {}, any);
      }
    }
    stranger.expect_untouched(text("operation ", what));
    if (HasFailure()) return;
    ++operations;
  }
  std::printf("%d operations beside %zu files of other formats: all as they were, own ones found\n", operations,
              stranger.files());
}

// The layout, the index, a root or a seal of a later Quern: nothing is written where that could lose something.
TEST_F(SkewFault, ALaterLayoutRootOrSealStopsWhatCouldHarmIt) {
  ASSERT_EQ(run("", [&] { return get_keys(settings_, {0, 1}); }), kRight);
  const auto prune_all = [&] {
    Cache cache(settings_);
    PruneRules rules;
    rules.all = rules.clear = true;
    cache.prune(rules, {}, [](const CacheRow &) { return true; });
  };
  write_text(settings_.directory / "roots/next.json", "{\"schema\": 2, \"keeps\": [\"all\"]}");
  EXPECT_EQ(status_of(prune_all), QUERN_CORRUPT);
  EXPECT_EQ(run("", [&] { return get_keys(settings_, {0, 1, 2}); }), kRight);
  fs::remove(settings_.directory / "roots/next.json");

  CacheSettings sealed = settings_;
  sealed.seal_keys = {test_key(4).public_key()};
  write_text(settings_.directory / "seal.json", "{\"schema\": 2}");
  write_text(settings_.directory / "seal.json.sig", sign_file(Role::kSeal, "{\"schema\": 2}", {test_key(4)}));
  EXPECT_EQ(Cache(sealed).mode(), CacheMode::kOff);
  EXPECT_NE(Cache(sealed).state().find("schema"), std::string::npos) << Cache(sealed).state();
  EXPECT_EQ(text_of(settings_.directory / "seal.json"), "{\"schema\": 2}");
  fs::remove(settings_.directory / "seal.json");

  write_text(settings_.directory / "VERSION", "2\n");
  const auto before = tree_of(settings_.directory);
  EXPECT_EQ(run("", [&] { return get_keys(settings_, {0, 1, 9}); }), kRight);  // compiled, and not kept
  EXPECT_EQ(status_of(prune_all), QUERN_NOT_FOUND);
  EXPECT_TRUE(tree_of(settings_.directory) == before);
  EXPECT_NE(Cache(settings_).state().find("its layout has version 2"), std::string::npos);
}

// Files and stamps from ten years ahead, ten years ago and 1970: as a clock that jumped leaves them.
TEST_F(SkewFault, AClockThatJumpedEmptiesNothing) {
  const int64_t now = std::time(nullptr);
  int skews = 0;
  for (const int64_t skew : {10 * 365 * kDay, -10 * 365 * kDay, kDay, -kDay, -now}) {
    fs::remove_all(settings_.directory);
    ASSERT_EQ(run("", [&] { return get_keys(settings_, {0, 1, 2}); }), kRight);
    const auto stamp = [&](const fs::path &path) {
      const struct timespec times[2] = {{now + skew, 0}, {now + skew, 0}};
      ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0) << path;
    };
    const fs::path live = settings_.directory / "tmp/1.2.live.tmp";
    write_text(live, "being written");
    const int writer = ::open(live.c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(::flock(writer, LOCK_EX | LOCK_NB), 0);
    stamp(live);
    {
      Cache cache(settings_);
      for (const CacheRow &row : cache.scan({})) {
        stamp(settings_.directory / entry_path(row.file));
        cache.index()->remove({row.file});
        cache.index()->put(row.file, row.size, now + skew);
      }
      cache.index()->put_time("aged", now + skew);
      cache.index()->put_time("walked", now + skew);
    }
    CacheSettings settings = settings_;
    settings.max_bytes = int64_t{1} << 30;
    settings.max_age_s = 30 * kDay;
    settings.between_checks = std::chrono::milliseconds(0);
    const CompileLog log(0);
    ASSERT_EQ(run("", [&] { return get_keys(settings, {3, 0, 1, 2, 3, 4}); }), kRight);
    EXPECT_EQ(log.lines(), (std::vector<std::string>{"key 3", "key 4"})) << skew;
    EXPECT_TRUE(fs::exists(live)) << skew;
    EXPECT_EQ(Cache(settings).counters()["evicted"], 0) << skew;
    ::close(writer);
    ++skews;
  }
  std::printf("%d jumps of the clock: 0 entries evicted, no live file removed\n", skews);
}

}  // namespace
}  // namespace quern::faults

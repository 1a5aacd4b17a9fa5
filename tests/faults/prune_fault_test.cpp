// Pruning, evicting and repairing beside readers and writers, and beside each other. (T21 to T23)
#include <atomic>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "faults/fault_process.hpp"
#include "runtime/base/error.hpp"

namespace quern::faults {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kKeys = 30;

int get_until(const CacheSettings &settings, Clock::time_point end, unsigned seed) {
  std::mt19937 random(seed);
  while (Clock::now() < end) {
    std::vector<int> keys;
    for (int i = 0; i < 5; ++i) keys.push_back(static_cast<int>(random() % kKeys));
    if (const ExitStatus status = get_keys(settings, keys); status != kRight) return status;
  }
  return 0;
}

TEST(PruneFault, PruningHurtsNeitherReadersNorWriters) {
  const TemporaryDirectory directory;
  CacheSettings settings = settings_of(directory / "cache");
  settings.durable = false;
  const auto end = Clock::now() + std::chrono::seconds(4 * scale());
  const auto statuses = run_together(18, "", [&](int i) {
    if (i >= 2) return get_until(settings, end, static_cast<unsigned>(i));
    while (Clock::now() < end) {
      Cache cache(settings);
      PruneRules rules;
      rules.max_bytes = 21000;  // one entry
      cache.prune(rules, {std::string(64, 'd')}, [](const CacheRow &) { return true; });
    }
    return 0;
  });
  for (const int status : statuses) EXPECT_EQ(status, 0);
  expect_recovered(settings, {0, 1}, "pruning beside use");
}

TEST(PruneFault, EvictionHoldsTheLimitBesideWritersAndKeepsRoots) {
  const TemporaryDirectory directory;
  CacheSettings settings = settings_of(directory / "cache");
  settings.durable = false;
  ASSERT_EQ(run("", [&] { return get_keys(settings, {0, 1}); }), kRight);
  CacheRoot root;
  root.name = "deployment";
  for (const int key : {0, 1}) root.entries.insert(unit_of(key).request() + ".13.0.88-36424714.qkc");
  write_root(Directory(settings.directory), root);
  settings.max_bytes = 10 * 21000;
  settings.between_checks = std::chrono::milliseconds(0);
  const auto statuses = run_together(8, "", [&](int i) {
    return get_until(settings, Clock::now() + std::chrono::seconds(2 * scale()), static_cast<unsigned>(i));
  });
  for (const int status : statuses) EXPECT_EQ(status, 0);
  // What was published while another evicted is seen at the next publish.
  ASSERT_EQ(run("", [&] { return get_keys(settings, {kKeys}); }), kRight);
  Cache cache(settings);
  int64_t bytes = 0, rooted = 0;
  for (const CacheRow &row : cache.scan({std::string(64, 'd')})) {
    bytes += row.size;
    rooted += row.rooted ? 1 : 0;
  }
  EXPECT_EQ(rooted, 2);
  EXPECT_LE(bytes, settings.max_bytes);
  EXPECT_GT(cache.counters()["evicted"], 0);
}

TEST(PruneFault, TwoPrunesTogetherFreeEachEntryOnce) {
  for (int round = 0; round < 5 * scale(); ++round) {
    const TemporaryDirectory directory;
    const CacheSettings settings = settings_of(directory / "cache");
    std::vector<int> keys;
    for (int key = 0; key < kKeys; ++key) keys.push_back(key);
    ASSERT_EQ(run("", [&] { return get_keys(settings, keys); }), kRight);
    Progress *progress[4];
    for (Progress *&one : progress) one = shared_memory<Progress>();
    const auto statuses = run_together(4, "", [&](int i) {
      Cache cache(settings);
      if (i == 3) {
        cache.check(true, true, [](const CacheProblem &) { return true; });
        return 0;
      }
      PruneRules rules;
      rules.all = i != 2;
      rules.clear = i == 2;
      const PruneResult result = cache.prune(rules, {}, [](const CacheRow &) { return true; });
      progress[i]->kept[0] = static_cast<int>(result.removed);
      return 0;
    });
    for (const int status : statuses) EXPECT_EQ(status, 0);
    int removed = 0;
    for (Progress *one : progress) {
      removed += one->kept[0];
      release(one);
    }
    EXPECT_EQ(removed, kKeys);
    expect_recovered(settings, {0}, "prunes together");
  }
}

TEST(PruneFault, APruneKilledAtEveryCallLeavesASoundCache) {
  int n = 1;
  for (;; n += scale() == 1 ? 3 : 1) {
    const TemporaryDirectory directory;
    const CacheSettings settings = settings_of(directory / "cache");
    ASSERT_EQ(run("", [&] { return get_keys(settings, {0, 1, 2}); }), kRight);
    const int status = run("*:" + std::to_string(n) + ":kill", [&] {
      Cache cache(settings);
      PruneRules rules;
      rules.all = true;
      cache.prune(rules, {}, [](const CacheRow &) { return true; });
      cache.check(true, true, [](const CacheProblem &) { return true; });
      return 0;
    });
    if (status == 0) break;
    ASSERT_EQ(status, -SIGKILL);
    const int sound = run("", [&] {
      Cache cache(settings);
      cache.check(true, true, [](const CacheProblem &) { return true; });
      return cache.check(true, false, [](const CacheProblem &) { return true; }).problems == 0 ? 0 : 1;
    });
    ASSERT_EQ(sound, 0) << "killed at " << n;
    ASSERT_LT(n, 2000);
  }
  EXPECT_GT(n, 20);
}

}  // namespace
}  // namespace quern::faults

// Killed at any moment, and refused at any call: the next process succeeds by itself. (T7 to T9)
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "faults/fault_process.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/failpoint.hpp"

namespace quern::faults {
namespace {

// What a process does with a cache in its life: compile, hit, keep blobs in order, prune, close.
ExitStatus live(const CacheSettings &settings, const std::vector<int> &keys, Progress *progress = nullptr) {
  const ExitStatus status = get_keys(settings, keys, progress);
  if (status != kRight) return status;
  try {
    Cache cache(settings);
    PruneRules rules;
    rules.older_than_s = 100000;
    cache.prune(rules, {std::string(64, 'd')}, [](const CacheRow &) { return true; });
  } catch (const Error &) {
    return kFailedCleanly;
  } catch (const std::bad_alloc &) {
    return kFailedCleanly;
  }
  return kRight;
}

TEST(KillFault, SurvivesKillsAtRandomMoments) {
  const int kills = 500 * scale();
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  const TemporaryDirectory directory;
  CacheSettings settings = settings_of(directory / "cache");
  settings.durable = false;  // a kill loses nothing that was written; only the power does
  Progress *progress = shared_memory<Progress>();
  int landed = 0;
  for (int i = 0; i < kills; ++i) {
    const int base = i % 100 * 8;
    const pid_t victim = start("", [&] {
      for (int round = 0;; ++round) {
        const ExitStatus status = live(settings, {base + round % 8, base + (round + 3) % 8}, progress);
        if (status != kRight) return static_cast<int>(status);
      }
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    ::kill(victim, SIGKILL);
    const int status = wait_for(victim);
    ASSERT_EQ(status, -SIGKILL) << "seed " << seed << " kill " << i;
    ++landed;
    // Committed stays: whatever was confirmed is on disk and whole.
    if (i % 10 == 9 || i + 1 == kills) {
      std::vector<int> kept;
      for (int key = 0; key < 1024; ++key) {
        if (progress->kept[key] != 0) kept.push_back(key);
      }
      const int found = run("", [&] {
        CacheSettings reading = settings;
        reading.mode = CacheMode::kReadOnly;
        Cache cache(reading);
        for (const int key : kept) {
          if (!cache.load(unit_of(key).request(), "13.0.88-36424714")) return 1;
        }
        return 0;
      });
      ASSERT_EQ(found, 0) << "seed " << seed << " after kill " << i;
      expect_recovered(settings, {base, base + 1}, "seed " + std::to_string(seed));
    }
  }
  release(progress);
  std::printf("%d kills at random moments: 0 violations\n", landed);
}

TEST(KillFault, SurvivesAKillAtEveryCall) {
  int n = 1;
  for (;; ++n) {
    const TemporaryDirectory directory;
    const CacheSettings settings = settings_of(directory / "cache");
    const int status = run("*:" + std::to_string(n) + ":kill", [&] { return live(settings, {0, 1}); });
    if (status == kRight) break;
    ASSERT_EQ(status, -SIGKILL) << "point " << n;
    expect_recovered(settings, {0, 1}, "killed at point " + std::to_string(n));
    if (HasFatalFailure()) return;
    ASSERT_LT(n, 2000) << "no end of points";
  }
  std::printf("killed at each of %d calls in turn: 0 violations\n", n - 1);
  EXPECT_GT(n, 40);
}

// Nothing that a file system or SQLite refuses fails the call; only a compiler that fails does, cleanly.
TEST(KillFault, EachCallMayFailOnce) {
  int calls = 0, refused = 0;
  std::vector<const char *> faults = {"28", "short"};         // ENOSPC
  if (scale() > 1) faults.insert(faults.end(), {"5", "13"});  // EIO, EACCES
  for (const char *what : faults) {
    for (int n = 1;; ++n) {
      const TemporaryDirectory directory;
      const CacheSettings settings = settings_of(directory / "cache");
      Progress *progress = shared_memory<Progress>();
      const int status = run("*:" + std::to_string(n) + ":" + what, [&] {
        const ExitStatus ended = live(settings, {0, 1});
        progress->struck = failpoint_was_hit();
        return static_cast<int>(ended);
      });
      const bool hit = progress->struck;
      release(progress);
      ASSERT_TRUE(status == kRight || status == kFailedCleanly) << what << " at " << n << ": " << status;
      if (!hit) break;
      ++calls;
      if (status == kFailedCleanly) ++refused;
      expect_recovered(settings, {0, 1}, std::string(what) + " at point " + std::to_string(n));
      if (HasFatalFailure()) return;
      ASSERT_LT(n, 2000) << "no end of points";
      // A push looks at every fifth of the later ones; a night at all.
      if (scale() == 1 && n > 20) n += 4;
    }
  }
  std::printf("%d single failures: %d calls refused cleanly, all others succeeded; nothing poisoned\n", calls, refused);
}

TEST(KillFault, MemoryMayRunOutAnywhere) {
  const int calls = each_allocation_fails(
      [](const CacheSettings &settings) {
        return live(settings, {0, 1});
      },
      [](const CacheSettings &settings, const std::string &after) {
        expect_recovered(settings, {0, 1}, after);
      });
  std::printf("memory ran out at %d allocations, once and for good: clean, nothing poisoned\n", calls);
  EXPECT_GT(calls, 20);
}

}  // namespace
}  // namespace quern::faults

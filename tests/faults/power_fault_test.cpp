// The power goes at any moment: what a call has confirmed is there afterwards and whole, nothing else is taken for what
// it is not, and all goes on. (T10)
#include <gtest/gtest.h>

#include "cache_entries.hpp"
#include "faults/recorded_disk.hpp"
#include "faults/resolving.hpp"
#include "registry/cache/cache.hpp"
#include "runtime/base/error.hpp"

namespace quern::faults {
namespace {

namespace fs = std::filesystem;

class PowerFault : public testing::Test {
 protected:
  PowerFault() {
    publish_build(7);
    before_ = registry_.copied_to(root_ / "before").url();
    publish_build(8);
  }
  void publish_build(int build) { registry_.publish_build("acme/gemm", build, source_of("acme/gemm", build)); }

  // Entries, a package, its next build and a root, in a cache that is made on the way; what is confirmed is noted.
  void live(const CacheSettings &settings) {
    for (const char digit : std::string("12")) publish(settings, digit);
    resolve_and_note(settings, before_, 7);
    publish(settings, '3');
    resolve_and_note(settings, registry_.url(), 8);
    Cache cache(settings);
    CacheRoot root;
    root.name = "deployment";
    root.entries = {file_of(make_entry('1'))};
    write_root(*cache.writable(), root);
    note_confirmed("root");
    publish(settings, '4');
  }
  void publish(const CacheSettings &settings, char digit) {
    Cache cache(settings);
    std::string problem;
    ASSERT_TRUE(cache.publish(make_entry(digit), problem)) << problem;
    note_confirmed(text("entry ", digit));
  }
  void resolve_and_note(const CacheSettings &settings, const std::string &url, int build) {
    ASSERT_EQ(resolve(settings, {url, "acme/gemm", build, false, {}}), kRight);
    note_confirmed(text("build ", build));
  }

  void expect_kept(const CacheSettings &settings, const std::string &confirmed) {
    const auto is_confirmed = [&](const std::string &what) { return confirmed.find(what + ";") != std::string::npos; };
    {
      Cache cache(settings);
      for (const char digit : std::string("1234")) {
        const CacheEntry sound = make_entry(digit);
        const auto found = cache.load(sound.request, sound.nvrtc);
        if (is_confirmed(text("entry ", digit))) {
          ASSERT_TRUE(found) << "entry " << digit;
        }
        if (found) {
          ASSERT_TRUE(found->code == sound.code) << digit;
        }
      }
      if (is_confirmed("root")) {
        ASSERT_TRUE(read_roots(*cache.writable()).keeps_entry(file_of(make_entry('1'))));
      }
    }
    int build = 0;
    quern_status why = QUERN_OK;
    const bool has_8 = is_confirmed("build 8"), has_7 = is_confirmed("build 7");
    const ExitStatus alone = resolve(settings, {before_, "acme/gemm", 0, true, {}}, &why, &build);
    ASSERT_TRUE(alone == kRight || (alone == kFailedCleanly && !has_7)) << alone << ", " << why;
    if (alone == kRight) {
      ASSERT_GE(build, has_8 ? 8 : 7);
    }
    if (has_8) {  // the registry as it was before is known to be old
      ASSERT_EQ(resolve(settings, {before_, "acme/gemm", 0, false, {}}, &why), kFailedCleanly);
      ASSERT_EQ(why, QUERN_OUTDATED);
    }
    // And all goes on.
    ASSERT_EQ(resolve(settings, {registry_.url(), "acme/gemm", 8, false, {}}, &why), kRight) << why;
    publish(settings, '5');
    expect_sound(settings, "power lost");
  }

  const TemporaryDirectory root_;
  PublishedRegistry registry_{root_ / "registry"};
  std::string before_;
};

TEST_F(PowerFault, WhatWasConfirmedOutlivesALossOfPowerAtAnyMoment) {
  const TemporaryDirectory disk;
  record_disk(disk.path());
  live(settings_of(disk / "cache"));
  stop_recording();
  if (HasFatalFailure()) return;
  ASSERT_GT(recorded_calls(), 100u);
  ASSERT_EQ(confirmed_before(recorded_calls()), "entry 1;entry 2;build 7;entry 3;build 8;root;entry 4;");
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  int losses = 0;
  // A push looks at every other moment, each time at others.
  const size_t step = scale() == 1 ? 2 : 1;
  for (size_t call = scale() == 1 ? random() % 2 : 0; call <= recorded_calls(); call += step) {
    for (int i = 0; i < scale(); ++i) {
      const TemporaryDirectory remains;
      make_remains(call, random, remains.path());
      SCOPED_TRACE(text("seed ", seed, ", power lost before call ", call, " of ", recorded_calls()));
      expect_kept(settings_of(remains / "cache"), confirmed_before(call));
      if (HasFatalFailure()) return;
      ++losses;
    }
  }
  std::printf("%d losses of power, among %zu calls: 0 confirmed things lost, 0 wrong bytes\n", losses,
              recorded_calls());
}

// The test above can fail: without fsync, confirmed things are lost.
TEST_F(PowerFault, WithoutFsyncThingsAreLost) {
  const TemporaryDirectory disk;
  record_disk(disk.path());
  CacheSettings settings = settings_of(disk / "cache");
  settings.durable = false;
  for (const char digit : std::string("1234")) publish(settings, digit);
  stop_recording();
  std::mt19937 random(1);
  int lost = 0;
  for (int i = 0; i < 20; ++i) {
    const TemporaryDirectory remains;
    make_remains(recorded_calls(), random, remains.path());
    Cache cache(settings_of(remains / "cache"));
    for (const char digit : std::string("1234")) {
      const auto found = cache.load(make_entry(digit).request, make_entry(digit).nvrtc);
      if (!found) ++lost;
      if (found) EXPECT_TRUE(found->code == make_entry(digit).code);
    }
  }
  EXPECT_GT(lost, 10);
}

}  // namespace
}  // namespace quern::faults

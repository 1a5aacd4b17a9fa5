// The limits of the cache, the check and repair of it, its counters, and where its index lies.
#include <ctime>

#include <utime.h>

#include <gtest/gtest.h>

#include "cache_entries.hpp"
#include "registry/cache/cache.hpp"
#include "registry/cache/index_place.hpp"
#include "runtime/base/error.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

class EvictionTest : public testing::Test {
 protected:
  EvictionTest() {
    settings_.directory = root_ / "cache";
    settings_.between_checks = std::chrono::milliseconds(0);
  }
  fs::path path_of(char digit) const { return settings_.directory / entry_path(file_of(make_entry(digit))); }
  void publish(const std::string &digits) {
    Cache cache(settings_);
    std::string problem;
    for (const char digit : digits) ASSERT_TRUE(cache.publish(make_entry(digit), problem)) << problem;
  }
  void use(char digit, int64_t time) { Cache(settings_).index()->add({{file_of(make_entry(digit)), {time, 1}}}, {}); }
  std::string on_disk() const {
    std::string digits;
    for (const char digit : std::string("123456789")) {
      if (fs::exists(path_of(digit))) digits += digit;
    }
    return digits;
  }
  int64_t entry_bytes() const { return static_cast<int64_t>(fs::file_size(path_of('1'))); }

  const TemporaryDirectory root_;
  CacheSettings settings_;
  const int64_t now_ = std::time(nullptr);
};

TEST_F(EvictionTest, TheLeastRecentlyUsedGoDownToFourFifths) {
  publish("12345");
  for (const char digit : std::string("24135"))
    use(digit, now_ - 1000 + 100 * static_cast<int64_t>(std::string("24135").find(digit)));
  settings_.max_bytes = 5 * entry_bytes();
  publish("6");  // 6 are too many; 4 are four fifths
  EXPECT_EQ(on_disk(), "1356");
  EXPECT_EQ(Cache(settings_).counters()["evicted"], 2);
  EXPECT_EQ(Cache(settings_).counters()["evicted_bytes"], 2 * entry_bytes());
}

TEST_F(EvictionTest, RootedLockedAndNewEntriesStay) {
  publish("12345");
  for (const char digit : std::string("12345")) use(digit, now_ - 1000 + digit);
  CacheRoot root;
  root.name = "r";
  root.entries = {file_of(make_entry('1'))};
  write_root(Directory(settings_.directory), root);
  Cache other(settings_);
  const auto held = other.lock(std::string(64, '2'), std::chrono::milliseconds(0));
  settings_.max_bytes = entry_bytes();
  publish("6");
  EXPECT_EQ(on_disk(), "126");
  write_text(settings_.directory / "roots" / "r.json", "damaged");
  publish("78");  // what is to be kept cannot be told, so nothing goes
  EXPECT_EQ(on_disk(), "12678");
}

TEST_F(EvictionTest, WithoutAnIndexTheFilesTimesServe) {
  publish("123");
  fs::remove(settings_.directory / "index.sqlite3");
  fs::create_directory(settings_.directory / "index.sqlite3");
  const struct utimbuf before { now_ - 5000, now_ - 5000 };
  ::utime(path_of('2').c_str(), &before);
  settings_.max_bytes = 3 * entry_bytes() + 10;
  publish("4");
  EXPECT_FALSE(fs::exists(path_of('2')));
  EXPECT_TRUE(fs::exists(path_of('4')));
}

TEST_F(EvictionTest, AgeCountsOnlyWhereTheClockIsKnownToRun) {
  publish("12");
  use('1', now_);
  settings_.max_age_s = 86400;
  const auto stamp = [&](const char *file, int64_t used) {
    Cache cache(settings_);
    cache.index()->remove({file_of(make_entry(*file))});
    cache.index()->put(file_of(make_entry(*file)), 1, used);
  };
  stamp("1", now_ - 10 * 86400);
  stamp("2", now_ - 100);
  publish("3");  // the first look ever
  EXPECT_EQ(on_disk(), "123");
  Cache(settings_).index()->put_time("aged", now_ - 400 * 86400);
  publish("4");  // the clock jumped, or nobody was here for a year
  EXPECT_EQ(on_disk(), "1234");
  Cache(settings_).index()->put_time("aged", now_ + 400 * 86400);
  publish("5");  // it ran ahead and was set back
  EXPECT_EQ(on_disk(), "12345");
  Cache(settings_).index()->put_time("aged", now_ - 7200);
  // What publish() notes as used is the entry's own time of making, which in these is years ago: renew them.
  for (const char *digit : {"3", "4", "5"}) stamp(digit, now_);
  publish("6");
  EXPECT_EQ(on_disk(), "23456");
}

TEST_F(EvictionTest, CountersAddUpOverProcessesAndCanBeZeroed) {
  publish("1");
  for (int i = 0; i < 3; ++i) {
    Cache cache(settings_);
    EXPECT_TRUE(cache.load(std::string(64, '1'), ""));
    cache.count("misses");
  }
  Cache cache(settings_);
  EXPECT_EQ(cache.counters()["hits"], 3);
  EXPECT_EQ(cache.counters()["misses"], 3);
  cache.zero_counters();
  EXPECT_TRUE(cache.counters().empty());
  EXPECT_GE(cache.index()->time_of("zeroed").value_or(0), now_);
}

TEST_F(EvictionTest, CheckTellsAndRepairs) {
  publish("123");
  write_text(path_of('2'), "damaged");
  fs::remove(path_of('3'));
  write_text(settings_.directory / "refs" / "acme" / "gemm" / "v1", "nonsense");
  Cache cache(settings_);
  const auto check = [&](bool thorough, bool repair) {
    std::string told;
    const CacheCheck result = cache.check(thorough, repair, [&](const CacheProblem &problem) {
      told += problem.what + (problem.repaired ? "!;" : ";");
      return true;
    });
    return std::to_string(result.entries) + " " + told;
  };
  EXPECT_EQ(check(false, false), "2 its contents do not match their hash;");
  EXPECT_EQ(check(true, true),
            "2 its contents do not match their hash!;it names no manifest!;the index has it and the disk has not!;"
            "the index has it and the disk has not!;");
  EXPECT_EQ(check(true, true), "1 ");
  EXPECT_TRUE(fs::exists(settings_.directory / "quarantine" / file_of(make_entry('2'))));
  settings_.mode = CacheMode::kReadOnly;
  EXPECT_THROW(Cache(settings_).check(true, true, [](const CacheProblem &) { return true; }), Error);
}

TEST(IndexPlace, OnANetworkItLiesOnThisHost) {
  for (const long type : {0x6969L, 0x0BD00BD0L, 0x47504653L, static_cast<long>(0xFF534D42u), 0x65735546L}) {
    EXPECT_TRUE(is_network_file_system(type)) << type;
  }
  EXPECT_FALSE(is_network_file_system(0xEF53));      // ext4
  EXPECT_FALSE(is_network_file_system(0x01021994));  // tmpfs
  const TemporaryDirectory runtime;
  EXPECT_EQ(index_place("/c", false, runtime.path()), fs::path("/c/index.sqlite3"));
  const fs::path place = index_place("/c", true, runtime.path());
  EXPECT_EQ(place.parent_path(), runtime / "quern");
  EXPECT_NE(index_place("/d", true, runtime.path()), place);
  EXPECT_EQ(index_place("/c", true, ""), fs::path());
  EXPECT_EQ(index_place("/c", true, "relative"), fs::path());
}

}  // namespace
}  // namespace quern

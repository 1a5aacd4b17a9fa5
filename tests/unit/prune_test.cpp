#include <algorithm>
#include <ctime>

#include <fcntl.h>
#include <sys/file.h>
#include <utime.h>

#include <gtest/gtest.h>

#include "cache_entries.hpp"
#include "registry/cache/cache.hpp"
#include "runtime/base/error.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// Five entries, from the least to the most recently used: 1 stale, 2 for sm_80, 3, 4 of another package; and 5 damaged.
class PruneTest : public testing::Test {
 protected:
  PruneTest() {
    for (char digit = '1'; digit <= '5'; ++digit) {
      CacheEntry entry = make_entry(digit);
      if (digit == '1') entry.digest = std::string(64, 'c');
      if (digit == '2') entry.target = "sm_80";
      if (digit == '4') entry.kernel = "you/test-2:one";
      std::string problem;
      EXPECT_TRUE(cache_.publish(entry, problem)) << problem;
      cache_.index()->add({{file_of(entry), {now_ - 1000 * ('6' - digit), digit - '0'}}}, {});
    }
    write_text(path_of('5'), "damaged");
  }
  fs::path path_of(char digit) const {
    const CacheEntry entry = make_entry(digit);
    return directory_ / "jit" / entry.request.substr(0, 2) / file_of(entry);
  }
  std::string removed(const PruneRules &rules) {
    removed_.clear();
    result_ = cache_.prune(rules, digests_, [&](const CacheRow &row) {
      removed_ += row.entry.request[0];
      return true;
    });
    EXPECT_EQ(result_.removed, static_cast<int64_t>(removed_.size()));
    EXPECT_EQ(result_.removed + result_.kept, 5);
    std::sort(removed_.begin(), removed_.end());
    return removed_;
  }
  std::string on_disk() const {
    std::string digits;
    for (char digit = '1'; digit <= '5'; ++digit) {
      if (fs::exists(path_of(digit))) digits += digit;
    }
    return digits;
  }

  const int64_t now_ = std::time(nullptr);
  const std::set<std::string> digests_{make_entry('0').digest};
  TemporaryDirectory directory_;
  Cache cache_{directory_.path(), CacheMode::kReadWrite};
  PruneResult result_;
  std::string removed_;
};

TEST_F(PruneTest, ScanTellsStatesMostRecentlyUsedFirst) {
  const auto rows = cache_.scan(digests_);
  ASSERT_EQ(rows.size(), 5u);
  const EntryState states[] = {EntryState::kCorrupt, EntryState::kGood, EntryState::kGood, EntryState::kGood,
                               EntryState::kStale};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(rows[i].entry.request[0], static_cast<char>('5' - i));
    EXPECT_EQ(rows[i].state, states[i]) << i;
    EXPECT_EQ(rows[i].use.hits, static_cast<int64_t>(5 - i));
    EXPECT_EQ(rows[i].entry.nvrtc, "13.0.88-1");
    EXPECT_EQ(rows[i].size, static_cast<int64_t>(fs::file_size(path_of(static_cast<char>('5' - i)))));
    EXPECT_TRUE(rows[i].entry.code.empty());
  }
  EXPECT_EQ(rows[0].entry.kernel, "");
}

TEST_F(PruneTest, AlwaysRemovesTheStaleAndTheCorrupt) {
  EXPECT_EQ(removed({}), "15");
  EXPECT_EQ(on_disk(), "234");
  EXPECT_EQ(cache_.index()->uses().size(), 3u);
}

TEST_F(PruneTest, DryRunRemovesNothingAndReportsTheSame) {
  PruneRules rules;
  rules.all = rules.dry_run = true;
  EXPECT_EQ(removed(rules), "12345");
  EXPECT_EQ(on_disk(), "12345");
  EXPECT_EQ(cache_.index()->uses().size(), 5u);
}

TEST_F(PruneTest, RemovesTheLeastRecentlyUsedAboveMaxBytes) {
  PruneRules rules;
  rules.max_bytes = static_cast<int64_t>(fs::file_size(path_of('4')) + fs::file_size(path_of('3')));
  EXPECT_EQ(removed(rules), "125");
  EXPECT_EQ(result_.kept_bytes, rules.max_bytes);
}

TEST_F(PruneTest, RemovesWhatWasNotUsedForSoLong) {
  PruneRules rules;
  rules.older_than_s = 3500;  // 3 was used 3000 s ago, 2 4000 s ago
  EXPECT_EQ(removed(rules), "125");
}

TEST_F(PruneTest, TargetAndPackageSelect) {
  PruneRules rules;
  rules.all = rules.dry_run = true;
  rules.target = "sm_80";
  EXPECT_EQ(removed(rules), "2");
  rules.target = "sm_90a";
  EXPECT_EQ(removed(rules), "134");
  rules.target = "";
  rules.package = "you/test";
  EXPECT_EQ(removed(rules), "123");  // not you/test-2
  rules.package = "you/test-2";
  EXPECT_EQ(removed(rules), "4");
  rules.target = "sm_80";
  EXPECT_EQ(removed(rules), "");
  rules.all = false;
  rules.package = "you/test";
  rules.target = "";
  EXPECT_EQ(removed(rules), "1");  // the stale one
}

TEST_F(PruneTest, AllRemovesAllAndItsLocks) {
  { EXPECT_TRUE(cache_.lock(std::string(64, '3'), milliseconds(0))); }
  PruneRules rules;
  rules.all = true;
  EXPECT_EQ(removed(rules), "12345");
  EXPECT_EQ(on_disk(), "");
  EXPECT_EQ(count_files(directory_ / "locks"), 0u);
  EXPECT_EQ(result_.kept_bytes, 0);
}

TEST_F(PruneTest, AnEntryBeingCompiledIsKept) {
  const auto held = cache_.lock(std::string(64, '3'), milliseconds(0));
  PruneRules rules;
  rules.all = true;
  EXPECT_EQ(removed(rules), "1245");
  EXPECT_EQ(on_disk(), "3");
}

TEST_F(PruneTest, ForeignFilesAreUntouched) {
  const fs::path foreign[] = {directory_ / "README", directory_ / "jit" / "notes.txt",
                              directory_ / "jit" / "11" / "notes.txt",
                              directory_ / "jit" / "11" / (std::string(63, '1') + ".13.qkc"),
                              directory_ / "jit" / "11" / (std::string(64, 'G') + ".13.0.qkc")};
  for (const fs::path &path : foreign) write_text(path, "mine");
  PruneRules rules;
  rules.all = true;
  removed(rules);
  for (const fs::path &path : foreign) EXPECT_EQ(text_of(path), "mine") << path;
}

TEST_F(PruneTest, RemovesTemporaryFilesThatAreOldAndUnlocked) {
  for (const char *name : {"old", "old locked", "new"}) write_text(directory_ / "tmp" / name, "x");
  const struct utimbuf long_ago { now_ - 7200, now_ - 7200 };
  ::utime((directory_ / "tmp" / "old").c_str(), &long_ago);
  ::utime((directory_ / "tmp" / "old locked").c_str(), &long_ago);
  const FileDescriptor writer(::open((directory_ / "tmp" / "old locked").c_str(), O_WRONLY));
  ASSERT_EQ(::flock(writer.get(), LOCK_EX | LOCK_NB), 0);
  PruneRules rules;
  rules.dry_run = true;
  removed(rules);
  EXPECT_EQ(result_.temporary_files, 1);
  EXPECT_EQ(count_files(directory_ / "tmp"), 3u);
  rules.dry_run = false;
  removed(rules);
  EXPECT_EQ(result_.temporary_files, 1);
  EXPECT_FALSE(fs::exists(directory_ / "tmp" / "old"));
  EXPECT_EQ(count_files(directory_ / "tmp"), 2u);
}

TEST_F(PruneTest, TheCallbackStopsIt) {
  PruneRules rules;
  rules.all = true;
  try {
    cache_.prune(rules, digests_, [](const CacheRow &) { return false; });
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_CANCELLED);
  }
  EXPECT_EQ(on_disk().size(), 4u);
}

TEST_F(PruneTest, NeedsACacheThatCanBeWritten) {
  const auto status_of = [&](CacheMode mode, bool dry_run) {
    PruneRules rules;
    rules.dry_run = dry_run;
    try {
      Cache(directory_.path(), mode).prune(rules, digests_, [](const CacheRow &) { return true; });
      return QUERN_OK;
    } catch (const Error &error) {
      return error.status();
    }
  };
  EXPECT_EQ(status_of(CacheMode::kOff, true), QUERN_NOT_FOUND);
  EXPECT_EQ(status_of(CacheMode::kReadOnly, false), QUERN_IO_ERROR);
  EXPECT_EQ(status_of(CacheMode::kReadOnly, true), QUERN_OK);
  EXPECT_EQ(on_disk(), "12345");
}

TEST_F(PruneTest, ARebuiltIndexTakesTheFilesAge) {
  Cache(directory_.path(), CacheMode::kReadWrite);
  fs::remove(directory_ / "index.sqlite3");
  Cache cache(directory_.path(), CacheMode::kReadWrite);
  for (const CacheRow &row : cache.scan(digests_)) {
    EXPECT_EQ(row.use.hits, 0);
    EXPECT_GE(row.use.last_used, now_ - 60);
  }
  EXPECT_EQ(cache.index()->uses().size(), 5u);
}

}  // namespace
}  // namespace quern

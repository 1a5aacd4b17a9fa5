#include "registry/cache/cache.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "cache_entries.hpp"
#include "runtime/base/error.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class CacheTest : public testing::Test {
 protected:
  fs::path directory() const { return root_ / "cache"; }
  fs::path path_of(const CacheEntry &entry) const {
    return directory() / "jit" / entry.request.substr(0, 2) / file_of(entry);
  }
  Cache open(CacheMode mode = CacheMode::kReadWrite) const { return Cache(directory(), mode); }
  void publish(const CacheEntry &entry) const {
    Cache cache = open();
    std::string problem;
    ASSERT_TRUE(cache.publish(entry, problem)) << problem;
  }
  void expect_unusable(const std::string &state) const {
    Cache cache = open();
    EXPECT_NE(cache.state().find(state), std::string::npos) << cache.state();
    std::string problem;
    EXPECT_FALSE(cache.publish(make_entry('c'), problem));
    EXPECT_EQ(problem, cache.state());
    EXPECT_FALSE(cache.lock(std::string(64, 'c'), milliseconds(0)));
  }

  TemporaryDirectory root_;
};

TEST_F(CacheTest, OffWithoutADirectoryOrWhenAsked) {
  EXPECT_EQ(Cache("", CacheMode::kReadWrite).state(), "off: no directory; set QUERN_CACHE_DIR or HOME");
  EXPECT_EQ(open(CacheMode::kOff).state(), "off: as asked");
  EXPECT_FALSE(fs::exists(directory()));
}

TEST_F(CacheTest, OffWhereTheDirectoryIsAFile) {
  write_text(directory(), "mine");
  expect_unusable("off: ");
  expect_unusable("is not a directory");
  EXPECT_EQ(text_of(directory()), "mine");
}

TEST_F(CacheTest, OffWhereEverybodyMayWrite) {
  publish(make_entry('a'));
  ::chmod(directory().c_str(), 0777);
  expect_unusable("off: it is writable by everybody; chmod o-w it");
  EXPECT_FALSE(open().load(std::string(64, 'a'), ""));
  EXPECT_EQ(open(CacheMode::kReadOnly).mode(), CacheMode::kOff);
}

TEST_F(CacheTest, OffWhereItBelongsToAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a directory to another user takes root";
  publish(make_entry('a'));
  ASSERT_EQ(::chown(directory().c_str(), 12345, 12345), 0);
  expect_unusable("off: it belongs to another user");
}

TEST_F(CacheTest, OffWhereTheLayoutIsAnother) {
  publish(make_entry('a'));
  write_text(directory() / "VERSION", "2\n");
  expect_unusable("off: its layout has version 2");
}

TEST_F(CacheTest, ReadOnlyWithItsReasonWhereItCannotBeWritten) {
  publish(make_entry('a'));
  // Permissions do not bind root, a file in a folder's place does.
  fs::remove_all(directory() / "locks");
  write_text(directory() / "locks", "");
  expect_unusable("read-only: cannot use as a directory " + (directory() / "locks").string());
  EXPECT_TRUE(open().load(std::string(64, 'a'), ""));
}

// What an operator reads: the place, the fact, the fix.
TEST_F(CacheTest, TroubleNamesThePlaceAndTheFix) {
  const auto said = [](const auto &call) -> std::string {
    try {
      call();
    } catch (const Error &error) {
      return text(static_cast<int>(error.status()), " ", error.what());
    }
    return "";
  };
  const std::string place = directory().string();
  write_text(directory(), "a file");
  EXPECT_EQ(said([&] { open().need(); }), "32 the cache " + place + " is off: " + place +
                                              " is not a directory; set QUERN_CACHE_DIR to a directory of yours");
  EXPECT_EQ(said([&] { Cache(directory() / "below", CacheMode::kReadWrite).need(); }),
            "32 the cache " + place + "/below is off: cannot create directory " + place +
                "/below: Not a directory; check the permissions and the free space");
  EXPECT_EQ(said([&] { Cache("", CacheMode::kReadWrite).need(); }),
            "32 the cache is off: no directory; set QUERN_CACHE_DIR or HOME");
  EXPECT_EQ(said([&] { Cache(directory(), CacheMode::kOff).need(); }),
            "32 the cache " + place + " is off: as asked; open it in mode rw");
  fs::remove(directory());
  publish(make_entry('a'));
  EXPECT_EQ(said([&] { open().need(), open().need_writable("prune"), open(CacheMode::kReadOnly).need(); }), "");
  EXPECT_EQ(said([&] { open(CacheMode::kReadOnly).need_writable("prune"); }),
            "40 cannot prune: the cache " + place + " is read-only: as asked; open it in mode rw");
  ::chmod(directory().c_str(), 0777);
  EXPECT_EQ(said([&] { open().need(); }),
            "32 the cache " + place + " is off: it is writable by everybody; chmod o-w it");
}

TEST_F(CacheTest, ReadOnlyWhenAskedAndThenWritesNothing) {
  EXPECT_NE(open(CacheMode::kReadOnly).state().find("off: cannot open it"), std::string::npos);
  EXPECT_FALSE(fs::exists(directory()));
  publish(make_entry('a'));
  fs::remove(directory() / "index.sqlite3");
  {
    Cache cache = open(CacheMode::kReadOnly);
    EXPECT_EQ(cache.state(), "read-only: as asked");
    EXPECT_TRUE(cache.load(std::string(64, 'a'), ""));
    std::string problem;
    EXPECT_FALSE(cache.publish(make_entry('b'), problem));
  }
  EXPECT_FALSE(fs::exists(directory() / "index.sqlite3"));
  EXPECT_FALSE(fs::exists(path_of(make_entry('b'))));
}

TEST_F(CacheTest, DamagedEntriesAreMissesAndCounted) {
  const CacheEntry entry = make_entry('a');
  publish(entry);
  std::string bytes = text_of(path_of(entry));
  bytes[bytes.size() / 2] ^= 1;
  write_text(path_of(entry), bytes);
  Cache cache = open();
  EXPECT_FALSE(cache.load(entry.request, entry.nvrtc));
  EXPECT_FALSE(cache.load(entry.request, ""));
  EXPECT_EQ(cache.corrupt_seen(), 1);  // one file, however often it is looked at
  std::string problem;
  ASSERT_TRUE(cache.publish(entry, problem)) << problem;
  EXPECT_TRUE(cache.load(entry.request, entry.nvrtc));
  EXPECT_EQ(cache.corrupt_seen(), 1);
  write_text(path_of(entry), "");
  EXPECT_FALSE(cache.load(entry.request, entry.nvrtc));
  EXPECT_EQ(cache.corrupt_seen(), 2);
}

TEST_F(CacheTest, RenamedAndSwappedFilesAreNoHits) {
  const CacheEntry a = make_entry('a'), b = make_entry('b'), other_build = make_entry('a', "12.8.61-9");
  publish(a);
  publish(b);
  fs::rename(path_of(a), path_of(other_build));
  EXPECT_FALSE(open().load(a.request, other_build.nvrtc));
  EXPECT_FALSE(open().load(a.request, ""));
  EXPECT_FALSE(fs::exists(path_of(other_build)));  // set aside, so that nobody reads it again
  EXPECT_TRUE(fs::exists(directory() / "quarantine" / file_of(other_build)));
  publish(a);
  fs::rename(path_of(a), root_ / "aside");
  fs::rename(path_of(b), path_of(a));
  fs::rename(root_ / "aside", path_of(b));
  Cache cache = open();
  EXPECT_FALSE(cache.load(a.request, a.nvrtc));
  EXPECT_FALSE(cache.load(b.request, b.nvrtc));
  EXPECT_EQ(cache.corrupt_seen(), 2);
}

TEST_F(CacheTest, LinksAreNotFollowed) {
  const CacheEntry entry = make_entry('a');
  publish(entry);
  fs::rename(path_of(entry), root_ / "aside");
  fs::create_symlink(root_ / "aside", path_of(entry));
  EXPECT_FALSE(open().load(entry.request, entry.nvrtc));
}

TEST_F(CacheTest, LoadsWhatWasPublished) {
  const CacheEntry entry = make_entry('a');
  EXPECT_FALSE(open().load(entry.request, entry.nvrtc));
  publish(entry);
  Cache cache = open();
  EXPECT_EQ(cache.state(), "read-write");
  const auto loaded = cache.load(entry.request, entry.nvrtc);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->code, entry.code);
  EXPECT_EQ(loaded->kernel, entry.kernel);
  EXPECT_FALSE(cache.load(entry.request, "12.8.61-9"));
  EXPECT_EQ(count_files(directory() / "tmp"), 0u);
  EXPECT_EQ(cache.corrupt_seen(), 0);
  EXPECT_EQ(text_of(directory() / "CACHEDIR.TAG").rfind("Signature: 8a477f597d28d172789f06886806bc55\n", 0), 0u);
  EXPECT_EQ(text_of(directory() / "VERSION"), "1\n");
}

TEST_F(CacheTest, LoadsTheNewestOfAnyBuildWhereNoneIsNamed) {
  publish(make_entry('a', "12.8.61-9"));
  publish(make_entry('a', "13.0.88-1"));
  publish(make_entry('a', "12.9.86-5"));
  EXPECT_EQ(open().load(std::string(64, 'a'), "")->nvrtc, "13.0.88-1");
  write_text(path_of(make_entry('a', "13.0.88-1")), "damaged");
  Cache cache = open();
  EXPECT_EQ(cache.load(std::string(64, 'a'), "")->nvrtc, "12.9.86-5");
  EXPECT_EQ(cache.corrupt_seen(), 1);
}

TEST_F(CacheTest, WorksWithoutItsIndex) {
  publish(make_entry('a'));
  const std::set<std::string> digests{make_entry('a').digest};
  for (const char *garbage : {"", "garbage"}) {
    write_text(directory() / "index.sqlite3", garbage);
    EXPECT_TRUE(open().load(std::string(64, 'a'), ""));
    EXPECT_EQ(open().scan(digests).size(), 1u);
  }
  fs::remove(directory() / "index.sqlite3");
  EXPECT_TRUE(open().load(std::string(64, 'a'), ""));
  EXPECT_EQ(open().scan(digests).size(), 1u);
  EXPECT_EQ(open().index()->uses().size(), 1u);  // rebuilt by the scan
}

TEST_F(CacheTest, LocksExclude) {
  Cache first = open(), second = open();
  const auto held = first.lock(std::string(64, 'a'), milliseconds(0));
  ASSERT_TRUE(held);
  EXPECT_FALSE(second.lock(std::string(64, 'a'), milliseconds(0)));
  EXPECT_TRUE(second.lock(std::string(64, 'b'), milliseconds(0)));
}

}  // namespace
}  // namespace quern

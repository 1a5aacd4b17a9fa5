// A cache in which somebody has changed things: bytes, links, the index. Right bytes come out of it all the same, and
// nothing outside it is touched. (T18, T25, T26)
#include <cstring>
#include <random>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "faults/fault_process.hpp"
#include "registry/cache/blob_store.hpp"
#include "runtime/base/sha256.hpp"

namespace quern::faults {
namespace {

namespace fs = std::filesystem;

class DamageFault : public testing::Test {
 protected:
  DamageFault() {
    EXPECT_EQ(run("", [&] { return get_keys(settings_, {0, 1, 2}); }), kRight);
  }
  fs::path cache() const { return settings_.directory; }
  fs::path entry(int key) const {
    const std::string request = unit_of(key).request();
    return cache() / "jit" / request.substr(0, 2) / (request + ".13.0.88-36424714.qkc");
  }
  int get(const std::vector<int> &keys) {
    return run("", [&] { return get_keys(settings_, keys); });
  }
  // Hits, of so many keys, without compiling.
  int found(const std::vector<int> &keys) {
    return run("", [&] {
      Cache cache(settings_);
      for (const int key : keys) {
        if (!cache.load(unit_of(key).request(), "13.0.88-36424714")) return 1;
      }
      return 0;
    });
  }

  const TemporaryDirectory root_;
  const CacheSettings settings_ = settings_of(root_ / "cache");
};

TEST_F(DamageFault, AnyByteOfAnEntryMakesItAMissThatIsSetAside) {
  const std::string sound = text_of(entry(0));
  std::mt19937 random(1);
  std::vector<size_t> places;
  for (size_t i = 0; i < 60; ++i) places.push_back(i);  // the header's lengths and its beginning
  for (size_t i = sound.size() - 40; i < sound.size(); ++i) places.push_back(i);
  for (int i = 0; i < 1000 * scale(); ++i) places.push_back(random() % sound.size());
  int accepted = 0;
  Cache cache(settings_);
  const std::string request = unit_of(0).request();
  for (const size_t place : places) {
    std::string bytes = sound;
    bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
    write_text(entry(0), bytes);
    if (cache.load(request, "13.0.88-36424714")) ++accepted;
    EXPECT_FALSE(fs::exists(entry(0)));
  }
  for (size_t size = 0; size < 400; ++size) {
    write_text(entry(0), sound.substr(0, size));
    if (cache.load(request, "13.0.88-36424714")) ++accepted;
  }
  EXPECT_EQ(accepted, 0);
  EXPECT_EQ(get({0}), kRight);
  std::printf("%zu flipped bits and 400 truncations: %d accepted\n", places.size(), accepted);
}

TEST_F(DamageFault, SwappedEntriesAreMisses) {
  fs::rename(entry(0), root_ / "aside");
  fs::rename(entry(1), entry(0));
  fs::rename(root_ / "aside", entry(1));
  EXPECT_EQ(get({0, 1, 2}), kRight);
}

TEST_F(DamageFault, BlobsWithWrongBytesAreNotThere) {
  Cache cache(settings_);
  BlobStore store(cache);
  const std::string bytes = "__global__ void k() {}\n", digest = hex(sha256(as_bytes(bytes)));
  for (size_t place = 0; place < bytes.size(); ++place) {
    ASSERT_TRUE(store.put(digest, bytes));
    std::string changed = bytes;
    changed[place] ^= 1;
    fs::remove(cache.directory() / blob_path(digest));
    write_text(cache.directory() / blob_path(digest), changed);
    EXPECT_FALSE(store.read(digest)) << place;
    EXPECT_FALSE(fs::exists(cache.directory() / blob_path(digest)));
  }
}

// What stands where the cache has its files and folders, one at a time.
TEST_F(DamageFault, PlantedThingsLeadNowhere) {
  const fs::path canary = root_ / "canary";
  write_text(canary / "file", "mine");
  const std::string shard = unit_of(0).request().substr(0, 2);
  for (const char *name : {"jit", "tmp", "locks", "index.sqlite3", "quarantine", "blobs", "refs", "roots", "VERSION"}) {
    for (const char *thing : {"link", "fifo", "folder", "file"}) {
      const fs::path place = cache() / name;
      std::error_code ignored;
      fs::rename(place, root_ / "before", ignored);
      if (thing == std::string("link"))
        fs::create_symlink(name == std::string("VERSION") ? canary / "file" : canary, place);
      if (thing == std::string("fifo")) {
        ASSERT_EQ(::mkfifo(place.c_str(), 0600), 0);
      }
      if (thing == std::string("folder")) fs::create_directory(place);
      if (thing == std::string("file")) write_text(place, "");
      EXPECT_EQ(get({0, 3}), kRight) << thing << " at " << name;
      EXPECT_EQ(run("",
                    [&] {
                      try {
                        Cache cache(settings_);
                        const std::string bytes = "x";
                        BlobStore(cache).put(hex(sha256(as_bytes(bytes))), bytes);
                        cache.check(true, cache.mode() == CacheMode::kReadWrite,
                                    [](const CacheProblem &) { return true; });
                        PruneRules rules;
                        rules.clear = true;
                        if (cache.mode() == CacheMode::kReadWrite)
                          cache.prune(rules, {}, [](const CacheRow &) { return true; });
                      } catch (const std::exception &) {  // it may refuse, not hang, crash or stray
                      }
                      return 0;
                    }),
                0)
          << thing << " at " << name;
      fs::remove_all(place, ignored);
      fs::rename(root_ / "before", place, ignored);
      EXPECT_EQ(count_files(canary), 1u) << thing << " at " << name;
      EXPECT_EQ(text_of(canary / "file"), "mine");
    }
  }
  // And in place of an entry and of its folder.
  for (const fs::path &place : {cache() / "jit" / shard, entry(0)}) {
    fs::remove_all(place);
    fs::create_directories(place.parent_path());
    fs::create_symlink(canary, place);
    EXPECT_EQ(get({0}), kRight);
    EXPECT_EQ(count_files(canary), 1u);
    fs::remove(place);
  }
  // A hard link to what is not the cache's: it is moved aside, not written.
  fs::create_directories(entry(0).parent_path());
  fs::create_hard_link(canary / "file", entry(0));
  EXPECT_EQ(get({0}), kRight);
  EXPECT_EQ(text_of(canary / "file"), "mine");
  EXPECT_EQ(found({0}), 0);
}

TEST_F(DamageFault, AnyDamageToTheIndexLosesNoEntry) {
  const fs::path index = cache() / "index.sqlite3";
  const std::string sound = text_of(index);
  ASSERT_GT(sound.size(), 4096u);
  std::vector<std::string> damaged = {"", "garbage", std::string(16, '\0') + sound.substr(16)};
  for (size_t page = 0; page < sound.size(); page += 4096) {
    std::string bytes = sound;
    std::memset(&bytes[page], 0, std::min<size_t>(4096, bytes.size() - page));
    damaged.push_back(bytes);
  }
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  for (int i = 0; i < 1000 * scale(); ++i) {
    std::string bytes = sound;
    const size_t at = random() % (bytes.size() - 64);
    for (size_t j = 0; j < 64; ++j) bytes[at + j] = static_cast<char>(random());
    damaged.push_back(bytes);
  }
  int rebuilt = 0;
  for (const std::string &bytes : damaged) {
    fs::remove(index.string() + ".damaged");
    write_text(index, bytes);
    {
      Cache cache(settings_);
      for (int key = 0; key < 3; ++key) {
        ASSERT_TRUE(cache.load(unit_of(key).request(), "13.0.88-36424714")) << "seed " << seed;
      }
      EXPECT_EQ(cache.scan({}).size(), 3u) << "seed " << seed;
    }
    if (fs::exists(index.string() + ".damaged")) ++rebuilt;
    fs::remove(index.string() + ".damaged");
    Cache again(settings_);
    again.scan({});
    EXPECT_FALSE(fs::exists(index.string() + ".damaged")) << "rebuilt twice, seed " << seed;
  }
  std::printf("%zu damaged indexes: 0 entries lost, %d rebuilt\n", damaged.size(), rebuilt);
}

TEST_F(DamageFault, AnIndexOfAnotherOwnerOrTimeIsNotRewritten) {
  const fs::path index = cache() / "index.sqlite3";
  const auto execute = [&](const char *sql) {
    sqlite3 *database = nullptr;
    ASSERT_EQ(sqlite3_open(index.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  };
  execute("PRAGMA user_version=2; DROP TABLE entry; CREATE TABLE entry (other TEXT)");
  const std::string newer = text_of(index);
  EXPECT_EQ(found({0, 1, 2}), 0);
  EXPECT_EQ(get({0, 7}), kRight);
  EXPECT_EQ(text_of(index), newer);  // of a newer Quern: only read
  fs::remove(index);
  execute("PRAGMA application_id=1; CREATE TABLE mine (x)");
  EXPECT_EQ(found({0, 1, 2}), 0);
  EXPECT_TRUE(fs::exists(index.string() + ".damaged"));  // not an index at all
}

TEST_F(DamageFault, AnIndexThatIsHugeOrLockedForEverIsDoneWithout) {
  const fs::path index = cache() / "index.sqlite3";
  sqlite3 *holder = nullptr;
  ASSERT_EQ(sqlite3_open(index.c_str(), &holder), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(holder, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(get({0, 1, 2, 4, 5, 6}), kRight);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(15));
  sqlite3_close(holder);
  fs::remove(index);
  write_text(index, "");
  fs::resize_file(index, uintmax_t{10} << 30);
  EXPECT_EQ(get({0, 1, 2}), kRight);
  EXPECT_LT(fs::file_size(index), uintmax_t{1} << 20);
}

}  // namespace
}  // namespace quern::faults

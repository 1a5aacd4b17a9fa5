#include "registry/cache/cache_index.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

TEST(CacheIndex, GarbageIsPutAsideAndTheIndexBegunAnew) {
  const std::string garbage[] = {"not a database", std::string(8192, '\xff'),
                                 "SQLite format 3" + std::string(5000, '\0')};
  for (const std::string &bytes : garbage) {
    const TemporaryDirectory directory;
    write_text(directory / "index", bytes);
    CacheIndex index(directory / "index", false);
    EXPECT_TRUE(index.uses().empty());
    index.put("a", 1, 2);
    EXPECT_EQ(index.uses().size(), 1u);
    EXPECT_EQ(text_of((directory / "index").string() + ".damaged"), bytes);
  }
}

TEST(CacheIndex, CutShortIsBegunAnewOrServesEmpty) {
  const TemporaryDirectory directory;
  { CacheIndex(directory / "index", false).put("a", 1, 2); }
  const std::string whole = text_of(directory / "index");
  for (size_t size = 0; size < whole.size(); size += 509) {
    write_text(directory / "cut", whole.substr(0, size));
    CacheIndex index(directory / "cut", false);
    index.put("b", 1, 2);
    EXPECT_EQ(index.uses().count("b"), 1u) << size;
  }
}

TEST(CacheIndex, WhereNoneCanBeEveryCallIsHarmless) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "index");
  for (const bool read_only : {false, true}) {
    for (const fs::path &path : {directory / "index", directory / "absent" / "index"}) {
      CacheIndex index(path, read_only);
      index.put("a", 1, 2);
      index.add({{"a", {3, 1}}}, {{"hits", 1}});
      index.remove({"a"});
      index.put_toolchain("t", "13");
      EXPECT_TRUE(index.uses().empty());
      EXPECT_EQ(index.toolchain("t"), std::nullopt);
    }
  }
}

TEST(CacheIndex, RemembersUsesAndToolchains) {
  const TemporaryDirectory directory;
  {
    CacheIndex index(directory / "index", false);
    index.put("a", 10, 100);
    index.put("b", 10, 100);
    index.put("a", 20, 999);  // written anew: the last use stays
    index.add({{"a", {150, 2}}, {"b", {50, 1}}, {"unknown", {1, 1}}}, {});
    index.put_toolchain("libnvrtc; DROP TABLE entry", "13.0.88-1");
  }
  CacheIndex index(directory / "index", true);
  const auto uses = index.uses();
  ASSERT_EQ(uses.size(), 2u);
  EXPECT_EQ(uses.at("a").last_used, 150);
  EXPECT_EQ(uses.at("a").hits, 2);
  EXPECT_EQ(uses.at("b").last_used, 100);  // time does not run backwards
  EXPECT_EQ(uses.at("b").hits, 1);
  EXPECT_EQ(index.toolchain("libnvrtc; DROP TABLE entry"), "13.0.88-1");
  EXPECT_EQ(index.toolchain("other"), std::nullopt);
  index.put("c", 1, 1);
  EXPECT_EQ(index.uses().size(), 2u);
}

TEST(CacheIndex, ManyMayCreateItAtOnce) {
  for (int round = 0; round < 5; ++round) {
    const TemporaryDirectory directory;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] { CacheIndex(directory / "index", false).put(std::to_string(i), 1, 2); });
    }
    for (std::thread &thread : threads) thread.join();
    EXPECT_FALSE(fs::exists((directory / "index").string() + ".damaged"));
    EXPECT_EQ(CacheIndex(directory / "index", true).uses().size(), 8u);
  }
}

}  // namespace
}  // namespace quern

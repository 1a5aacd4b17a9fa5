#include "runtime/base/directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

TEST(Directory, PublishesReadsListsMovesAndRemoves) {
  const TemporaryDirectory root;
  const Directory directory(root.path());
  directory.publish("a/b/file", as_bytes("one"), 0444);
  EXPECT_EQ(directory.read_text("a/b/file", 10), "one");
  EXPECT_FALSE(directory.read_text("a/b/file", 2));
  EXPECT_EQ(fs::status(root / "a/b/file").permissions(), fs::perms(0444));
  EXPECT_EQ(fs::status(root / "a/b").permissions(), fs::perms(0700));
  EXPECT_EQ(count_files(root / "tmp"), 0u);
  EXPECT_EQ(directory.names("a/b"), std::vector<std::string>{"file"});
  EXPECT_EQ(directory.names("absent"), std::vector<std::string>());
  const auto before = directory.identify("a/b/file");
  ASSERT_TRUE(before);
  EXPECT_TRUE(before->regular);
  directory.publish("a/b/file", as_bytes("two"));
  EXPECT_FALSE(directory.remove("a/b/file", &*before));  // another file has its name now
  EXPECT_FALSE(directory.move("a/b/file", "c/file", &*before));
  EXPECT_TRUE(directory.move("a/b/file", "c/file"));
  EXPECT_EQ(text_of(root / "c/file"), "two");
  EXPECT_TRUE(directory.remove("c/file"));
  EXPECT_FALSE(directory.remove("c/file"));
  EXPECT_TRUE(directory.remove_folder("c"));
}

TEST(Directory, FollowsNoLinkAnywhere) {
  const TemporaryDirectory root, elsewhere;
  write_text(elsewhere / "file", "mine");
  const Directory directory(root.path());
  fs::create_symlink(elsewhere.path(), root / "folder");
  fs::create_symlink(elsewhere / "file", root / "file");
  EXPECT_FALSE(directory.read("folder/file", 100));
  EXPECT_FALSE(directory.read("file", 100));
  EXPECT_TRUE(directory.names("folder").empty());
  EXPECT_THROW(directory.publish("folder/new", as_bytes("x")), Error);
  EXPECT_FALSE(directory.remove("folder/file"));
  EXPECT_FALSE(directory.lock("folder/lock", std::chrono::milliseconds(0)));
  fs::remove(root / "tmp");
  fs::create_symlink(elsewhere.path(), root / "tmp");
  EXPECT_THROW(directory.publish("new", as_bytes("x")), Error);
  EXPECT_EQ(count_files(elsewhere.path()), 1u);
  EXPECT_EQ(text_of(elsewhere / "file"), "mine");
}

TEST(Directory, MayItselfBeReachedByALinkAndStaysItsOwn) {
  const TemporaryDirectory root;
  fs::create_directory(root / "real");
  fs::create_symlink(root / "real", root / "link");
  const Directory directory(root / "link");
  directory.publish("file", as_bytes("one"));
  fs::rename(root / "real", root / "moved");
  EXPECT_EQ(directory.read_text("file", 10), "one");
  EXPECT_THROW(Directory(root / "absent"), Error);
  write_text(root / "plain", "");
  EXPECT_THROW(Directory(root / "plain"), Error);
}

TEST(Directory, ReadsNoFileOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a file to another user takes root";
  const TemporaryDirectory root;
  write_text(root / "file", "theirs");
  const Directory directory(root.path());
  EXPECT_TRUE(directory.read("file", 100));
  ASSERT_EQ(::chown((root / "file").c_str(), 12345, 12345), 0);
  EXPECT_FALSE(directory.read("file", 100));
}

}  // namespace
}  // namespace quern

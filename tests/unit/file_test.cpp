#include "runtime/base/file.hpp"

#include <atomic>
#include <chrono>
#include <thread>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

TEST(ReadFile, RefusesWhatIsNoRegularFileOfItsOwn) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(read_text(directory / "absent", 100));
  write_text(directory / "file", "12345");
  fs::create_symlink(directory / "file", directory / "link");
  EXPECT_FALSE(read_text(directory / "link", 100));
  ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);
  EXPECT_FALSE(read_text(directory / "fifo", 100));  // and does not wait for a writer
  fs::create_directory(directory / "folder");
  EXPECT_FALSE(read_text(directory / "folder", 100));
  EXPECT_FALSE(read_text("/dev/zero", 100));
}

TEST(ReadFile, RefusesMoreThanTheLimit) {
  const TemporaryDirectory directory;
  write_text(directory / "file", "12345");
  EXPECT_FALSE(read_text(directory / "file", 4));
  EXPECT_EQ(read_text(directory / "file", 5), "12345");
  write_text(directory / "empty", "");
  EXPECT_EQ(read_text(directory / "empty", 0), "");
  const std::string binary("\0\xff\n\0", 4);
  write_text(directory / "binary", binary);
  EXPECT_EQ(read_file(directory / "binary", 100), std::vector<uint8_t>(binary.begin(), binary.end()));
}

TEST(PublishFile, LeavesNothingBehindOnFailure) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "tmp");
  fs::create_directories(directory / "taken" / "inside");
  for (const fs::path &target : {directory / "taken", directory / "no folder" / "file"}) {
    try {
      publish_file(directory / "tmp", target, as_bytes("x"));
      ADD_FAILURE() << target;
    } catch (const Error &error) {
      EXPECT_EQ(error.status(), QUERN_IO_ERROR);
      EXPECT_NE(std::string(error.what()).find(target.string()), std::string::npos) << error.what();
    }
    EXPECT_EQ(count_files(directory / "tmp"), 0u);
  }
  EXPECT_THROW(publish_file(directory / "absent", directory / "file", as_bytes("x")), Error);
  EXPECT_FALSE(fs::exists(directory / "file"));
}

TEST(PublishFile, ReplacesAndIsPrivate) {
  const TemporaryDirectory directory;
  publish_file(directory.path(), directory / "file", as_bytes("first"));
  publish_file(directory.path(), directory / "file", as_bytes("2nd"));
  EXPECT_EQ(text_of(directory / "file"), "2nd");
  EXPECT_EQ(count_files(directory.path()), 1u);
  EXPECT_EQ(fs::status(directory / "file").permissions(), fs::perms(0600));
}

TEST(PublishFile, ReadersSeeAllOrNothing) {
  const TemporaryDirectory directory;
  constexpr size_t kBytes = 1 << 20;
  const std::string contents[] = {std::string(kBytes, 'a'), std::string(kBytes / 2, 'b')};
  publish_file(directory.path(), directory / "file", as_bytes(contents[0]));
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) publish_file(directory.path(), directory / "file", as_bytes(contents[i % 2]));
    done = true;
  });
  bool whole = true;
  for (int reads = 0; !done || reads < 10; ++reads) {
    const auto read = read_text(directory / "file", kBytes);
    whole = whole && read && (*read == contents[0] || *read == contents[1]);
  }
  writer.join();
  EXPECT_TRUE(whole);
}

TEST(MakeDirectories, RefusesAFileInTheWayAndNamesIt) {
  const TemporaryDirectory directory;
  write_text(directory / "file", "");
  for (const char *below : {"file", "file/a", "file/a/b"}) {
    try {
      make_directories(directory / below);
      ADD_FAILURE() << below;
    } catch (const Error &error) {
      EXPECT_EQ(error.status(), QUERN_IO_ERROR);
      EXPECT_NE(std::string(error.what()).find((directory / "file").string()), std::string::npos) << error.what();
    }
  }
  make_directories(directory / "a" / "b" / "c");
  make_directories(directory / "a" / "b" / "c");
  EXPECT_EQ(fs::status(directory / "a" / "b" / "c").permissions(), fs::perms(0700));
}

// A child that takes the lock, tells so, and holds it until it is killed.
pid_t hold_in_child(const fs::path &path) {
  int ready[2];
  if (::pipe(ready) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FileLock::acquire(path, milliseconds(0));
    const char answer = lock ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char answer = '?';
  const bool told = ::read(ready[0], &answer, 1) == 1;
  ::close(ready[0]);
  ::close(ready[1]);
  return told && answer == 'y' ? child : -1;
}

TEST(FileLock, ExcludesOtherProcessesAndDiesWithItsOwn) {
  const TemporaryDirectory directory;
  const pid_t child = hold_in_child(directory / "lock");
  ASSERT_GT(child, 0);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(FileLock::acquire(directory / "lock", milliseconds(30)));
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(30));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock::acquire(directory / "lock", milliseconds(50)));
}

TEST(FileLock, ExcludesWithinAProcessAndIsFreedAtItsEnd) {
  const TemporaryDirectory directory;
  {
    const auto held = FileLock::acquire(directory / "lock", milliseconds(0));
    ASSERT_TRUE(held);
    EXPECT_FALSE(FileLock::acquire(directory / "lock", milliseconds(0)));
    EXPECT_TRUE(FileLock::acquire(directory / "other", milliseconds(0)));
  }
  EXPECT_TRUE(FileLock::acquire(directory / "lock", milliseconds(0)));
  EXPECT_FALSE(FileLock::acquire(directory / "no folder" / "lock", milliseconds(0)));
}

// Prune removes a lock file while it holds the lock. Whoever waited for that file must end up with the lock on the one
// that has the name now.
TEST(FileLock, SurvivesTheRemovalOfItsFile) {
  const TemporaryDirectory directory;
  auto held = FileLock::acquire(directory / "lock", milliseconds(0));
  ASSERT_TRUE(held);
  std::optional<FileLock> waited;
  std::thread waiter([&] { waited = FileLock::acquire(directory / "lock", milliseconds(10000)); });
  std::this_thread::sleep_for(milliseconds(100));
  fs::remove(directory / "lock");
  held.reset();
  waiter.join();
  ASSERT_TRUE(waited);
  ASSERT_TRUE(fs::exists(directory / "lock"));
  EXPECT_FALSE(FileLock::acquire(directory / "lock", milliseconds(0)));
}

}  // namespace
}  // namespace quern

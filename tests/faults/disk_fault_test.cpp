// Disks that are full, small or read-only: the call succeeds, what was kept before stays, and a hit on a read-only
// cache writes nothing. Needs to mount in a namespace of its own, which also an unprivileged user mostly may. (T20,
// T24)
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "faults/fault_process.hpp"

namespace quern::faults {
namespace {

namespace fs = std::filesystem;

constexpr int kCannotMount = 50;
const std::string kBuild = "13.0.88-36424714";

// In a forked child only. False where the system forbids it.
bool enter_own_mounts() {
  const uid_t uid = ::getuid();
  if (::unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return false;
  if (uid != 0) {
    std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
  }
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

void expect_done(int status) {
  if (status == kCannotMount) GTEST_SKIP() << "this system lets nobody mount in a namespace";
  EXPECT_EQ(status, 0);
}

int keys_found(Cache &cache, int count) {
  int found = 0;
  for (int key = 0; key < count; ++key) found += cache.load(unit_of(key).request(), kBuild) ? 1 : 0;
  return found;
}

TEST(DiskFault, OnASmallDiskEveryCallSucceedsAndWhatIsKeptIsWhole) {
  for (const char *size : {"size=256k", "size=1m", "size=8m", "size=8m,nr_inodes=64"}) {
    const TemporaryDirectory directory;
    expect_done(run("", [&] {
      if (!enter_own_mounts() || ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, size) != 0) return kCannotMount;
      const CacheSettings settings = settings_of(directory / "cache");
      std::vector<int> keys;
      for (int key = 0; key < 500; ++key) keys.push_back(key);
      if (get_keys(settings, keys) != kRight) return 1;
      int kept = 0;
      {
        Cache cache(settings);
        kept = keys_found(cache, 500);
        if (kept == 0 || kept == 500 || cache.corrupt_seen() != 0) return 2;
        if (cache.check(false, false, [](const CacheProblem &) { return true; }).problems != 0) return 3;
        if (!cache.writable()->names("tmp").empty()) return 4;
        // Space again: it caches again.
        for (int key = 0; key < 20; ++key) cache.remove(unit_of(key).request(), "", true);
      }
      if (get_keys(settings, {900, 901}) != kRight) return 5;
      Cache cache(settings);
      return cache.load(unit_of(901).request(), kBuild) ? 0 : 6;
    }));
  }
}

TEST(DiskFault, ALimitOnFileSizeIsAFullDisk) {
  const TemporaryDirectory directory;
  EXPECT_EQ(run("",
                [&] {
                  std::signal(SIGXFSZ, SIG_IGN);
                  const struct rlimit limit { 10000, 10000 };
                  ::setrlimit(RLIMIT_FSIZE, &limit);
                  return get_keys(settings_of(directory / "cache"), {0, 1, 2});
                }),
            kRight);
}

TEST(DiskFault, AReadOnlyMountServesHitsAndCompilesMissesInMemory) {
  const TemporaryDirectory directory;
  const CacheSettings settings = settings_of(directory / "cache");
  ASSERT_EQ(run("", [&] { return get_keys(settings, {0, 1}); }), kRight);
  expect_done(run("", [&] {
    const char *path = settings.directory.c_str();
    if (!enter_own_mounts() || ::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(path, path, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      return kCannotMount;
    }
    {
      Cache cache(settings);
      if (cache.mode() != CacheMode::kReadOnly || keys_found(cache, 2) != 2) return 1;
    }
    return get_keys(settings, {0, 1, 2}) == kRight ? 0 : 2;
  }));
}

TEST(DiskFault, FoldersOfModes0555AreReadAndNotWritten) {
  if (::getuid() != 0) GTEST_SKIP() << "giving files to another user takes root";
  const TemporaryDirectory directory;
  const CacheSettings settings = settings_of(directory / "cache");
  ASSERT_EQ(run("", [&] { return get_keys(settings, {0, 1}); }), kRight);
  for (const fs::directory_entry &item : fs::recursive_directory_iterator(directory.path())) {
    fs::permissions(item.path(), fs::perms(item.is_directory() ? 0555 : 0444));
  }
  fs::permissions(settings.directory, fs::perms(0555));
  fs::permissions(directory.path(), fs::perms(0755));
  const fs::path nvrtc = directory / "libfake_nvrtc.so";  // that user may not see where it was built
  fs::copy_file(FAKE_NVRTC, nvrtc);
  EXPECT_EQ(run("",
                [&] {
                  if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
                  Cache cache(settings);  // it belongs to root, who is trusted
                  if (cache.mode() != CacheMode::kReadOnly || keys_found(cache, 2) != 2) return 2;
                  return get_keys(settings, {0, 1, 2}, nullptr, nvrtc) == kRight ? 0 : 3;
                }),
            0);
}

TEST(DiskFault, LowerLayersServeAndAreNeverWritten) {
  const TemporaryDirectory directory;
  ASSERT_EQ(run("", [&] { return get_keys(settings_of(directory / "a"), {0}); }), kRight);
  ASSERT_EQ(run("", [&] { return get_keys(settings_of(directory / "b"), {1}); }), kRight);
  CacheSettings settings = settings_of(directory / "own");
  settings.lower = {directory / "absent", directory / "a", directory / "b"};
  const CompileLog log(0);
  const auto before = fs::last_write_time(directory / "a" / "index.sqlite3");
  EXPECT_EQ(run("", [&] { return get_keys(settings, {0, 1, 2}); }), kRight);
  EXPECT_EQ(log.lines(), std::vector<std::string>{"key 2"});
  EXPECT_EQ(fs::last_write_time(directory / "a" / "index.sqlite3"), before);
  EXPECT_EQ(count_files(directory / "own" / "jit"), 1u);
  // A damaged entry of a lower layer is passed over and left where it is.
  const std::string request = unit_of(0).request();
  const fs::path entry = directory / "a" / "jit" / request.substr(0, 2) / (request + "." + kBuild + ".qkc");
  write_text(entry, "damaged");
  EXPECT_EQ(run("", [&] { return get_keys(settings, {0}); }), kRight);
  EXPECT_EQ(text_of(entry), "damaged");
  Cache cache(settings);
  ASSERT_EQ(cache.refused_layers().size(), 1u);
  EXPECT_NE(cache.refused_layers()[0].find("absent"), std::string::npos);
}

// What read_only_hit_test.sh runs under strace, with a cache that this made before.
TEST(DiskFault, DISABLED_Fill) { ASSERT_EQ(get_keys(settings_of(std::getenv("FAULT_CACHE")), {0, 1, 2}), kRight); }
TEST(DiskFault, DISABLED_HitReadOnly) {
  CacheSettings settings = settings_of(std::getenv("FAULT_CACHE"));
  settings.mode = CacheMode::kReadOnly;
  ASSERT_EQ(get_keys(settings, {0, 1, 2}), kRight);
}
TEST(DiskFault, DISABLED_HitInALowerLayer) {
  CacheSettings settings;
  settings.directory = "/nonexistent/cache";
  settings.mode = CacheMode::kReadOnly;
  settings.lower = {std::getenv("FAULT_CACHE")};
  ASSERT_EQ(get_keys(settings, {0, 1, 2}), kRight);
}

}  // namespace
}  // namespace quern::faults

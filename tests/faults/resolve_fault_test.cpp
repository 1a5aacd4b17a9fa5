// Processes killed, refused and crowded while they find, fetch, verify and keep a package: the next one finds the same
// package, whole, and no older registry is ever taken for a newer one. (T7 to T9, and T1 for fetching)
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "faults/resolving.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/failpoint.hpp"

namespace quern::faults {
namespace {

namespace fs = std::filesystem;

// The files of a directory on a port of this machine, from a process that dies with this one.
class FileServer {
 public:
  explicit FileServer(const fs::path &directory) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    struct sockaddr_in address {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto *any = reinterpret_cast<struct sockaddr *>(&address);
    if (::bind(socket_, any, size) != 0 || ::listen(socket_, 64) != 0 || ::getsockname(socket_, any, &size) != 0) {
      throw std::runtime_error("no socket to listen on");
    }
    port_ = ntohs(address.sin_port);
    process_ = ::fork();
    if (process_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGPIPE, SIG_IGN);
    for (;;) serve(::accept(socket_, nullptr, nullptr), directory);
  }
  ~FileServer() {
    ::kill(process_, SIGKILL);
    wait_for(process_);
    ::close(socket_);
  }
  std::string url() const { return text("http://127.0.0.1:", port_); }

 private:
  static void serve(int connection, const fs::path &directory) {
    std::string request;
    char part[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::read(connection, part, sizeof part);
      if (got <= 0) break;
      request.append(part, static_cast<size_t>(got));
    }
    const size_t begin = request.find(' ') + 2, end = request.find(' ', begin);
    const fs::path file = directory / (end == std::string::npos ? "none" : request.substr(begin, end - begin));
    const bool is_there = fs::is_regular_file(file);
    const std::string body = is_there ? text_of(file) : "";
    const std::string answer = text("HTTP/1.1 ", is_there ? "200 OK" : "404 Not Found",
                                    "\r\nContent-Length: ", body.size(), "\r\nConnection: close\r\n\r\n", body);
    if (::write(connection, answer.data(), answer.size()) < 0) {
    }
    ::close(connection);
  }

  int socket_;
  int port_ = 0;
  pid_t process_ = -1;
};

// A registry as it was, with build 7, and as it is, with build 8.
class ResolveFault : public testing::Test {
 protected:
  ResolveFault() {
    publish_build("acme/gemm", 7);
    before_ = registry_.copied_to(root_ / "before").url();
    publish_build("acme/gemm", 8);
  }
  void publish_build(const std::string &id, int build) { registry_.publish_build(id, build, source_of(id, build)); }

  // What a process does in its life: resolve from the registry as it was, then as it is, then without it:
  // which build that is, is up to what could be kept.
  // `progress->kept[0]` is the build that was last confirmed.
  ExitStatus live(const CacheSettings &settings, const std::string &now, const HttpSettings &http,
                  Progress *progress) const {
    for (const Resolving &step :
         {Resolving{before_, "acme/gemm", 7, false, {}}, Resolving{now, "acme/gemm", 8, false, http},
          Resolving{now, "acme/gemm", 0, true, http}}) {
      quern_status why = QUERN_OK;
      const ExitStatus status = resolve(settings, step, &why);
      if (progress != nullptr) progress->kept[1] = why;
      if (status != kRight) return status;
      if (progress != nullptr && step.build != 0) progress->kept[0] = step.build;
    }
    return kRight;
  }

  // After a fault that struck such a process.
  void expect_recovered(const CacheSettings &settings, int confirmed, const std::string &after) {
    int builds = 0;
    quern_status why = QUERN_OK;
    if (confirmed != 0) {
      // Committed stays, and what was seen is not unseen.
      ASSERT_EQ(resolve(settings, {now(), "acme/gemm", 0, true, {}}, &why, &builds), kRight) << after << ": " << why;
      ASSERT_GE(builds, confirmed) << after;
    }
    if (confirmed == 8) {
      ASSERT_EQ(resolve(settings, {before_, "acme/gemm", 0, false, {}}, &why), kFailedCleanly) << after;
      ASSERT_EQ(why, QUERN_OUTDATED) << after;
    }
    ASSERT_EQ(resolve(settings, {now(), "acme/gemm", 8, false, {}}, &why), kRight) << after << ": " << why;
    ASSERT_EQ(resolve(settings, {now(), "acme/gemm", 8, true, {}}, &why), kRight) << after << ": " << why;
    ASSERT_EQ(resolve(settings, {before_, "acme/gemm", 0, false, {}}, &why), kFailedCleanly) << after;
    ASSERT_EQ(why, QUERN_OUTDATED) << after;
    expect_sound(settings, after);
  }
  std::string now() const { return registry_.url(); }
  static HttpSettings impatient() {
    HttpSettings http;
    http.retry.first_wait = http.retry.longest_wait = std::chrono::milliseconds(1);
    http.server_rest = http.missing_for = std::chrono::milliseconds(0);
    return http;
  }

  const WithoutSync without_sync_;
  const TemporaryDirectory root_;
  PublishedRegistry registry_{root_ / "registry"};
  std::string before_;
};

TEST_F(ResolveFault, SurvivesKillsAtRandomMoments) {
  const int kills = 500 * scale();
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  constexpr int kPackages = 3;
  const auto id_of = [](int i) { return text("acme/p", i); };
  int newest = 1;
  for (int i = 0; i < kPackages; ++i) publish_build(id_of(i), newest);
  CacheSettings settings = settings_of(root_ / "cache");
  settings.durable = false;  // a kill loses nothing that was written; only the power does
  Progress *progress = shared_memory<Progress>();
  for (int i = 0; i < kills; ++i) {
    const pid_t victim = start("", [&] {
      for (;;) {
        for (int p = 0; p < kPackages; ++p) {
          if (resolve(settings, {now(), id_of(p), newest, false, {}}) != kRight) return 1;
          progress->kept[p] = newest;
        }
        for (int p = 0; p < kPackages; ++p) progress->kept[p] = 0;
        Cache cache(settings);
        PruneRules rules;
        rules.clear = true;
        cache.prune(rules, {}, [](const CacheRow &) { return true; });
      }
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    ::kill(victim, SIGKILL);
    ASSERT_EQ(wait_for(victim), -SIGKILL) << "seed " << seed << " kill " << i;
    const std::string after = text("seed ", seed, " kill ", i);
    for (int p = 0; p < kPackages; ++p) {
      if (progress->kept[p] == 0) continue;
      ASSERT_EQ(resolve(settings, {now(), id_of(p), progress->kept[p], true, {}}), kRight) << after;
    }
    if (i % 10 != 9 && i + 1 != kills) continue;
    for (int p = 0; p < kPackages; ++p) {
      ASSERT_EQ(resolve(settings, {now(), id_of(p), newest, false, {}}), kRight) << after;
      progress->kept[p] = 0;
    }
    quern_status why = QUERN_OK;
    ASSERT_EQ(resolve(settings, {before_, "acme/gemm", 0, false, {}}, &why), kFailedCleanly) << after;
    ASSERT_EQ(why, QUERN_OUTDATED) << after;
    expect_sound(settings, after);
    if (HasFatalFailure()) return;
    // News for the next, so that what is known of the registry is rewritten too.
    if (i % 50 == 49) {
      ++newest;
      for (int p = 0; p < kPackages; ++p) publish_build(id_of(p), newest);
    }
  }
  release(progress);
  std::printf("%d kills while resolving: 0 violations\n", kills);
}

// A kill before each call that changes the disk: every state there is. At length before every other call too.
TEST_F(ResolveFault, SurvivesAKillAtEveryCall) {
  std::vector<std::string> points = {"write", "rename", "unlink", "mkdir", "lock"};
  if (scale() > 1) points.push_back("*");
  int kills = 0;
  for (const std::string &point : points) {
    for (int n = 1;; ++n) {
      const TemporaryDirectory directory;
      const CacheSettings settings = settings_of(directory / "cache");
      Progress *progress = shared_memory<Progress>();
      const std::string rule = text(point, ":", n, ":kill");
      const int status = run(rule, [&] { return live(settings, now(), {}, progress); });
      const int confirmed = progress->kept[0];
      release(progress);
      if (status == kRight) break;
      ASSERT_EQ(status, -SIGKILL) << rule;
      expect_recovered(settings, confirmed, rule);
      if (HasFatalFailure()) return;
      ASSERT_LT(n, 5000) << "no end of points";
      ++kills;
    }
  }
  std::printf("killed before each of %d calls of resolving in turn: 0 violations\n", kills);
  EXPECT_GT(kills, 50);
}

// The disk and libcurl: whatever one call says, the process ends with the right bytes or a clean status.
TEST_F(ResolveFault, EachCallMayFailOnce) {
  const FileServer server(registry_.directory());
  int calls = 0, refused = 0;
  std::vector<const char *> faults = {"28", "short"};              // ENOSPC
  if (scale() > 1) faults.insert(faults.end(), {"5", "13", "2"});  // EIO, EACCES, ENOENT
  for (const char *what : faults) {
    for (int n = 1;; ++n) {
      const TemporaryDirectory directory;
      const CacheSettings settings = settings_of(directory / "cache");
      Progress *progress = shared_memory<Progress>();
      const int status = run("*:" + std::to_string(n) + ":" + what, [&] {
        const int ended = live(settings, server.url(), impatient(), progress);
        progress->struck = failpoint_was_hit();
        return ended;
      });
      const bool hit = progress->struck;
      release(progress);
      ASSERT_TRUE(status == kRight || status == kFailedCleanly) << what << " at " << n << ": " << status;
      if (!hit) break;
      ++calls;
      if (status == kFailedCleanly) ++refused;
      expect_recovered(settings, 0, std::string(what) + " at point " + std::to_string(n));
      if (HasFatalFailure()) return;
      ASSERT_LT(n, 5000) << "no end of points";
      if (scale() == 1 && n > 20) n += 18;  // a push looks at some of the later ones; a night at all
    }
  }
  std::printf("%d single failures while resolving: %d refused cleanly, all others succeeded; nothing poisoned\n", calls,
              refused);
  EXPECT_GT(calls, 50);
}

TEST_F(ResolveFault, MemoryMayRunOutAnywhere) {
  const FileServer server(registry_.directory());
  const int calls = each_allocation_fails(
      [&](const CacheSettings &settings) { return live(settings, server.url(), impatient(), nullptr); },
      [&](const CacheSettings &settings, const std::string &after) { expect_recovered(settings, 0, after); });
  std::printf("memory ran out at %d allocations of resolving, once and for good: clean, nothing poisoned\n", calls);
  EXPECT_GT(calls, 50);
}

TEST_F(ResolveFault, ColdRacesEndRight) {
  constexpr int kProcesses = 16;
  for (const char *faults : {"", "lock:0:skip"}) {
    for (int round = 0; round < 5 * scale(); ++round) {
      const TemporaryDirectory directory;
      const CacheSettings settings = settings_of(directory / "cache");
      const auto statuses = run_together(kProcesses, faults, [&](int) {
        return resolve(settings, {now(), "acme/gemm", 8, false, {}});
      });
      for (const int status : statuses) ASSERT_EQ(status, kRight) << "round " << round << " " << faults;
      expect_recovered(settings, 8, text("round ", round, " ", faults));
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace quern::faults

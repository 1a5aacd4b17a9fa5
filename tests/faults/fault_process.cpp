#include "faults/fault_process.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "faults/fake_nvrtc.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/failpoint.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/hub/kernel_store.hpp"

extern "C" int __lsan_do_recoverable_leak_check() __attribute__((weak));

namespace {

std::atomic<bool> memory_may_fail{false};

}  // namespace

// Memory runs out where a test says so.
void *operator new(size_t bytes) {
  if (memory_may_fail && quern::failpoint("alloc") != 0) throw std::bad_alloc();
  if (void *memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void *operator new(size_t bytes, const std::nothrow_t &) noexcept {
  return memory_may_fail && quern::failpoint("alloc") != 0 ? nullptr : std::malloc(bytes);
}
// Not inlined, or the compiler takes what it frees for what another operator new allocated.
[[gnu::noinline]] void operator delete(void *memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void *memory, size_t) noexcept { std::free(memory); }

namespace quern::faults {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

const Log kSilent(static_cast<quern_log_level>(0), nullptr, nullptr);

}  // namespace

int scale() {
  const char *text = std::getenv("QUERN_FAULT_SCALE");
  return text == nullptr ? 1 : std::max(1, std::atoi(text));
}

CompileUnit unit_of(int key) {
  const std::string source = text("key ", key);
  UnitFields unit;
  unit.built_in = true;  // the cache is what is tried: the compiler stands in, in this process
  unit.source = std::make_shared<UnitSource>(UnitSource{"kernel.cu", source, {}, hex(sha256(as_bytes(source)))});
  unit.target = parse_target("compute_80");
  unit.options = {"--gpu-architecture=compute_80"};
  unit.entry = "k";
  unit.parameter_sizes = {8};
  unit.kernel = "you/test:one";
  unit.digest = std::string(64, 'd');
  return CompileUnit(std::move(unit));
}

CacheSettings settings_of(const fs::path &directory) {
  CacheSettings settings;
  settings.directory = directory;
  return settings;
}

ExitStatus get_keys(const CacheSettings &settings, const std::vector<int> &keys, Progress *progress,
                    const std::string &library) {
  const auto began = Clock::now();
  try {
    Cache cache(settings);
    Nvrtc nvrtc(library, Environment());
    KernelStore store(cache, nvrtc, true, kSilent);
    for (const int key : keys) {
      const KernelStore::Code code = store.get(unit_of(key));
      const std::string right = fake_ptx(text("key ", key));
      if (std::string(code.entry.code.begin(), code.entry.code.end()) != right) return kWrongBytes;
      if (progress != nullptr && code.kept) progress->kept[key] = 1;
    }
  } catch (const Error &error) {
    return kFailedCleanly;
  } catch (const std::bad_alloc &) {
    return kFailedCleanly;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "unexpected: %s\n", error.what());
    return kUnexpected;
  }
  if (progress != nullptr) progress->seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return kRight;
}

pid_t start(const std::string &faults, const std::function<int()> &body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::alarm(120);  // nothing may hang
  // A kill loses nothing that was written; power_fault_test.cpp is about what fsync is for.
  failpoint_arm((faults + (faults.empty() ? "" : ",") + kNoSync).c_str());
  memory_may_fail = faults.rfind("alloc", 0) == 0;
  int status = kUnexpected;
  try {
    status = body();
  } catch (const std::bad_alloc &) {  // before the library was reached
    status = kFailedCleanly;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "unexpected: %s\n", error.what());
  }
  memory_may_fail = false;
  const bool ended_well = status == kRight || status == kFailedCleanly;
  if (ended_well && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0) status = kLeaked;
  ::_exit(status);
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int run(const std::string &faults, const std::function<int()> &body) { return wait_for(start(faults, body)); }

std::vector<int> run_together(int count, const std::string &faults, const std::function<int(int)> &body) {
  int gate[2];
  if (::pipe(gate) != 0) throw std::runtime_error("no pipe");
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    children.push_back(start(faults, [&, i] {
      ::close(gate[1]);
      char closed = 0;
      while (::read(gate[0], &closed, 1) < 0) {
      }
      return body(i);
    }));
  }
  ::close(gate[0]);
  ::close(gate[1]);
  std::vector<int> statuses;
  for (const pid_t child : children) statuses.push_back(wait_for(child));
  return statuses;
}

int each_allocation_fails(const InCache &live, const AfterFault &expect_recovered) {
  int children = 0;
  // The check for leaks takes most of a second.
  const int density = (__lsan_do_recoverable_leak_check == nullptr ? 50 : 10) * scale();
  for (const char *how : {":12", "+:12"}) {
    for (int n = 1;; n += 1 + n / density) {
      const TemporaryDirectory directory;
      const CacheSettings settings = settings_of(directory / "cache");
      Progress *progress = shared_memory<Progress>();
      const std::string rule = text("alloc:", n, how);
      const int status = run(rule, [&] {
        const ExitStatus ended = live(settings);
        progress->struck = failpoint_was_hit();
        return ended;
      });
      const bool struck = progress->struck;
      release(progress);
      EXPECT_TRUE(status == kRight || status == kFailedCleanly) << rule << ": " << status;
      if (!struck && status == kRight) break;
      ++children;
      expect_recovered(settings, rule);
      if (testing::Test::HasFailure()) return children;
    }
  }
  return children;
}

void expect_recovered(const CacheSettings &settings, const std::vector<int> &keys, const std::string &after) {
  ASSERT_EQ(run("", [&] { return get_keys(settings, keys); }), kRight) << after;
  const int sound = run("", [&] {
    Cache cache(settings);
    std::string wrong;
    // The index may be behind the files, for whoever died in between; nothing else may be amiss.
    cache.check(true, true, [&](const CacheProblem &problem) {
      if (problem.what.rfind("the index ", 0) != 0) wrong += problem.path + ": " + problem.what + "\n";
      return true;
    });
    const CacheCheck again = cache.check(true, false, [](const CacheProblem &) { return true; });
    if (wrong.empty() && again.problems == 0) return 0;
    std::fprintf(stderr, "%s%ld left\n", wrong.c_str(), static_cast<long>(again.problems));
    return 1;
  });
  ASSERT_EQ(sound, 0) << after;
}

CompileLog::CompileLog(int delay_ms) {
  ::setenv("FAKE_NVRTC_LOG", (directory_ / "log").c_str(), 1);
  ::setenv("FAKE_NVRTC_DELAY_MS", std::to_string(delay_ms).c_str(), 1);
}

CompileLog::~CompileLog() {
  ::unsetenv("FAKE_NVRTC_LOG");
  ::unsetenv("FAKE_NVRTC_DELAY_MS");
}

std::vector<std::string> CompileLog::lines() const {
  std::vector<std::string> lines;
  std::ifstream in(directory_ / "log");
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

template <typename T>
T *shared_memory() {
  void *memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
  return new (memory) T();
}
template Progress *shared_memory<Progress>();

void release(Progress *progress) { ::munmap(progress, sizeof *progress); }

}  // namespace quern::faults

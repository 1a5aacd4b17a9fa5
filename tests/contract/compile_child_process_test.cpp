// quern-cc as a process of a host that forks, ignores signals, runs threads and dies.
#include "compile_child.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "registry/cache/cache.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/hub/kernel_store.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const Log kSilent(static_cast<quern_log_level>(0), nullptr, nullptr);

size_t open_descriptors() { return count_files("/proc/self/fd"); }

// Processes called quern-cc below `parent`, zombies too.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> found;
  for (const auto &item : fs::directory_iterator("/proc")) {
    const std::string name = item.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(item.path() / "stat");
    std::string line;
    std::getline(file, line);
    const size_t end = line.rfind(") ");
    if (end == std::string::npos || line.find("(quern-cc)") == std::string::npos) continue;
    if (std::stol(line.substr(end + 4)) == parent) found.push_back(std::stoi(name));
  }
  return found;
}

class CompileProcess : public CompileChildTest {
 protected:
  static std::string endless() {
    std::string source = "#define A0 1\n";
    for (int i = 1; i <= 35; ++i) source += text("#define A", i, " A", i - 1, " + A", i - 1, "\n");
    return source + "int x = A35;\n";
  }
};

TEST_F(CompileProcess, LeavesNoDescriptorAndNoZombie) {
  run(job(kSound));
  const size_t before = open_descriptors();
  for (int i = 0; i < 10; ++i) {
    run(job(kSound));
    error_of(job(endless()), {100ms, 60, uint64_t{4} << 30, kFullyConfined});
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(children_of(::getpid()).empty());
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(CompileProcess, AHostThatIgnoresSigchldIsServed) {
  const auto old = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(run(job(kSound)).outcome, CompileOutcome::kCompiled);
  EXPECT_EQ(run(job("#error no\n")).outcome, CompileOutcome::kRefused);
  EXPECT_EQ(error_of(job(endless()), {200ms, 60, uint64_t{4} << 30, kFullyConfined}).status(), QUERN_LIMIT_EXCEEDED);
  EXPECT_EQ(error_of(job(endless()), {20000ms, 1, uint64_t{4} << 30, kFullyConfined}).status(), QUERN_LIMIT_EXCEEDED);
  std::signal(SIGCHLD, old);
}

TEST_F(CompileProcess, AChildThatDoesNotReadRaisesNoSignal) {
  std::atomic<int> pipes{0};
  static std::atomic<int> *counter = &pipes;
  const auto old = std::signal(SIGPIPE, [](int) { ++*counter; });
  Environment environment = read_environment();
  environment.compile_child_path = "/bin/true";  // ends at once, with the job unread
  CompileJob large = job(std::string(8 << 20, ' '));
  EXPECT_THROW(CompileChild(environment).run(nvrtc_.path(), large, "you/test:one"), Error);
  EXPECT_EQ(pipes, 0);
  std::signal(SIGPIPE, old);
}

TEST_F(CompileProcess, SixtyFourThreadsAtOnce) {
  const size_t before = open_descriptors();
  const std::vector<uint8_t> code = run(job(kSound)).code;
  std::atomic<int> good{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 64; ++i) threads.emplace_back([&] { good += run(job(kSound)).code == code; });
  threads.clear();
  EXPECT_EQ(good, 64);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(children_of(::getpid()).empty());
}

TEST_F(CompileProcess, ADeadHostLeavesNoChild) {
  const pid_t host = ::fork();
  if (host == 0) {
    try {
      run(job(endless()));
    } catch (...) {
    }
    ::_exit(0);
  }
  std::vector<pid_t> children;
  for (const auto end = Clock::now() + 30s; children.empty() && Clock::now() < end;) {
    children = children_of(host);
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(children.size(), 1u);
  ::kill(host, SIGKILL);
  ::waitpid(host, nullptr, 0);
  for (const pid_t child : children) {
    bool gone = false;
    for (const auto end = Clock::now() + 10s; !gone && Clock::now() < end;) {
      std::ifstream file(text("/proc/", child, "/stat"));
      std::string line;
      std::getline(file, line);
      gone = line.empty() || line.find(") Z") != std::string::npos;
      std::this_thread::sleep_for(10ms);
    }
    EXPECT_TRUE(gone) << "quern-cc outlived its host";
  }
}

CompileUnit unit_of(const std::string &source) {
  UnitFields unit;
  unit.source = std::make_shared<UnitSource>(UnitSource{"kernel.cu", source, {}, hex(sha256(as_bytes(source)))});
  unit.target = parse_target("sm_80");
  unit.options = {"--gpu-architecture=sm_80"};
  unit.entry = "k";
  unit.parameter_sizes = {8};
  unit.kernel = "you/test:one";
  unit.digest = std::string(64, 'd');
  return CompileUnit(std::move(unit));
}

TEST_F(CompileProcess, AProcessForkedFromACompileCompilesTheSame) {
  Cache cache("", CacheMode::kOff);
  KernelStore store(cache, nvrtc_, true, kSilent, CompileChild(read_environment(), {3000ms, 60, uint64_t{4} << 30}));
  const CompileUnit slow = unit_of(endless());
  std::jthread compiling([&] {
    try {
      store.get(slow);
    } catch (const Error &) {
    }
  });
  while (children_of(::getpid()).empty()) std::this_thread::sleep_for(1ms);
  const pid_t forked = ::fork();
  if (forked == 0) {
    ::alarm(60);
    try {  // the unit that a thread, which is not here, has in hand
      store.get(slow);
    } catch (const Error &error) {
      ::_exit(error.status() == QUERN_LIMIT_EXCEEDED ? 0 : 1);
    }
    ::_exit(2);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(forked, &status, 0), forked);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(CompileProcess, WhatRanIntoALimitIsNotTriedAgainAtOnce) {
  Cache cache("", CacheMode::kOff);
  KernelStore store(cache, nvrtc_, true, kSilent, CompileChild(read_environment(), {8000ms, 60, uint64_t{4} << 30}));
  const CompileUnit slow = unit_of(endless());
  EXPECT_THROW(store.get(slow), Error);
  const auto start = Clock::now();
  try {
    store.get(slow);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_LIMIT_EXCEEDED);
    EXPECT_NE(std::string(error.what()).find("not tried again for"), std::string::npos) << error.what();
  }
  EXPECT_LT(Clock::now() - start, 4000ms);
  EXPECT_FALSE(store.get(unit_of("extern \"C\" __global__ void k(int *p) {}\n")).entry.code.empty());
}

}  // namespace
}  // namespace quern

#include "runtime/cpu/thread_pool.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace quern::cpu {
namespace {

struct Counts {
  explicit Counts(int64_t n) : calls(static_cast<size_t>(n)) {}
  std::vector<std::atomic<int>> calls;
  static void count(void *context, int64_t index) {
    static_cast<Counts *>(context)->calls[static_cast<size_t>(index)].fetch_add(1);
  }
  bool all(int expected) const {
    for (const auto &c : calls) {
      if (c.load() != expected) return false;
    }
    return true;
  }
};

TEST(ThreadPool, CallsEveryIndexOnce) {
  for (int threads : {-1, 0, 1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads < 1 ? 1 : threads);
    for (int64_t count : {0, 1, 2, 7, 1000}) {
      Counts counts(count);
      pool.run(count, Counts::count, &counts);
      EXPECT_TRUE(counts.all(1)) << threads << " threads, " << count << " tasks";
    }
  }
}

TEST(ThreadPool, ManyTinyRuns) {
  ThreadPool pool(4);
  Counts counts(3);
  constexpr int kRuns = 20000;
  for (int i = 0; i < kRuns; ++i) pool.run(3, Counts::count, &counts);
  EXPECT_TRUE(counts.all(kRuns));
}

// What a run wrote without atomics, its caller may read.
TEST(ThreadPool, RunPublishesItsResults) {
  ThreadPool pool(4);
  std::vector<int64_t> squares(512);
  for (int round = 0; round < 500; ++round) {
    struct Context {
      std::vector<int64_t> *squares;
      int64_t round;
    } context{&squares, round};
    pool.run(
        512,
        [](void *c, int64_t i) {
          const Context &my = *static_cast<Context *>(c);
          (*my.squares)[static_cast<size_t>(i)] = i * i + my.round;
        },
        &context);
    for (int64_t i = 0; i < 512; ++i) ASSERT_EQ(squares[static_cast<size_t>(i)], i * i + round);
  }
}

TEST(ThreadPool, WorkersTakePart) {
  ThreadPool pool(2);
  struct Context {
    std::thread::id caller = std::this_thread::get_id();
    std::atomic<bool> helped{false};
  } context;
  for (int i = 0; i < 10000 && !context.helped; ++i) {
    pool.run(
        64,
        [](void *c, int64_t) {
          Context &my = *static_cast<Context *>(c);
          if (std::this_thread::get_id() != my.caller) my.helped = true;
          usleep(10);
        },
        &context);
  }
  EXPECT_TRUE(context.helped);
}

TEST(ThreadPool, ConcurrentCallersAreAllServed) {
  ThreadPool pool(3);
  constexpr int kCallers = 4, kRuns = 2000;
  std::vector<std::thread> callers;
  std::atomic<int> good{0};
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&] {
      Counts counts(17);
      for (int i = 0; i < kRuns; ++i) pool.run(17, Counts::count, &counts);
      if (counts.all(kRuns)) ++good;
    });
  }
  for (std::thread &caller : callers) caller.join();
  EXPECT_EQ(good, kCallers);
}

TEST(ThreadPool, RunInsideARunWorksAlone) {
  ThreadPool pool(3);
  struct Context {
    ThreadPool *pool;
    Counts counts{8};
  } context{&pool};
  pool.run(
      5,
      [](void *c, int64_t) {
        Context &my = *static_cast<Context *>(c);
        my.pool->run(8, Counts::count, &my.counts);
      },
      &context);
  EXPECT_TRUE(context.counts.all(5));
}

TEST(ThreadPool, DestroyedBusyOrIdle) {
  for (int i = 0; i < 200; ++i) {
    ThreadPool pool(1 + i % 5);
    Counts counts(9);
    for (int runs = 0; runs < i % 3; ++runs) pool.run(9, Counts::count, &counts);
    EXPECT_TRUE(counts.all(i % 3));
  }
}

TEST(ThreadPool, WorkersBlockSignals) {
  ThreadPool pool(3);
  struct Context {
    std::thread::id caller = std::this_thread::get_id();
    std::atomic<int> open{0};
  } context;
  pool.run(
      200,
      [](void *c, int64_t) {
        Context &my = *static_cast<Context *>(c);
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        if (std::this_thread::get_id() != my.caller && !sigismember(&mask, SIGTERM)) ++my.open;
        usleep(10);
      },
      &context);
  EXPECT_EQ(context.open, 0);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_FALSE(sigismember(&mask, SIGTERM));
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)

// In a child, which has one thread, a pool made before the fork works and is destroyed.
TEST(ThreadPool, SurvivesFork) {
  auto pool = std::make_unique<ThreadPool>(3);
  Counts counts(50);
  pool->run(50, Counts::count, &counts);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    pool->run(50, Counts::count, &counts);
    pool.reset();
    _exit(counts.all(2) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(ThreadPool, WorksWithTheThreadsItGets) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    const rlimit address_space{512u << 20, 512u << 20};  // room for a few stacks of 8 MiB, not for 1000
    setrlimit(RLIMIT_AS, &address_space);
    ThreadPool pool(1000);
    Counts counts(5000);
    pool.run(5000, Counts::count, &counts);
    _exit(counts.all(1) && pool.threads() < 1000 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

#endif

}  // namespace
}  // namespace quern::cpu

#include "runtime/cpu/thread_pool.hpp"

#include <new>
#include <system_error>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

namespace quern::cpu {
namespace {

// Runs follow each other within microseconds in a model's layers, and waking a sleeping thread costs tens of them.
constexpr int kSpins = 2000;

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` is no longer `old`, awake for a short while and asleep after it.
void wait_while(const std::atomic<uint32_t> &value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_briefly();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int threads) : process_(getpid()) {
  if (threads <= 1) return;
  // New threads inherit the signal mask: with all blocked, the host's handlers keep running on the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    threads_ = std::make_unique<std::thread[]>(static_cast<size_t>(threads - 1));
    for (; workers_ < threads - 1; ++workers_) threads_[workers_] = std::thread([this] { wait_for_job(); });
  } catch (const std::system_error &) {  // no more threads to be had
  } catch (const std::bad_alloc &) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ThreadPool::~ThreadPool() {
  if (getpid() != process_) {  // a fork() left the threads behind: there is nothing to join
    static_cast<void>(threads_.release());
    return;
  }
  stop_.store(true, std::memory_order_relaxed);
  sequence_.fetch_add(1, std::memory_order_release);
  sequence_.notify_all();
  for (int i = 0; i < workers_; ++i) threads_[i].join();
}

void ThreadPool::run(int64_t count, Task task, void *context) noexcept {
  if (workers_ == 0 || count <= 1 || busy_.exchange(true, std::memory_order_acquire)) {
    for (int64_t i = 0; i < count; ++i) task(context, i);
    return;
  }
  count_ = count;
  task_ = task;
  context_ = context;
  next_.store(0, std::memory_order_relaxed);
  gate_.store(kOpen, std::memory_order_release);
  sequence_.fetch_add(1, std::memory_order_release);
  sequence_.notify_all();

  work();
  // Nothing is left to begin. Workers that have not woken yet are shut out, so only those inside are waited for.
  uint32_t inside = gate_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  for (; inside != 0; inside = gate_.load(std::memory_order_acquire)) wait_while(gate_, inside);
  busy_.store(false, std::memory_order_release);
}

void ThreadPool::work() noexcept {
  for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) task_(context_, i);
}

bool ThreadPool::enter() noexcept {
  uint32_t gate = gate_.load(std::memory_order_relaxed);
  while (gate & kOpen) {
    if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
  }
  return false;
}

void ThreadPool::wait_for_job() noexcept {
  for (uint32_t seen = 0;;) {
    wait_while(sequence_, seen);
    seen = sequence_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    if (!enter()) continue;
    work();
    if (gate_.fetch_sub(1, std::memory_order_release) == 1) gate_.notify_one();  // the last one out of a closed gate
  }
}

}  // namespace quern::cpu

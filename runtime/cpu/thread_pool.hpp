// The threads that share the work of one run on the CPU device.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include <sys/types.h>

namespace quern::cpu {

class ThreadPool {
 public:
  // `threads` counts the caller of run(), so 1 starts none. If the system refuses some, the pool works with fewer.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int threads() const { return workers_ + 1; }

  using Task = void (*)(void *context, int64_t index);

  // Calls task(context, i) for every i from 0 to count - 1, in no order, and returns when all have returned. Takes no
  // lock and allocates nothing. Any thread may call it at any time: one that finds the pool at work, be it for another
  // thread or for the run it is itself a task of, does its own work alone.
  void run(int64_t count, Task task, void *context) noexcept;

 private:
  // gate_: whether a job is open to workers, and how many are inside it.
  static constexpr uint32_t kOpen = 1u << 31;

  void work() noexcept;
  bool enter() noexcept;
  void wait_for_job() noexcept;

  // The job. Written by the thread that holds busy_, before it opens the gate.
  int64_t count_ = 0;
  Task task_ = nullptr;
  void *context_ = nullptr;

  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<uint32_t> gate_{0};
  std::atomic<uint32_t> sequence_{0};  // counts jobs; what idle workers sleep on
  std::atomic<bool> busy_{false};
  std::atomic<bool> stop_{false};

  int workers_ = 0;
  pid_t process_ = 0;
  std::unique_ptr<std::thread[]> threads_;
};

}  // namespace quern::cpu

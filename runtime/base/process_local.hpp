// A value that a fork leaves behind: locks and lists of work in hand belong to the threads of one process, and a
// process forked from it has none of these threads, so whatever they held there would be held for ever.
#pragma once

#include <atomic>
#include <memory>

#include <unistd.h>

namespace quern {

template <typename T>
class ProcessLocal {
 public:
  ProcessLocal() : current_(new Held{::getpid(), {}}) {}
  ~ProcessLocal() {
    Held *held = current_;
    if (held->process == ::getpid()) delete held;
  }
  ProcessLocal(const ProcessLocal &) = delete;
  ProcessLocal &operator=(const ProcessLocal &) = delete;

  // This process's; a new one after a fork. The old one is never freed: another thread may have been in it.
  T &get() {
    Held *held = current_;
    while (held->process != ::getpid()) {
      auto fresh = std::unique_ptr<Held>(new Held{::getpid(), {}});
      if (current_.compare_exchange_strong(held, fresh.get())) held = fresh.release();
    }
    return held->value;
  }

 private:
  struct Held {
    pid_t process;
    T value;
  };
  std::atomic<Held *> current_;
};

}  // namespace quern

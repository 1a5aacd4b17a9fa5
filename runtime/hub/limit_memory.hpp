// Compiles that ran into a limit: what took a minute once is not tried again at once. In memory only, since the next
// try may have a faster machine, or more memory.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace quern {

class LimitMemory {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kLasts{60};
  static constexpr size_t kMost = 1024;

  void add(const std::string &request, const std::string &message, Clock::time_point now = Clock::now());
  // Throws QUERN_LIMIT_EXCEEDED with the message of then.
  void throw_if_known(const std::string &request, Clock::time_point now = Clock::now());

 private:
  struct Failure {
    std::string message;
    Clock::time_point when;
  };
  std::map<std::string, Failure> failures_;  // by request
};

}  // namespace quern

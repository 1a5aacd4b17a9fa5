// What was learnt about servers in this process: which failed lately, and what they do not have.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace quern {

using SteadyTime = std::chrono::steady_clock::time_point;

// Thread-safe. Times are given by the caller.
class ServerHealth {
 public:
  ServerHealth(std::chrono::milliseconds rest, std::chrono::milliseconds missing_for)
      : rest_(rest), missing_for_(missing_for) {}

  void failed(const std::string &server, SteadyTime now);
  void worked(const std::string &server);
  // The order in which to ask: as given, but those that failed lately last.
  std::vector<size_t> order(const std::vector<std::string> &servers, SteadyTime now) const;

  void missed(const std::string &address, SteadyTime now);
  bool is_missing(const std::string &address, SteadyTime now) const;

 private:
  const std::chrono::milliseconds rest_, missing_for_;
  mutable std::mutex mutex_;
  std::map<std::string, SteadyTime> rests_until_;
  std::map<std::string, SteadyTime> missing_until_;
};

}  // namespace quern

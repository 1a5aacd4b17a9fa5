#include "registry/fetch/server_health.hpp"

namespace quern {
namespace {

constexpr size_t kMaxMissing = 1024;

bool holds(const std::map<std::string, SteadyTime> &until, const std::string &name, SteadyTime now) {
  const auto found = until.find(name);
  return found != until.end() && now < found->second;
}

}  // namespace

void ServerHealth::failed(const std::string &server, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  rests_until_[server] = now + rest_;
}

void ServerHealth::worked(const std::string &server) {
  const std::lock_guard lock(mutex_);
  rests_until_.erase(server);
}

std::vector<size_t> ServerHealth::order(const std::vector<std::string> &servers, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  std::vector<size_t> order;
  for (const bool resting : {false, true}) {
    for (size_t i = 0; i < servers.size(); ++i) {
      if (holds(rests_until_, servers[i], now) == resting) order.push_back(i);
    }
  }
  return order;
}

void ServerHealth::missed(const std::string &address, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (missing_until_.size() >= kMaxMissing) missing_until_.clear();
  missing_until_[address] = now + missing_for_;
}

bool ServerHealth::is_missing(const std::string &address, SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  return holds(missing_until_, address, now);
}

}  // namespace quern

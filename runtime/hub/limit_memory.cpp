#include "runtime/hub/limit_memory.hpp"

#include "runtime/base/error.hpp"

namespace quern {

void LimitMemory::add(const std::string &request, const std::string &message, Clock::time_point now) {
  std::erase_if(failures_, [&](const auto &item) { return now - item.second.when >= kLasts; });
  if (failures_.size() < kMost) failures_[request] = {message, now};
}

void LimitMemory::throw_if_known(const std::string &request, Clock::time_point now) {
  const auto found = failures_.find(request);
  if (found == failures_.end() || now - found->second.when >= kLasts) return;
  const auto left = std::chrono::ceil<std::chrono::seconds>(kLasts - (now - found->second.when)).count();
  throw Error(QUERN_LIMIT_EXCEEDED, text(found->second.message, " (not tried again for ", left, " s)"));
}

}  // namespace quern

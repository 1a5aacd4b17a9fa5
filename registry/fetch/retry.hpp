// When to ask a server again, and how long to wait before.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace quern {

struct RetryPolicy {
  int attempts = 4;
  std::chrono::milliseconds first_wait{1000};  // doubled for each further attempt, times 0.5 to 1.5
  std::chrono::milliseconds longest_wait{10000};
  std::chrono::milliseconds longest_asked{60000};  // of what a server may ask for
};

// Header names in lower case; of several with one name the last.
using HttpHeaders = std::map<std::string, std::string>;

// 408, 429 and the 5xx: the same request may succeed later.
bool is_transient(long status);

// What the answer asks for: Retry-After in seconds or as a date (RFC 9110), else the reset of a used-up
// `ratelimit: "api";r=0;t=55`. Nothing if it asks for nothing that can be read.
std::optional<std::chrono::milliseconds> asked_wait(const HttpHeaders &headers,
                                                    std::chrono::system_clock::time_point now);

// Before attempt `next` (2, 3, ...); `random` lies in [0, 1).
std::chrono::milliseconds wait_before(int next, const RetryPolicy &policy,
                                      std::optional<std::chrono::milliseconds> asked, double random);

}  // namespace quern

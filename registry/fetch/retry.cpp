#include "registry/fetch/retry.hpp"

#include <algorithm>
#include <ctime>

namespace quern {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr long kLongestSeconds = 86400;  // beyond a day all waits are the same: too long

// Digits at the beginning; nothing if there are none.
std::optional<long> leading_number(std::string_view text) {
  long number = 0;
  size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    number = std::min(number * 10 + (text[digits] - '0'), kLongestSeconds);
  }
  if (digits == 0) return std::nullopt;
  return number;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", read by hand: the library's reader follows the host's locale.
std::optional<milliseconds> until(std::string_view date, std::chrono::system_clock::time_point now) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (date.size() != 29 || date[3] != ',' || date.substr(25) != " GMT") return std::nullopt;
  const size_t month = kMonths.find(date.substr(8, 3));
  const auto day = leading_number(date.substr(5, 2));
  const auto year = leading_number(date.substr(12, 4));
  const auto hour = leading_number(date.substr(17, 2));
  const auto minute = leading_number(date.substr(20, 2));
  const auto second = leading_number(date.substr(23, 2));
  if (month == std::string_view::npos || month % 3 != 0 || !day || !year || !hour || !minute || !second) {
    return std::nullopt;
  }
  std::tm time{};
  time.tm_year = static_cast<int>(*year) - 1900;
  time.tm_mon = static_cast<int>(month / 3);
  time.tm_mday = static_cast<int>(*day);
  time.tm_hour = static_cast<int>(*hour);
  time.tm_min = static_cast<int>(*minute);
  time.tm_sec = static_cast<int>(*second);
  // Counted in seconds: a clock of nanoseconds ends in 2262, and a date may say 9999.
  const int64_t wait = int64_t{::timegm(&time)} - std::chrono::system_clock::to_time_t(now);
  return milliseconds(seconds(std::clamp<int64_t>(wait, 0, kLongestSeconds)));
}

// ';name=12' of a structured field.
std::optional<long> parameter(std::string_view field, std::string_view name) {
  const std::string key = ";" + std::string(name) + "=";
  const size_t found = field.find(key);
  return found == std::string_view::npos ? std::nullopt : leading_number(field.substr(found + key.size()));
}

}  // namespace

bool is_transient(long status) { return status == 408 || status == 429 || (status >= 500 && status <= 599); }

std::optional<milliseconds> asked_wait(const HttpHeaders &headers, std::chrono::system_clock::time_point now) {
  if (const auto found = headers.find("retry-after"); found != headers.end()) {
    const std::string &value = found->second;
    if (!value.empty() && value.find_first_not_of("0123456789") == std::string::npos) {
      return milliseconds(seconds(*leading_number(value)));
    }
    if (const auto wait = until(value, now)) return wait;
  }
  if (const auto found = headers.find("ratelimit"); found != headers.end()) {
    std::string field = found->second;
    std::erase(field, ' ');
    const auto reset = parameter(field, "t");
    if (parameter(field, "r") == 0 && reset) return milliseconds(seconds(*reset));
  }
  return std::nullopt;
}

milliseconds wait_before(int next, const RetryPolicy &policy, std::optional<milliseconds> asked, double random) {
  if (asked) return std::min(*asked, policy.longest_asked);
  const double doubled =
      static_cast<double>(policy.first_wait.count()) * static_cast<double>(1 << std::clamp(next - 2, 0, 20));
  const double wait = doubled * (0.5 + random);
  return std::min(milliseconds(static_cast<int64_t>(wait)), policy.longest_wait);
}

}  // namespace quern

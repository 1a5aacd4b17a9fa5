#include "registry/format/utc_time.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace quern {
namespace {

constexpr std::string_view kShape = "0000-00-00T00:00:00Z";
constexpr int64_t kDay = 86400;
constexpr int64_t kLast = INT64_C(253402300799);  // 9999-12-31T23:59:59Z

}  // namespace

std::optional<int64_t> parse_utc_time(std::string_view text) {
  if (text.size() != kShape.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !is_digit : text[i] != kShape[i]) return std::nullopt;
  }
  const auto number = [&](size_t begin, size_t count) {
    int value = 0;
    for (const char c : text.substr(begin, count)) value = value * 10 + (c - '0');
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year(number(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!day.ok() || number(0, 4) < 1970 || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return int64_t{std::chrono::sys_days(day).time_since_epoch().count()} * kDay + hour * 3600 + minute * 60 + second;
}

std::string format_utc_time(int64_t seconds) {
  seconds = std::clamp<int64_t>(seconds, 0, kLast);
  const std::chrono::year_month_day day(std::chrono::sys_days(std::chrono::days(seconds / kDay)));
  const int64_t rest = seconds % kDay;
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(day.year()),
                static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()), static_cast<int>(rest / 3600),
                static_cast<int>(rest / 60 % 60), static_cast<int>(rest % 60));
  return text;
}

int64_t system_seconds() { return static_cast<int64_t>(std::time(nullptr)); }

}  // namespace quern

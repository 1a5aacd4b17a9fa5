#include "cli/quantity.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <span>

namespace quern::cli {
namespace {

struct Unit {
  std::string_view suffix;  // lower case
  double factor;
};

constexpr Unit kByteUnits[] = {
    {"", 1},
    {"b", 1},
    {"k", 1e3},
    {"kb", 1e3},
    {"m", 1e6},
    {"mb", 1e6},
    {"g", 1e9},
    {"gb", 1e9},
    {"t", 1e12},
    {"tb", 1e12},
    {"kib", 1024},
    {"ki", 1024},
    {"mib", 1048576},
    {"mi", 1048576},
    {"gib", 1073741824},
    {"gi", 1073741824},
    {"tib", 1099511627776.0},
    {"ti", 1099511627776.0},
};
constexpr Unit kSecondUnits[] = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};

std::optional<int64_t> parse(std::string_view text, std::span<const Unit> units) {
  // from_chars alone would take "inf", "nan" and "-1".
  if (text.empty() || !(text[0] >= '0' && text[0] <= '9')) return std::nullopt;
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  std::string suffix(rest, text.data() + text.size());
  if (suffix.starts_with(' ')) suffix.erase(0, 1);
  for (char &c : suffix) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const Unit &unit : units) {
    if (unit.suffix != suffix) continue;
    const double value = std::floor(number * unit.factor);
    if (!(value < 9.2e18)) return std::nullopt;
    return static_cast<int64_t>(value);
  }
  return std::nullopt;
}

template <typename... Arguments>
std::string print(const char *format, Arguments... arguments) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, arguments...);
  return buffer;
}

}  // namespace

std::optional<int64_t> parse_bytes(std::string_view text) { return parse(text, kByteUnits); }

std::optional<int64_t> parse_seconds(std::string_view text) { return parse(text, kSecondUnits); }

std::string format_bytes(int64_t bytes) {
  if (bytes < 1024) return print("%lld B", static_cast<long long>(bytes));
  static constexpr const char *kSuffixes[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t suffix = 0;
  // 1023.95 and above would print as 1024.0.
  for (; value >= 1023.95 && suffix + 1 < std::size(kSuffixes); ++suffix) value /= 1024;
  return print("%.1f %s", value, kSuffixes[suffix]);
}

std::string format_milliseconds(int64_t milliseconds) {
  if (milliseconds < 1000) return print("%lld ms", static_cast<long long>(milliseconds));
  if (milliseconds < 60000) return print("%.1f s", static_cast<double>(milliseconds) / 1000);
  const long long seconds = milliseconds / 1000;
  return print("%lld min %02lld s", seconds / 60, seconds % 60);
}

std::string format_time(int64_t seconds_since_1970) {
  const std::time_t time = static_cast<std::time_t>(seconds_since_1970);
  std::tm utc{};
  char buffer[32];
  if (!gmtime_r(&time, &utc) || utc.tm_year < -1900 || utc.tm_year > 8099) return "";
  // strftime's %Y does not pad to four digits.
  std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02dT%02d:%02d:%02dZ", (utc.tm_year + 1900) % 10000,
                (utc.tm_mon + 1) % 100, utc.tm_mday % 100, utc.tm_hour % 100, utc.tm_min % 100, utc.tm_sec % 100);
  return buffer;
}

std::string format_age(int64_t seconds) {
  if (seconds < 60) return "just now";
  if (seconds < 3600) return print("%lld min ago", static_cast<long long>(seconds / 60));
  if (seconds < 86400) return print("%lld h ago", static_cast<long long>(seconds / 3600));
  return print("%lld d ago", static_cast<long long>(seconds / 86400));
}

}  // namespace quern::cli

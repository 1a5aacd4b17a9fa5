// How failures travel inside the library: one exception type, turned into a status at the C border. Outcomes that are
// expected (a cache miss, a refusal) are values, never exceptions.
#pragma once

#include <concepts>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <quern/quern.h>

namespace quern {

class Error : public std::runtime_error {
 public:
  // The message is one line: the fact, then the fix. `log` is a compiler's whole output.
  Error(quern_status status, const std::string &message, std::string log = {})
      : std::runtime_error(message), status_(status), log_(std::move(log)) {}

  quern_status status() const noexcept { return status_; }
  const std::string &log() const noexcept { return log_; }

 private:
  quern_status status_;
  std::string log_;
};

namespace detail {

inline void append_part(std::string &out, std::string_view part) { out += part; }
inline void append_part(std::string &out, char part) { out += part; }
inline void append_part(std::string &out, std::integral auto part) { out += std::to_string(part); }
template <typename Enumerator>
requires std::is_enum_v<Enumerator> && std::is_convertible_v<Enumerator, int>
void append_part(std::string &out, Enumerator part) { out += std::to_string(part); }
inline void append_part(std::string &out, double part) {
  char digits[32];
  out.append(digits, static_cast<size_t>(std::snprintf(digits, sizeof digits, "%g", part)));
}

}  // namespace detail

// Text from parts: text("k = ", k, " is not a multiple of 32"). No stream: every plan says why kernels are refused.
template <typename... Parts>
std::string text(const Parts &...parts) {
  std::string out;
  (detail::append_part(out, parts), ...);
  return out;
}

template <typename... Parts>
[[noreturn]] void fail(quern_status status, const Parts &...parts) {
  throw Error(status, text(parts...));
}

// This thread's last error, behind quern_last_error() and quern_last_error_log().
void set_last_error(const char *message, const char *log) noexcept;
const char *last_error() noexcept;
const char *last_error_log() noexcept;

}  // namespace quern

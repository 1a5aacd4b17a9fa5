// Sizes, durations and times as people write and read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quern::cli {

// "5GiB", "500MB", "1.5k", "4096": binary suffixes (KiB, MiB, GiB, TiB) and decimal ones (k, KB, M, MB, ...), case
// ignored; a bare number is bytes. Empty if it is none of these, negative, or too large.
std::optional<int64_t> parse_bytes(std::string_view text);

// "30d", "12h", "45m", "90s", "2w"; a bare number is seconds.
std::optional<int64_t> parse_seconds(std::string_view text);

// "0 B", "999 B", "1.5 KiB", "12.3 GiB".
std::string format_bytes(int64_t bytes);

// "850 ms", "12.3 s", "4 min 05 s".
std::string format_milliseconds(int64_t milliseconds);

// RFC 3339 in UTC: "2026-03-01T12:00:00Z". Empty for times outside years 0 to 9999.
std::string format_time(int64_t seconds_since_1970);

// How long ago: "just now", "5 min ago", "3 h ago", "12 d ago".
std::string format_age(int64_t seconds);

}  // namespace quern::cli

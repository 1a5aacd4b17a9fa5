// Points in time as persisted formats write them: RFC 3339, UTC, whole seconds, "2026-11-22T08:00:00Z".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace quern {

// Seconds since 1970. Exactly this spelling of a day that exists, 1970 to 9999; else nothing.
std::optional<int64_t> parse_utc_time(std::string_view text);
std::string format_utc_time(int64_t seconds);

// This source was written then, so a clock that says less is wrong. Not __DATE__: equal sources build to equal
// programs.
inline constexpr int64_t kEarliestNow = INT64_C(1795334400);  // 2026-11-22T08:00:00Z

using Clock = std::function<int64_t()>;
int64_t system_seconds();

}  // namespace quern

#include "registry/format/utc_time.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(UtcTime, ReadsAndWritesOneSpelling) {
  const std::pair<const char *, int64_t> times[] = {{"1970-01-01T00:00:00Z", 0},
                                                    {"2000-02-29T23:59:59Z", 951868799},
                                                    {"2026-11-22T08:00:00Z", kEarliestNow},
                                                    {"9999-12-31T23:59:59Z", INT64_C(253402300799)}};
  for (const auto &[text, seconds] : times) {
    EXPECT_EQ(parse_utc_time(text), seconds) << text;
    EXPECT_EQ(format_utc_time(seconds), text);
  }
  EXPECT_EQ(format_utc_time(-5), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_utc_time(INT64_MAX), "9999-12-31T23:59:59Z");
}

TEST(UtcTime, RefusesOthers) {
  for (const char *text : {"",
                           "2026-11-22",
                           "2026-11-22T08:00:00",
                           "2026-11-22t08:00:00z",
                           "2026-11-22 08:00:00Z",
                           "2026-11-22T08:00:00.0Z",
                           "2026-11-22T08:00:00+00:00",
                           "2026-11-31T08:00:00Z",
                           "2026-02-29T08:00:00Z",
                           "2026-13-01T08:00:00Z",
                           "2026-00-10T08:00:00Z",
                           "2026-01-00T08:00:00Z",
                           "2026-11-22T24:00:00Z",
                           "2026-11-22T08:60:00Z",
                           "2026-11-22T08:00:60Z",
                           "1969-12-31T23:59:59Z",
                           "+026-11-22T08:00:00Z",
                           "-026-11-22T08:00:00Z",
                           " 2026-11-22T08:00:00Z",
                           "2026-11-22T08:00:00Z ",
                           "20261122T080000Z",
                           "2026-1a-22T08:00:00Z"}) {
    EXPECT_FALSE(parse_utc_time(text)) << text;
  }
}

}  // namespace
}  // namespace quern

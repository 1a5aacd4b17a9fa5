#include "cli/quantity.hpp"

#include <gtest/gtest.h>

namespace quern::cli {
namespace {

TEST(Quantity, Bytes) {
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("5GiB"), 5 * INT64_C(1073741824));
  EXPECT_EQ(parse_bytes("5 gib"), 5 * INT64_C(1073741824));
  EXPECT_EQ(parse_bytes("500MB"), 500'000'000);
  EXPECT_EQ(parse_bytes("1.5k"), 1500);
  EXPECT_EQ(parse_bytes("0"), 0);
  EXPECT_EQ(parse_bytes("2TiB"), INT64_C(2199023255552));
  for (const char *wrong :
       {"", "GiB", "-1", "1x", "1 0", "nan", "inf", "0x10", "1e3e", "99999999TiB", " 1", "1  k", "+1"}) {
    EXPECT_EQ(parse_bytes(wrong), std::nullopt) << wrong;
  }
}

TEST(Quantity, Seconds) {
  EXPECT_EQ(parse_seconds("90"), 90);
  EXPECT_EQ(parse_seconds("30d"), 30 * 86400);
  EXPECT_EQ(parse_seconds("12h"), 43200);
  EXPECT_EQ(parse_seconds("2w"), 1209600);
  EXPECT_EQ(parse_seconds("1.5min"), 90);
  for (const char *wrong : {"", "d", "-1d", "1y", "30 days"}) EXPECT_EQ(parse_seconds(wrong), std::nullopt) << wrong;
}

TEST(Quantity, FormatsBytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(INT64_MAX), "8.0 EiB");
}

TEST(Quantity, FormatsTimes) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(1772366400), "2026-03-01T12:00:00Z");
  EXPECT_EQ(format_time(INT64_MAX), "");
  EXPECT_EQ(format_milliseconds(999), "999 ms");
  EXPECT_EQ(format_milliseconds(12300), "12.3 s");
  EXPECT_EQ(format_milliseconds(245000), "4 min 05 s");
  EXPECT_EQ(format_age(59), "just now");
  EXPECT_EQ(format_age(300), "5 min ago");
  EXPECT_EQ(format_age(7200), "2 h ago");
  EXPECT_EQ(format_age(86400 * 12), "12 d ago");
}

}  // namespace
}  // namespace quern::cli

#include "registry/fetch/retry.hpp"

#include <gtest/gtest.h>

#include "registry/fetch/server_health.hpp"

namespace quern {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const auto kNow = std::chrono::system_clock::from_time_t(784111777);  // Sun, 06 Nov 1994 08:49:37 GMT

TEST(AskedWait, ReadsSecondsAndDates) {
  const std::pair<const char *, std::optional<seconds>> cases[] = {{"0", seconds(0)},
                                                                   {"120", seconds(120)},
                                                                   {"99999999999999999999", seconds(86400)},
                                                                   {"Sun, 06 Nov 1994 08:50:37 GMT", seconds(60)},
                                                                   {"Sun, 06 Nov 1994 08:49:00 GMT", seconds(0)},
                                                                   {"Fri, 31 Dec 9999 23:59:59 GMT", seconds(86400)},
                                                                   {"", std::nullopt},
                                                                   {"-1", std::nullopt},
                                                                   {"1.5", std::nullopt},
                                                                   {"soon", std::nullopt},
                                                                   {"Sun, 06 Xyz 1994 08:49:37 GMT", std::nullopt},
                                                                   {"Sun, 06 anF 1994 08:49:37 GMT", std::nullopt},
                                                                   {"Sunday, 06-Nov-94 08:49:37 GMT", std::nullopt},
                                                                   {"Sun, 06 Nov 1994 08:49:37 CET", std::nullopt}};
  for (const auto &[value, wanted] : cases) {
    const auto wait = asked_wait({{"retry-after", value}}, kNow);
    EXPECT_EQ(wait.has_value(), wanted.has_value()) << value;
    if (wait && wanted) {
      EXPECT_EQ(*wait, *wanted) << value;
    }
  }
}

TEST(AskedWait, ReadsAUsedUpLimit) {
  EXPECT_EQ(asked_wait({{"ratelimit", "\"api\";r=0;t=55"}}, kNow), seconds(55));
  EXPECT_EQ(asked_wait({{"ratelimit", "\"api\"; r=0; t=55"}}, kNow), seconds(55));
  EXPECT_EQ(asked_wait({{"ratelimit", "\"api\";r=0;t=55"}, {"retry-after", "3"}}, kNow), seconds(3));
  EXPECT_EQ(asked_wait({{"ratelimit", "\"api\";r=0;t=55"}, {"retry-after", "soon"}}, kNow), seconds(55));
  for (const char *value :
       {"", "\"api\";r=1;t=55", "\"api\";r=0", "\"api\";t=55", "\"api\";r=;t=5", "\"api\";r=0;t=x"}) {
    EXPECT_FALSE(asked_wait({{"ratelimit", value}}, kNow)) << value;
  }
  EXPECT_FALSE(asked_wait({}, kNow));
}

TEST(WaitBefore, GrowsWithinItsBounds) {
  const RetryPolicy policy;
  EXPECT_EQ(wait_before(2, policy, std::nullopt, 0.0), milliseconds(500));
  EXPECT_EQ(wait_before(2, policy, std::nullopt, 0.999), milliseconds(1499));
  EXPECT_EQ(wait_before(3, policy, std::nullopt, 0.5), milliseconds(2000));
  EXPECT_EQ(wait_before(4, policy, std::nullopt, 0.5), milliseconds(4000));
  EXPECT_EQ(wait_before(9, policy, std::nullopt, 0.0), milliseconds(10000));
  EXPECT_EQ(wait_before(1000, policy, std::nullopt, 0.9), milliseconds(10000));
  EXPECT_EQ(wait_before(2, policy, seconds(0), 0.5), milliseconds(0));
  EXPECT_EQ(wait_before(2, policy, seconds(30), 0.5), seconds(30));
  EXPECT_EQ(wait_before(2, policy, seconds(3600), 0.5), seconds(60));
}

TEST(IsTransient, OnlyWhatMayPass) {
  for (const long status : {408, 429, 500, 503, 599}) EXPECT_TRUE(is_transient(status)) << status;
  for (const long status : {0, 200, 304, 400, 401, 404, 409, 451, 600}) EXPECT_FALSE(is_transient(status)) << status;
}

TEST(ServerHealth, WhatFailedRestsForItsTime) {
  ServerHealth health(seconds(30), seconds(5));
  const SteadyTime start{};
  const std::vector<std::string> servers{"a", "b", "c"};
  using Order = std::vector<size_t>;
  EXPECT_EQ(health.order(servers, start), (Order{0, 1, 2}));
  health.failed("a", start);
  EXPECT_EQ(health.order(servers, start), (Order{1, 2, 0}));
  health.failed("b", start + seconds(10));
  EXPECT_EQ(health.order(servers, start + seconds(10)), (Order{2, 0, 1}));
  EXPECT_EQ(health.order(servers, start + seconds(30)), (Order{0, 2, 1}));
  health.worked("b");
  EXPECT_EQ(health.order(servers, start + seconds(30)), (Order{0, 1, 2}));
  EXPECT_TRUE(health.order({}, start).empty());
}

TEST(ServerHealth, ForgetsWhatWasMissingAndKeepsItsMemorySmall) {
  ServerHealth health(seconds(30), seconds(5));
  const SteadyTime start{};
  health.missed("x", start);
  EXPECT_TRUE(health.is_missing("x", start + milliseconds(4999)));
  EXPECT_FALSE(health.is_missing("x", start + seconds(5)));
  EXPECT_FALSE(health.is_missing("y", start));
  for (int i = 0; i < 1024; ++i) health.missed(std::to_string(i), start);
  EXPECT_TRUE(health.is_missing("1023", start));
  EXPECT_FALSE(health.is_missing("x", start));
}

}  // namespace
}  // namespace quern

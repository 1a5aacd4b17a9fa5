#include "registry/fetch/answer_body.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

const std::string kBytes = "0123456789";

AnswerBody body_of(const std::string &bytes) { return {0, ExpectedBytes{hex(sha256(as_bytes(bytes))), bytes.size()}}; }

TEST(AnswerBody, TakesNothingBeyondWhatIsExpected) {
  AnswerBody body = body_of(kBytes);
  ASSERT_TRUE(body.begin(200, {}));
  EXPECT_TRUE(body.add(kBytes));
  EXPECT_FALSE(body.add("x"));
  EXPECT_EQ(body.received(), 10u);
  EXPECT_FALSE(body.finish(true));
  EXPECT_EQ(body.problem(), "sends more than 10 bytes");
  EXPECT_FALSE(body.may_ask_again());
}

TEST(AnswerBody, ContinuesOnlyWithAStrongValidator) {
  for (const char *tag : {"", "W/\"a\"", "unquoted"}) {
    AnswerBody body = body_of(kBytes);
    ASSERT_TRUE(body.begin(200, {{"etag", tag}}));
    body.add("0123");
    EXPECT_FALSE(body.finish(false));
    EXPECT_TRUE(body.range_headers().empty()) << tag;
  }
  AnswerBody body = body_of(kBytes);
  ASSERT_TRUE(body.begin(200, {{"last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"}}));
  body.add("0123");
  EXPECT_EQ(body.range_headers(),
            (std::vector<std::string>{"Range: bytes=4-", "If-Range: Sun, 06 Nov 1994 08:49:37 GMT"}));
  ASSERT_TRUE(body.begin(206, {{"content-range", "bytes 4-9/10"}}));
  EXPECT_TRUE(body.add("456789"));
  EXPECT_TRUE(body.finish(true));
  EXPECT_EQ(body.take(), kBytes);
}

TEST(AnswerBody, KeepsAPartOverAnErrorInBetween) {
  AnswerBody body = body_of(kBytes);
  ASSERT_TRUE(body.begin(200, {{"etag", "\"a\""}}));
  body.add("0123");
  ASSERT_TRUE(body.begin(503, {}));
  EXPECT_TRUE(body.add("an error's page"));
  EXPECT_FALSE(body.finish(true));
  EXPECT_EQ(body.received(), 4u);
  ASSERT_TRUE(body.begin(206, {{"content-range", "bytes 4-9/10"}}));
  body.add("456789");
  EXPECT_TRUE(body.finish(true));
}

TEST(AnswerBody, AsksForTheWholeOnceWhenJoinedPartsAreWrong) {
  AnswerBody body = body_of(kBytes);
  ASSERT_TRUE(body.begin(200, {{"etag", "\"a\""}}));
  body.add("xxxx");
  ASSERT_TRUE(body.begin(206, {{"content-range", "bytes 4-9/10"}}));
  body.add("456789");
  EXPECT_FALSE(body.finish(true));
  EXPECT_TRUE(body.may_ask_again());
  EXPECT_TRUE(body.range_headers().empty());
  ASSERT_TRUE(body.begin(200, {{"etag", "\"a\""}}));
  body.add("xxxxxxxxxx");
  EXPECT_FALSE(body.finish(true));
  EXPECT_FALSE(body.may_ask_again());
}

TEST(AnswerBody, GivesUpAnErrorsPageThatDoesNotEnd) {
  AnswerBody body(100, std::nullopt);
  ASSERT_TRUE(body.begin(404, {}));
  const std::string block(32 * 1024, 'x');
  EXPECT_TRUE(body.add(block));
  EXPECT_TRUE(body.add(block));
  EXPECT_FALSE(body.add("x"));
  EXPECT_EQ(body.received(), 0u);
}

TEST(AnswerBody, AnEmptyFileIsAFile) {
  AnswerBody body = body_of("");
  ASSERT_TRUE(body.begin(200, {{"content-length", "0"}}));
  EXPECT_TRUE(body.finish(true));
}

}  // namespace
}  // namespace quern

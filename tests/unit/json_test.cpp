#include "runtime/base/json.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

// The message of the QUERN_BAD_MANIFEST that the body throws.
template <typename Body>
std::string refusal(Body body) {
  try {
    body();
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_BAD_MANIFEST);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

void expect_refused(const std::string &document, const std::string &reason) {
  const std::string message = refusal([&] { parse_strict(document, "where"); });
  EXPECT_NE(message.find(reason), std::string::npos) << message;
  EXPECT_EQ(message.rfind("where: ", 0), 0u) << message;
}

TEST(ParseStrict, RefusesWhatIsNotJson) {
  for (const char *document : {"", " ", "{", "{\"a\":}", "{'a':1}", "{\"a\":1}x", "{\"a\":1,}", "[1] // c", "nul",
                               "NaN", "01", "\"\x01\"", "\"\xff\"", "\"\\ud800\""}) {
    expect_refused(document, "not JSON");
  }
}

TEST(ParseStrict, RefusesAZeroByteWhichWouldEndTheDocumentEarly) {
  using namespace std::string_literals;
  for (const std::string &document : {"{}\0"s, "{}\0{\"a\":1}"s, "\0{}"s, "{\"a\":\"\0\"}"s}) {
    expect_refused(document, "holds a zero byte");
  }
}

TEST(ParseStrict, TheLimitIsTheCallers) {
  const std::string large = "[\"" + std::string(300 * 1024, 'a') + "\"]";
  expect_refused(large, "at most 262144 are allowed");
  EXPECT_NO_THROW(parse_strict(large, "where", large.size()));
  EXPECT_NE(refusal([&] { parse_strict(large, "where", large.size() - 1); }), "");
}

TEST(ParseStrict, RefusesAKeyTwice) {
  expect_refused(R"({"a": 1, "a": 1})", "\"a\" appears twice");
  expect_refused(R"({"b": [{"a": 1, "\u0061": 2}]})", "\"a\" appears twice");
  EXPECT_NO_THROW(parse_strict(R"([{"a": 1}, {"a": 2, "b": {"a": 3}}])", "where"));
}

TEST(ParseStrict, RefusesDepthAndSize) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(parse_strict(nested(32), "where"));
  expect_refused(nested(40), "nested deeper");
  expect_refused(std::string(100000, '['), "nested deeper");
  expect_refused("\"" + std::string(256 * 1024, 'a') + "\"", "bytes");
}

TEST(JsonObject, RefusesWhatIsNoObject) {
  const Json list = parse_strict("[]", "test");
  EXPECT_EQ(refusal([&] { JsonObject(list, "a.b"); }), "a.b is not an object; write {...}");
  EXPECT_EQ(refusal([&] { JsonObject(list, ""); }), "the document is not an object; write {...}");
}

TEST(JsonObject, MessagesNameThePath) {
  const Json json =
      parse_strict(R"({"number": 5, "text": "t", "list": [1, 2], "half": 1.5, "large": 18446744073709551615})", "test");
  JsonObject object(json, "variants[3]");
  EXPECT_EQ(refusal([&] { object.need("name"); }), "variants[3].name is missing; add it");
  EXPECT_EQ(refusal([&] { object.need_string("number"); }), "variants[3].number is not a string");
  EXPECT_EQ(refusal([&] { object.string_or("list", ""); }), "variants[3].list is not a string");
  EXPECT_EQ(refusal([&] { object.need_integer("number", 6, 9); }),
            "variants[3].number is 5; write an integer from 6 to 9");
  EXPECT_EQ(refusal([&] { object.need_integer("number", 1, 4); }),
            "variants[3].number is 5; write an integer from 1 to 4");
  EXPECT_EQ(refusal([&] { object.integer_or("half", 0, 0, 9); }),
            "variants[3].half is 1.5; write an integer from 0 to 9");
  EXPECT_NE(
      refusal([&] { object.need_integer("large", 0, INT64_MAX); }).find("variants[3].large is 18446744073709551615"),
      std::string::npos);
  EXPECT_EQ(refusal([&] { object.need_array("list", 3, 4); }), "variants[3].list is not a list of 3 to 4 items");
  EXPECT_EQ(refusal([&] { object.need_array("text", 0, 4); }), "variants[3].text is not a list of 0 to 4 items");
}

TEST(JsonObject, FloatsAreNoIntegersEvenIfWhole) {
  for (const char *text : {"1.0", "1e2", "-0.0", "true", "\"1\"", "null", "99999999999999999999"}) {
    const Json value = parse_strict(text, "test");
    EXPECT_NE(refusal([&] { as_integer(value, "p", 0, INT64_MAX); }).find("write an integer"), std::string::npos)
        << text;
  }
}

TEST(JsonObject, FinishRefusesKeysNobodyAskedFor) {
  const Json json = parse_strict(R"({"known": 1, "x-note": {"any": 1.5}, "knwon": 2})", "test");
  JsonObject object(json, "a");
  object.need("known");
  EXPECT_EQ(refusal([&] { object.finish(); }), "a.knwon is not a known key; remove it, or begin it with x-");
  object.find("knwon");
  EXPECT_NO_THROW(object.finish());
}

TEST(JsonObject, ReadsValuesAndFallbacks) {
  const Json json = parse_strict(R"({"number": -5, "text": "t"})", "test");
  JsonObject object(json, "");
  EXPECT_EQ(object.need_integer("number", -5, -5), -5);
  EXPECT_EQ(object.integer_or("absent", 7, 0, 1), 7);
  EXPECT_EQ(object.need_string("text"), "t");
  EXPECT_EQ(object.string_or("absent", "else"), "else");
  EXPECT_EQ(object.find("nothing"), nullptr);
  EXPECT_EQ(object.path("text"), "text");
}

}  // namespace
}  // namespace quern

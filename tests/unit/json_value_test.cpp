#include "runtime/base/json_value.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/json_writer.hpp"

namespace quern {
namespace {

Json parse(const std::string &document) { return parse_strict(document, "test"); }

// RFC 7396, appendix A.
TEST(Json, MergesAsTheStandardSays) {
  const struct {
    const char *target, *patch, *result;
  } kExamples[] = {{R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
                   {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
                   {R"({"a":"b"})", R"({"a":null})", R"({})"},
                   {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
                   {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
                   {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
                   {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
                   {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
                   {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
                   {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
                   {R"({"a":"foo"})", R"(null)", R"(null)"},
                   {R"({"a":"foo"})", R"("bar")", R"("bar")"},
                   {R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})"},
                   {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
                   {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"}};
  for (const auto &example : kExamples) {
    Json json = parse(example.target);
    json.merge_patch(parse(example.patch));
    EXPECT_EQ(json.dump(), example.result) << example.target << " with " << example.patch;
  }
}

TEST(Json, FindsAndErasesMembers) {
  Json json = parse(R"({"b": 2, "a": 1, "c": {"d": null}})");
  EXPECT_EQ(json.find("a")->as<int64_t>(), 1);
  EXPECT_TRUE(json.find("c")->find("d")->is<std::nullptr_t>());
  EXPECT_EQ(json.find("aa"), nullptr);
  EXPECT_EQ(json.find("a")->find("x"), nullptr) << "of no object";
  json.erase("b");
  json.erase("nothing");
  EXPECT_EQ(json.dump(), R"({"a":1,"c":{"d":null}})");
  EXPECT_EQ(json, parse(R"({"c":{"d":null},"a":1})"));
  EXPECT_NE(json, parse(R"({"c":{"d":0},"a":1})"));
}

TEST(Json, KeepsNumbersAsTheyWereWritten) {
  for (const char *number : {"0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
                             "18446744073709551615", "18446744073709551616", "1.50", "-0.0", "1e3", "1E-2"}) {
    EXPECT_EQ(parse(number).dump(), number);
  }
  EXPECT_TRUE(parse("9223372036854775807").is<int64_t>());
  EXPECT_FALSE(parse("9223372036854775808").is<int64_t>());
  EXPECT_TRUE(parse("1.50").is_number());
}

// Files that are signed and pinned were written by that library once.
TEST(JsonWriter, WritesAsNlohmannDoes) {
  const nlohmann::ordered_json expected = {
      {"text", "a\"\\\n\x01\x7f \xc3\xa9/"},
      {"numbers", {0, -5, INT64_MAX}},
      {"empty", {{"list", nlohmann::ordered_json::array()}, {"object", nlohmann::ordered_json::object()}}},
      {"truths", {true, false}},
      {"nested", {{{"a", {1, {2, {3}}}}}}}};
  for (const size_t indent : {0, 1, 2}) {
    JsonWriter out(indent);
    out.begin_object();
    out.member("text", "a\"\\\n\x01\x7f \xc3\xa9/");
    out.begin_array("numbers");
    out.value(0);
    out.value(-5);
    out.value(INT64_MAX);
    out.end_array();
    out.begin_object("empty");
    out.begin_array("list");
    out.end_array();
    out.begin_object("object");
    out.end_object();
    out.end_object();
    out.begin_array("truths");
    out.value(true);
    out.value(false);
    out.end_array();
    out.member("nested", parse(R"([{"a":[1,[2,[3]]]}])"));
    out.end_object();
    EXPECT_EQ(out.take(), expected.dump(indent == 0 ? -1 : static_cast<int>(indent)));
  }
}

TEST(JsonWriter, RefusesWhatIsNotUtf8) {
  for (const char *text : {"\xff", "a\xc3", "\xed\xa0\x80"}) {
    JsonWriter out;
    EXPECT_THROW(out.value(text), Error) << text;
    EXPECT_THROW(JsonWriter().member(text, 1), Error) << text;
  }
}

}  // namespace
}  // namespace quern

#include "registry/package/expression.hpp"

#include <array>

#include <gtest/gtest.h>

#include "runtime/base/json.hpp"

namespace quern {
namespace {

constexpr int64_t kInvalid = Expression::kInvalid;

// Names: a and b are slots 0 and 1, LIMIT is a constant.
std::optional<Expression::Meaning> resolve(std::string_view name) {
  if (name == "a") return Expression::Meaning{true, 0};
  if (name == "b") return Expression::Meaning{true, 1};
  if (name == "LIMIT") return Expression::Meaning{false, 100};
  return std::nullopt;
}

int64_t evaluate(const std::string &json, int64_t a = 0, int64_t b = 0) {
  return Expression::parse(parse_strict(json, "test"), "here", resolve).evaluate(std::array<int64_t, 2>{a, b});
}

void expect_refused(const std::string &json, const std::string &reason) {
  try {
    evaluate(json);
    ADD_FAILURE() << json << " was accepted";
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_BAD_MANIFEST);
    EXPECT_EQ(std::string(error.what()).rfind("here", 0), 0u) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << json << ": " << error.what();
  }
}

TEST(Expression, RefusesWhatIsNone) {
  for (const char *json : {"null", "true", "[]", "[1, 2]", "{}", R"({"add": [1, 2], "sub": [1, 2]})",
                           R"({"pow": [1, 2]})", R"({"add": 1})", R"({"add": []})", R"({"add": [1]})",
                           R"({"add": [1,2,3,4,5,6,7,8,9]})", R"({"add": {"a": 1}})", R"({"Add": [1, 2]})"}) {
    expect_refused(json, "is no expression");
  }
  expect_refused(R"({"add": [1, {"mul": [2, "oops"]}]})", "\"oops\" is no problem size, define, term or sm_count");
  expect_refused(R"("")", "\"\" is no problem size");
  expect_refused("1.5", "write an integer");
  expect_refused("-1", "write an integer");
  expect_refused("1099511627777", "write an integer");
}

TEST(Expression, RefusesDepth) {
  const auto nested = [](int operators, bool left) {
    std::string json = "1";
    for (int i = 0; i < operators; ++i) json = left ? "{\"add\": [" + json + ", 1]}" : "{\"add\": [1, " + json + "]}";
    return json;
  };
  EXPECT_EQ(evaluate(nested(15, true)), 16);
  EXPECT_EQ(evaluate(nested(15, false)), 16);  // the deepest stack there is
  expect_refused(nested(16, true), "nests deeper than 16");
}

TEST(Expression, EveryOperator) {
  EXPECT_EQ(evaluate("7"), 7);
  EXPECT_EQ(evaluate(R"("b")", 1, 2), 2);
  EXPECT_EQ(evaluate(R"("LIMIT")"), 100);
  EXPECT_EQ(evaluate(R"({"add": ["a", "b", 3]})", 1, 2), 6);
  EXPECT_EQ(evaluate(R"({"sub": ["a", "b", 3]})", 10, 2), 5);
  EXPECT_EQ(evaluate(R"({"mul": ["a", "b", 3]})", 4, 2), 24);
  EXPECT_EQ(evaluate(R"({"div": ["a", "b"]})", 7, 2), 3);
  EXPECT_EQ(evaluate(R"({"div": ["a", 2, 2]})", 100), 25);
  EXPECT_EQ(evaluate(R"({"ceil_div": ["a", "b"]})", 7, 2), 4);
  EXPECT_EQ(evaluate(R"({"ceil_div": ["a", "b"]})", 8, 2), 4);
  EXPECT_EQ(evaluate(R"({"ceil_div": ["a", "b"]})", 0, 2), 0);
  EXPECT_EQ(evaluate(R"({"round_up": ["a", "b"]})", 9, 8), 16);
  EXPECT_EQ(evaluate(R"({"round_up": ["a", "b"]})", 16, 8), 16);
  EXPECT_EQ(evaluate(R"({"min": ["a", "b", 5]})", 9, 8), 5);
  EXPECT_EQ(evaluate(R"({"max": ["a", "b", 5]})", 9, 8), 9);
  EXPECT_EQ(evaluate(R"({"mul": [{"ceil_div": ["a", 64]}, {"ceil_div": ["b", 128]}]})", 65, 129), 4);
}

TEST(Expression, OverflowIsInvalid) {
  EXPECT_EQ(evaluate(R"({"add": ["a", "b"]})", INT64_MAX, 1), kInvalid);
  EXPECT_EQ(evaluate(R"({"sub": ["a", "b"]})", INT64_MIN + 1, 2), kInvalid);
  EXPECT_EQ(evaluate(R"({"mul": ["a", "b"]})", INT64_C(1) << 40, INT64_C(1) << 40), kInvalid);
  EXPECT_EQ(evaluate(R"({"round_up": ["a", "b"]})", INT64_MAX, 2), kInvalid);
  EXPECT_EQ(evaluate(R"({"add": ["a", "b"]})", INT64_MAX - 1, 1), INT64_MAX);
}

TEST(Expression, DividingByNothingIsInvalid) {
  for (const char *op : {"div", "ceil_div", "round_up"}) {
    const std::string json = std::string("{\"") + op + "\": [\"a\", \"b\"]}";
    EXPECT_EQ(evaluate(json, 5, 0), kInvalid) << op;
    EXPECT_EQ(evaluate(json, 5, -1), kInvalid) << op;
    EXPECT_EQ(evaluate(json, INT64_MIN + 1, -1), kInvalid) << op;
  }
}

TEST(Expression, InvalidStaysInvalid) {
  EXPECT_EQ(evaluate(R"({"min": [{"div": [1, "a"]}, 5]})"), kInvalid);
  EXPECT_EQ(evaluate(R"({"max": [5, {"div": [1, "a"]}]})"), kInvalid);
  EXPECT_EQ(evaluate(R"({"mul": [0, {"div": [1, "a"]}]})"), kInvalid);
}

TEST(Expression, NothingParsedIsInvalid) {
  EXPECT_EQ(Expression().evaluate({}), kInvalid);
  EXPECT_EQ(Expression::constant(3).evaluate({}), 3);
}

}  // namespace
}  // namespace quern

// Which compiles a variant has, and which of them serves a problem.
#include "registry/package/specialization.hpp"

#include <gtest/gtest.h>

#include <set>

#include "package_builder.hpp"
#include "registry/package/manifest.hpp"
#include "registry/package/package.hpp"

namespace quern {
namespace {

using Values = std::array<int64_t, kMaxFields>;

size_t field(const char *name) { return static_cast<size_t>(gemm_operation().find(name)); }

class SpecializationTest : public testing::Test {
 protected:
  Variant read() const { return parse_manifest(gemm_manifest("you/test", {variant_}).dump(), "").variants[0]; }
  std::set<Specialization> all() const {
    const Variant variant = read();
    const auto list = variant.specialize.all(variant.accepts);
    std::set<Specialization> different(list.begin(), list.end());
    EXPECT_EQ(different.size(), list.size());
    return different;
  }
  nlohmann::json variant_ = gemm_variant("one");
};

// Plain Y has X's type.
const nlohmann::json kPlain = {{"name", "plain_y"},
                               {"where",
                                {{{"x_dtype", "f16"}, {"y_dtype", "f16"}, {"activation", "none"}},
                                 {{"x_dtype", "bf16"}, {"y_dtype", "bf16"}, {"activation", "none"}}}}};

TEST_F(SpecializationTest, NothingSpecialisedIsOneCompile) {
  EXPECT_EQ(all(), std::set<Specialization>{Specialization{}});
  EXPECT_EQ(read().specialize.of({}), Specialization{});
}

TEST_F(SpecializationTest, OptionsGiveTheProductOfWhatIsAccepted) {
  variant_["specialize"] = {"x_dtype", "bias_dtype"};
  const auto pairs = all();
  EXPECT_EQ(pairs.size(), 8u);
  EXPECT_EQ(pairs.count({3, 1}), 1u);
  variant_["accepts"]["x_dtype"] = {"f16"};
  EXPECT_EQ(all().size(), 4u);
}

TEST_F(SpecializationTest, AKindIsThereTwiceWhereAProblemCanBeOfIt) {
  variant_["specialize"] = {"x_dtype", kPlain};
  variant_["accepts"]["x_dtype"] = {"f16", "bf16"};
  EXPECT_EQ(all(), (std::set<Specialization>{{2, 0}, {2, 1}, {3, 0}, {3, 1}}));
  variant_["accepts"]["x_dtype"] = {"f32", "f16", "bf16"};  // Y of f32 is not plain
  EXPECT_EQ(all(), (std::set<Specialization>{{1, 0}, {2, 0}, {2, 1}, {3, 0}, {3, 1}}));
  variant_["specialize"] = nlohmann::json::array({kPlain});
  EXPECT_EQ(all(), (std::set<Specialization>{{0}, {1}}));
}

TEST_F(SpecializationTest, OneThatFitsAnyOfItsAlternativesIsOfTheKind) {
  variant_["specialize"] = {kPlain, "x_dtype"};
  variant_["accepts"]["activation"] = {"none", "relu"};
  const Variant variant = read();
  const auto kind_of = [&](int64_t x, int64_t y, int64_t activation) {
    Values problem{};
    problem[field("x_dtype")] = x;
    problem[field("y_dtype")] = y;
    problem[field("activation")] = activation;
    problem[field("n")] = 2880;
    const Specialization values = variant.specialize.of(problem);
    EXPECT_EQ(values.size(), 2u);
    EXPECT_EQ(values[0], x);  // options come first
    EXPECT_EQ(all().count(values), 1u);
    return values[1];
  };
  EXPECT_EQ(kind_of(2, 2, 0), 1);
  EXPECT_EQ(kind_of(3, 3, 0), 1);
  EXPECT_EQ(kind_of(2, 3, 0), 0);
  EXPECT_EQ(kind_of(3, 2, 0), 0);
  EXPECT_EQ(kind_of(3, 3, 1), 0);
}

TEST_F(SpecializationTest, FieldsAreOptionsAndKinds) {
  variant_["specialize"] = {kPlain, "x_dtype"};
  const Variant variant = read();
  ASSERT_EQ(variant.specialize.size(), 2u);
  EXPECT_EQ(variant.specialize.field(0, gemm_operation()).name, "x_dtype");
  const Field kind = variant.specialize.field(1, gemm_operation());
  EXPECT_EQ(kind.name, "plain_y");
  EXPECT_EQ(value_name(kind, 0), "no");
  EXPECT_EQ(value_name(kind, 1), "yes");
  EXPECT_FALSE(variant.specialize.accepts(0, 4, variant.accepts));
  EXPECT_TRUE(variant.specialize.accepts(0, 3, variant.accepts));
  EXPECT_TRUE(variant.specialize.accepts(1, 1, variant.accepts));
}

// What the sources take for plain (prefill_epilogue.cuh), over every problem that they accept.
TEST(BuiltinKinds, PlainYIsSixteenBitOfXsTypeAndNothingBeside) {
  int plain = 0, any = 0;
  const auto check = [&](const Variant &variant, Values &problem) {
    const int64_t x = problem[field("x_dtype")], y = problem[field("y_dtype")];
    const bool expected =
        (x == kE4m3 ? y != kF32 : y == x) && problem[field("activation")] == 0 && problem[field("residual")] == 0;
    EXPECT_EQ(variant.specialize.of(problem).back(), expected ? 1 : 0) << variant.name;
    ++(expected ? plain : any);
  };
  for (const auto &package : builtin_packages()) {
    for (const Variant &variant : package->manifest.variants) {
      if (variant.specialize.kinds.empty()) continue;
      ASSERT_EQ(variant.specialize.kinds.front().name, "plain_y");
      Values problem{};
      const auto each = [&](const auto &self, size_t index) -> void {
        if (index == variant.accepts.size()) return check(variant, problem);
        const std::vector<int64_t> &values = variant.accepts[index].one_of;
        for (const int64_t value : values.empty() ? std::vector<int64_t>{64} : values) {
          problem[index] = value;
          self(self, index + 1);
        }
      };
      each(each, 0);
    }
  }
  EXPECT_GT(plain, 100);
  EXPECT_GT(any, plain);
}

}  // namespace
}  // namespace quern

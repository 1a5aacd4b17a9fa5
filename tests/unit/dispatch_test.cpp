#include "runtime/hub/dispatch.hpp"

#include <gtest/gtest.h>

#include "package_builder.hpp"

namespace quern {
namespace {

using Json = nlohmann::json;

// A catalog whose only gemm kernels are those of the test: they replace the built-in package.
class DispatchTest : public testing::Test {
 protected:
  DispatchTest() { names("m") = 4096, names("n") = 2880, names("k") = 2880; }

  // A variant with these keys set over those of gemm_variant().
  void add(const std::string &name, const Json &keys = Json::object()) {
    Json variant = gemm_variant(name);
    for (const auto &[key, value] : keys.items()) {
      if (key == "accepts" || key == "launch") {
        variant[key].update(value);
      } else {
        variant[key] = value;
      }
      if (key == "archs") variant.erase("capability");
    }
    variants_.push_back(variant);
  }
  int64_t &names(const char *field) { return request_.problem[field]; }

  const Dispatch &dispatched() {
    write_package(directory_ / "gemm", gemm_manifest("quern/mxfp4-gemm", variants_));
    catalog_ = std::make_unique<Catalog>(directory_.path().string());
    EXPECT_EQ(catalog_->refused().size(), 1u) << catalog_->refused()[0].reason;  // the built-in one
    result_ = dispatch(*catalog_, request_);
    return result_;
  }
  // "name:first-last name:first-last"
  std::string choices() {
    std::string out;
    for (const Choice &choice : dispatched().choices) {
      out += (out.empty() ? "" : " ") + choice.candidate.variant->name + ":" + std::to_string(choice.first) + "-" +
             std::to_string(choice.last);
    }
    return out;
  }
  std::string refusal(const std::string &name) const {
    for (const Refusal &refusal : result_.refusals) {
      if (refusal.candidate.variant->name == name) return refusal.reason;
    }
    return "(not refused)";
  }

  TemporaryDirectory directory_;
  Json variants_ = Json::array();
  std::unique_ptr<Catalog> catalog_;
  DispatchRequest request_{{&gemm_operation(), {}}, {90, 132, 227 << 10, ""}, "", false, {}, {}};
  Dispatch result_;

 private:
  void SetUp() override {
    names("format") = 1;
    names("x_dtype") = names("y_dtype") = 3;
  }
};

TEST_F(DispatchTest, NothingAcceptsTheProblem) {
  add("even", {{"accepts", {{"k", {{"multiple_of", 4096}}}}}});
  add("small", {{"accepts", {{"m", {{"max", 8}}}}}});
  EXPECT_EQ(choices(), "");
  EXPECT_EQ(result_.failure,
            "no kernel serves this gemm: quern/mxfp4-gemm:even: k = 2880 is not a multiple of 4096; "
            "quern/mxfp4-gemm:small: serves only m = 1 to 8");
}

TEST_F(DispatchTest, AGapInTheSizesFails) {
  add("low", {{"accepts", {{"m", {{"max", 8}}}}}});
  add("high", {{"accepts", {{"m", {{"min", 10}}}}}});
  EXPECT_EQ(choices(), "");
  EXPECT_EQ(refusal("low"), "serves only m = 1 to 8");
  EXPECT_NE(result_.failure.find("low"), std::string::npos);
  names("m") = 8;
  EXPECT_EQ(choices(), "low:1-8");
  EXPECT_EQ(refusal("high"), "m = 8 is below 10");
}

TEST_F(DispatchTest, EachFieldsRefusalIsTold) {
  const struct {
    const char *name, *field;
    Json accepts;
    const char *reason;
  } cases[] = {{"x", "x_dtype", {"f16"}, "x_dtype = bf16 is not among f16"},
               {"bias", "bias_dtype", {"f32"}, "bias_dtype = none is not among f32"},
               {"n", "n", {{"max", 1024}}, "n = 2880 is above 1024"},
               {"k", "k", {{"min", 4096}}, "k = 2880 is below 4096"},
               {"m", "m", {{"min", 5000}}, "m = 4096 is below 5000"}};
  for (const auto &item : cases) add(item.name, {{"accepts", {{item.field, item.accepts}}}});
  add("all");
  EXPECT_EQ(choices(), "all:1-4096");
  for (const auto &item : cases) EXPECT_EQ(refusal(item.name), item.reason);
}

TEST_F(DispatchTest, OfEqualPrioritiesTheLeastCostServesEachStepOfSizes) {
  add("few", {{"cost", {{"mul", {"m", 100}}}}});
  add("many", {{"cost", {{"add", {1500, "m"}}}}});
  add("never", {{"cost", {{"div", {1, 0}}}}});  // no valid number: behind all
  add("uncosted");
  names("m") = 100;
  EXPECT_EQ(choices(), "few:1-12 many:13-100");  // compared at 12 (1200 to 1512), then at 16 (1600 to 1516)
  EXPECT_EQ(refusal("never"), "others are faster or preferred: its priority is 0");
  EXPECT_EQ(refusal("uncosted"), "others are preferred: its priority is 0");
  add("preferred", {{"priority", 1}, {"cost", 1000000}, {"accepts", {{"m", {{"min", 50}}}}}});
  EXPECT_EQ(choices(), "few:1-12 many:13-49 preferred:50-100");
}

TEST_F(DispatchTest, AKernelCloseToTheBestGoesOn) {
  add("first", {{"cost", {{"mul", {"m", 100}}}}});
  add("second", {{"cost", {{"mul", {"m", 95}}}}, {"accepts", {{"m", {{"min", 3}}}}}});  // better by 5.3 %
  add("third",
      {{"cost", {{"mul", {"m", 91}}}}, {"accepts", {{"m", {{"min", 9}}}}}});  // better than the second by 4.4 %
  names("m") = 20;
  EXPECT_EQ(choices(), "first:1-2 second:3-20");
  request_.measured = {{12, "quern/mxfp4-gemm:third"}, {20, "quern/mxfp4-gemm:first"}};
  EXPECT_EQ(choices(), "first:1-2 second:3-8 third:9-12 first:13-20") << "measurements count in full";
}

TEST_F(DispatchTest, WhatWasMeasuredComesBeforeCostsAndBehindPriorities) {
  add("few", {{"cost", {{"mul", {"m", 100}}}}, {"accepts", {{"m", {{"max", 60}}}}}});
  add("many", {{"cost", {{"add", {1500, "m"}}}}});
  names("m") = 100;
  request_.measured = {{5, "quern/mxfp4-gemm:many"}, {40, "quern/mxfp4-gemm:few"}, {200, "quern/mxfp4-gemm:gone"}};
  EXPECT_EQ(choices(), "many:1-5 few:6-40 many:41-100");  // beyond what is known, and for what is gone, costs
  request_.measured = {{100, "quern/mxfp4-gemm:few"}};
  EXPECT_EQ(choices(), "few:1-60 many:61-100");
  request_.measured.clear();
  EXPECT_EQ(choices(), "few:1-12 many:13-100");
  add("preferred", {{"priority", 1}, {"accepts", {{"m", {{"max", 3}}}}}});
  request_.measured = {{5, "quern/mxfp4-gemm:many"}};
  EXPECT_EQ(choices(), "preferred:1-3 many:4-5 few:6-12 many:13-100");
}

TEST_F(DispatchTest, CompetitorsAreThoseOfTheHighestPriorityWithACost) {
  add("low", {{"priority", -1}, {"cost", 1}});
  add("a", {{"cost", 5}, {"accepts", {{"m", {{"max", 8}}}}}});
  add("b", {{"cost", 7}});
  add("uncosted");
  const auto names_at = [&](int64_t size) {
    std::string found;
    for (const Candidate &candidate : competitors(*catalog_, request_, size)) found += candidate.variant->name + " ";
    return found;
  };
  choices();
  EXPECT_EQ(names_at(8), "a b ");
  EXPECT_EQ(names_at(9), "b ");
  EXPECT_EQ(cost_steps(1), std::vector<int64_t>{1});
  EXPECT_EQ(cost_steps(10), (std::vector<int64_t>{1, 2, 4, 8, 10}));
}

TEST_F(DispatchTest, OneVariantForAllSizesIsTheBestAtTheLargest) {
  add("few", {{"priority", 5}, {"accepts", {{"m", {{"max", 8}}}}}});
  add("slow", {{"cost", {{"mul", {"m", 100}}}}});
  add("fast", {{"cost", {{"add", {1500, "m"}}}}});
  names("m") = 100;
  EXPECT_EQ(choices(), "few:1-8 slow:9-12 fast:13-100");
  request_.one_variant = true;
  EXPECT_EQ(choices(), "fast:1-100");
  EXPECT_EQ(refusal("few"), "serves only m = 1 to 8, and one kernel is to serve all");
}

TEST_F(DispatchTest, CapabilityRangesAndExactArchitectures) {
  add("all");
  add("ampere", {{"capability", {{"min", "8.0"}, {"max", "8.9"}}}, {"priority", 1}});
  add("hopper", {{"archs", {"sm_90a"}}, {"priority", 2}});
  add("two", {{"archs", {"sm_90a", "sm_120a"}}, {"priority", 1}});
  const std::pair<int, const char *> expected[] = {{75, "all"},  {80, "ampere"}, {89, "ampere"}, {90, "hopper"},
                                                   {100, "all"}, {103, "all"},   {120, "two"},   {121, "all"}};
  for (const auto &[capability, name] : expected) {
    request_.facts.capability = capability;
    EXPECT_EQ(choices(), std::string(name) + ":1-4096") << capability;
  }
  request_.facts.capability = 100;
  dispatched();
  EXPECT_EQ(refusal("ampere"), "capability 10.0 is not 8.0 to 8.9");
  EXPECT_EQ(refusal("two"), "capability 10.0 is not sm_90a, sm_120a");
  request_.facts.capability = 70;
  dispatched();
  EXPECT_EQ(refusal("all"), "capability 7.0 is not 7.5 and up");
}

TEST_F(DispatchTest, PriorityThenTheNarrowerRangeThenTheOrder) {
  add("wide");
  add("narrow", {{"capability", {{"min", "9.0"}, {"max", "9.9"}}}});
  add("narrow_later", {{"capability", {{"min", "9.0"}, {"max", "9.9"}}}});
  EXPECT_EQ(choices(), "narrow:1-4096");
  EXPECT_EQ(refusal("wide"), "others are preferred: its priority is 0");
  add("higher", {{"priority", 1}});
  EXPECT_EQ(choices(), "higher:1-4096");
  add("exact", {{"archs", {"sm_90a"}}, {"priority", -1}});
  EXPECT_EQ(choices(), "higher:1-4096");
}

TEST_F(DispatchTest, RangesAreSplitAndMerged) {
  add("any");
  add("m8", {{"priority", 2}, {"accepts", {{"m", {{"max", 8}}}}}});
  add("m16", {{"priority", 1}, {"accepts", {{"m", {{"max", 16}}}}}});
  add("middle", {{"priority", 3}, {"accepts", {{"m", {{"min", 100}, {"max", 200}}}}}});
  EXPECT_EQ(choices(), "m8:1-8 m16:9-16 any:17-99 middle:100-200 any:201-4096");
  names("m") = 16;
  EXPECT_EQ(choices(), "m8:1-8 m16:9-16");
  EXPECT_EQ(refusal("any"), "others are preferred: its priority is 0");
  names("m") = 8;
  EXPECT_EQ(choices(), "m8:1-8");
  names("m") = 1;
  EXPECT_EQ(choices(), "m8:1-1");
  // A range that is never the best splits nothing.
  add("worst", {{"priority", -1}, {"accepts", {{"m", {{"min", 3}, {"max", 5}}}}}});
  EXPECT_EQ(choices(), "m8:1-1");
  names("m") = 8;
  EXPECT_EQ(choices(), "m8:1-8");
}

TEST_F(DispatchTest, ForceByPackageAndByVariant) {
  add("best", {{"priority", 9}});
  add("plain");
  request_.force = "quern/mxfp4-gemm:plain";
  EXPECT_EQ(choices(), "plain:1-4096");
  EXPECT_EQ(refusal("best"), "another kernel is forced: quern/mxfp4-gemm:plain");
  request_.force = "quern/mxfp4-gemm";
  EXPECT_EQ(choices(), "best:1-4096");
  request_.force = "quern/mxfp4-gemm:absent";
  EXPECT_EQ(choices(), "");
  EXPECT_EQ(result_.failure, "no kernel serves this gemm: there is no kernel called quern/mxfp4-gemm:absent");
}

TEST_F(DispatchTest, AVariantForcedByItsNameServesTheSizesItAccepts) {
  add("small", {{"accepts", {{"m", {{"max", 8}}}}}});
  add("large", {{"accepts", {{"m", {{"min", 10}}}}}});
  request_.force = "quern/mxfp4-gemm:small";
  EXPECT_EQ(choices(), "small:1-8");
  request_.force = "quern/mxfp4-gemm:large";
  EXPECT_EQ(choices(), "large:10-4096");
  request_.force = "quern/mxfp4-gemm";  // a package serves all sizes or fails
  EXPECT_EQ(choices(), "");
}

TEST_F(DispatchTest, AForcedKernelFailsWithItsOwnReasonOnly) {
  add("even", {{"accepts", {{"k", {{"multiple_of", 4096}}}}}});
  add("plain");
  request_.force = "quern/mxfp4-gemm:even";
  EXPECT_EQ(choices(), "");
  EXPECT_EQ(result_.failure, "no kernel serves this gemm: quern/mxfp4-gemm:even: k = 2880 is not a multiple of 4096");
}

TEST_F(DispatchTest, SharedMemoryIsTheDevices) {
  add("large", {{"priority", 1}, {"launch", {{"shared_bytes", {{"mul", {"k", 64}}}}}}});
  add("plain");
  EXPECT_EQ(choices(), "large:1-4096");
  request_.facts.shared_memory = 64 << 10;
  EXPECT_EQ(choices(), "plain:1-4096");
  EXPECT_EQ(refusal("large"), "needs 184320 bytes of shared memory; a block has 65536");
}

TEST_F(DispatchTest, GridsThatCannotBeLaunchedAreRefused) {
  const auto grid = [](Json x, Json y, Json z) { return Json{{"priority", 1}, {"launch", {{"grid", {x, y, z}}}}}; };
  add("y", grid(1, {{"mul", {"m", 16}}}, 1));
  add("z", grid(1, 1, 65536));
  add("x", grid({{"mul", {"n", 1000000}}}, 1, 1));
  add("zero", grid({{"div", {"n", 4096}}}, 1, 1));
  add("negative", grid({{"sub", {0, "n"}}}, 1, 1));
  add("nothing", grid({{"div", {"n", 0}}}, 1, 1));
  add("cluster", {{"priority", 1}, {"launch", {{"grid", {3, 1, 1}}, {"cluster", {2, 1, 1}}}}});
  add("workspace", {{"priority", 1}, {"workspace_bytes", {{"sub", {0, "n"}}}}});
  add("plain");
  EXPECT_EQ(choices(), "plain:1-4096");
  EXPECT_EQ(refusal("y"), "grid[1] is 65536; it must be 1 to 65535");
  EXPECT_EQ(refusal("z"), "grid[2] is 65536; it must be 1 to 65535");
  EXPECT_EQ(refusal("x"), "grid[0] is 2880000000; it must be 1 to 2147483647");
  EXPECT_EQ(refusal("zero"), "grid[0] is 0; it must be 1 to 2147483647");
  EXPECT_EQ(refusal("negative"), "grid[0] is -2880; it must be 1 to 2147483647");
  EXPECT_NE(refusal("nothing"), "(not refused)");
  EXPECT_EQ(refusal("cluster"), "grid[0] is 3, not a multiple of the cluster's 2");
  EXPECT_EQ(refusal("workspace"), "its workspace has no valid size");
}

TEST_F(DispatchTest, LaunchesAreJudgedAtTheLargestSizeOfTheVariant) {
  add("many", {{"launch", {{"grid", {1, "m", 1}}}}});
  add("capped", {{"accepts", {{"m", {{"max", 65535}}}}}, {"launch", {{"grid", {1, "m", 1}}}}});
  add("any", {{"priority", -1}});
  names("m") = 100000;
  EXPECT_EQ(choices(), "capped:1-65535 any:65536-100000");
  EXPECT_EQ(refusal("many"), "grid[1] is 100000; it must be 1 to 65535");
}

TEST_F(DispatchTest, TheSmCountIsASlot) {
  add("persistent", {{"priority", 1}, {"launch", {{"grid", {1, {{"mul", {"sm_count", 1000}}}, 1}}}}});
  add("plain");
  EXPECT_EQ(choices(), "plain:1-4096");
  request_.facts.sm_count = 65;
  EXPECT_EQ(choices(), "persistent:1-4096");
}

TEST_F(DispatchTest, WhatProvedUnusableIsRefusedWithThatReason) {
  add("best", {{"priority", 9}});
  add("plain");
  request_.unusable["quern/mxfp4-gemm:best"] = "it does not compile";
  EXPECT_EQ(choices(), "plain:1-4096");
  EXPECT_EQ(refusal("best"), "it does not compile");
  request_.unusable["quern/mxfp4-gemm:plain"] = "nor does it";
  EXPECT_EQ(choices(), "");
  EXPECT_NE(result_.failure.find("best: it does not compile; quern/mxfp4-gemm:plain: nor does it"), std::string::npos);
}

TEST_F(DispatchTest, OtherOperationsAreNoCandidates) {
  add("plain");
  for (const Refusal &refusal : dispatched().refusals)
    EXPECT_EQ(refusal.candidate.package->manifest.operation, &gemm_operation());
  EXPECT_EQ(result_.choices.size() + result_.refusals.size(), 1u);
}

// The generic kernel of each operation accepts every valid problem on every architecture.
TEST(BuiltinDispatch, ServesEveryProblemEverywhere) {
  const Catalog catalog("");
  for (const Target &target : known_targets()) {
    const DeviceFacts facts{target.capability, 1, shared_memory_of(target.capability), ""};
    for (const int64_t x : {2, 3}) {
      for (const int64_t bias : {0, 1, 2, 3}) {
        for (const auto &[m, n, k] :
             {std::array<int64_t, 3>{1, 1, 32}, {INT32_MAX, 1, 32}, {1, INT32_MAX, 32}, {8192, 201088, 2880}}) {
          Problem gemm{&gemm_operation(), {m, n, k, 1, x, 5 - x, bias, bias % 2}};
          const Dispatch result = dispatch(catalog, {gemm, facts, "", false, {}, {}});
          ASSERT_FALSE(result.choices.empty()) << target.name() << ": " << result.failure;
          EXPECT_EQ(result.choices.back().last, m);
        }
      }
    }
    for (const int64_t dst : {1, 2, 3}) {
      for (const int64_t rows : {INT64_C(1), INT64_C(1) << 40}) {
        Problem dequantize{&dequantize_operation(), {rows, 32, 1, dst, 1, 2, 1, 1}};
        EXPECT_FALSE(dispatch(catalog, {dequantize, facts, "", false, {}, {}}).choices.empty()) << target.name();
      }
    }
  }
}

}  // namespace
}  // namespace quern

#include "registry/package/manifest.hpp"

#include <functional>

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "registry/package/builtin_files.hpp"
#include "runtime/base/error.hpp"

namespace quern {
namespace {

using Json = nlohmann::json;

Json sound() {
  Json variant = gemm_variant("tiled");
  variant["accepts"]["m"] = {{"max", 64}};
  variant["accepts"]["k"] = {{"multiple_of", 64}};
  variant["specialize"] = {"x_dtype"};
  variant["defines"] = {{"TILE", 64}, {"STAGES", -4}};
  variant["launch"] = {{"grid", {Json{{"ceil_div", {"n", "TILE"}}}, "sm_count", 1}},
                       {"block", {128, 2, 1}},
                       {"cluster", {2, 1, 1}},
                       {"shared_bytes", {{"mul", {"TILE", 64}}}}};
  variant["workspace_bytes"] = {{"mul", {"m", "n", 4}}};
  Json manifest = gemm_manifest("you/my-gemm", {variant});
  manifest["summary"] = "one line";
  manifest["test"] = {{"shapes", {{{"m", 1}, {"n", 64}, {"k", 64}}}}};
  return manifest;
}

std::string refusal(const std::string &document) {
  try {
    parse_manifest(document, "a/kernel.json");
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_BAD_MANIFEST);
    EXPECT_EQ(std::string(error.what()).rfind("a/kernel.json: ", 0), 0u) << error.what();
    return error.what();
  }
  return "";
}

// "specialize" with one kind of problems.
Json kind(const char *name, const Json &where) {
  return Json::array({Json{{"name", name}, {"where", Json::array({where})}}});
}

struct Break {
  std::function<void(Json &manifest, Json &variant)> edit;
  const char *message;
};

// clang-format off
#define EDIT []([[maybe_unused]] Json &m, [[maybe_unused]] Json &v)

const Break kBreaks[] = {
    // the package
    {EDIT { m["schema"] = 2; }, "schema is 2; this Quern reads schema 1"},
    {EDIT { m.erase("schema"); }, "schema is missing"},
    {EDIT { m["schema"] = "1"; }, "schema is \"1\"; write an integer"},
    {EDIT { m.erase("id"); }, "id is missing"},
    {EDIT { m["id"] = "name"; }, "id is \"name\"; write owner/name"},
    {EDIT { m["id"] = "a/b/c"; }, "write owner/name"},
    {EDIT { m["id"] = "/name"; }, "write owner/name"},
    {EDIT { m["id"] = "owner/"; }, "write owner/name"},
    {EDIT { m["id"] = "../name"; }, "write owner/name"},
    {EDIT { m["id"] = "owner/.name"; }, "write owner/name"},
    {EDIT { m["id"] = "own er/name"; }, "write owner/name"},
    {EDIT { m["id"] = "owner/" + std::string(100, 'a'); }, "write owner/name"},
    {EDIT { m["version"] = 0; }, "version is 0; write an integer from 1"},
    {EDIT { m["version"] = 1.0; }, "version is 1.0; write an integer"},
    {EDIT { m["build"] = -1; }, "build is -1"},
    {EDIT { m["summary"] = 1; }, "summary is not a string"},
    {EDIT { m["license"] = Json::array(); }, "license is not a string"},
    {EDIT { m["operation"] = "conv"; }, "operation is \"conv\", which is not known"},
    {EDIT { m["params"] = 1; }, "params is 1; this Quern passes version 3 of gemm"},
    {EDIT { v["launch"]["dependent"] = 1; }, "variants[0].launch.dependent is 1; write true or false"},
    {EDIT { v["launch"]["tensor_maps"] = Json::array(); }, "variants[0].launch.tensor_maps is not a list of 1 to 4"},
    {EDIT { v["launch"]["tensor_maps"] = {{{"operand", "w"}, {"box", {64, 8}}}}; },
     "variants[0].launch.tensor_maps[0].operand is \"w\", which gemm has no tensor for"},
    {EDIT { v["launch"]["tensor_maps"] = {{{"operand", "x"}, {"box", {64}}}}; },
     "variants[0].launch.tensor_maps[0].box is not a list of 2 to 2 items"},
    {EDIT { v["launch"]["tensor_maps"] = {{{"operand", "x"}, {"box", {64, 257}}}}; },
     "variants[0].launch.tensor_maps[0].box[1] is 257; it must be 1 to 256"},
    {EDIT { v["launch"]["tensor_maps"] = {{{"operand", "x"}, {"box", {64, "n"}}}}; },
     "variants[0].launch.tensor_maps[0].box[1]: \"n\" is no problem size, define"},
    {EDIT { v["launch"]["tensor_maps"] = {{{"operand", "x"}, {"box", {64, 8}}, {"swizzle", 96}}}; },
     "variants[0].launch.tensor_maps[0].swizzle is 96; it must be 0, 32, 64 or 128"},
    {EDIT { v["launch"]["tensor_maps"] = {{{"operand", "x"}, {"box", {128, 8}}, {"swizzle", 128}}}; },
     "variants[0].launch.tensor_maps[0].box[0] has 256 bytes"},
    {EDIT { v["launch"]["tensor_maps"] = {{{"operand", "x"}, {"box", {4, 8}}}}; },
     "variants[0].launch.tensor_maps[0].box[0] has 8 bytes"},
    {EDIT { v["cost"] = "speed"; }, "variants[0].cost: \"speed\" is no problem size"},
    {EDIT { m["author"] = "me"; }, "author is not a known key"},
    {EDIT { m["variants"] = Json::array(); }, "variants is not a list of 1 to 256 items"},
    {EDIT { m["variants"] = Json::array({1}); }, "variants[0] is not an object"},
    {EDIT { m["variants"] = Json::array({v, v}); }, "variant tiled appears twice"},
    {EDIT { m["test"] = {{"shapes", {{{"m", 1}, {"n", 64}}}}}; }, "test.shapes[0].k is missing"},
    {EDIT { m["test"] = {{"shapes", {{{"m", 1}, {"n", 64}, {"k", 0}}}}}; }, "test.shapes[0].k is 0"},
    {EDIT { m["test"] = {{"shapes", {{{"m", 1}, {"n", 1}, {"k", 1}, {"b", 1}}}}}; }, "test.shapes[0].b is not a known"},
    {EDIT { m["test"]["seed"] = 1; }, "test.seed is not a known key"},
    // files
    {EDIT { m["files"] = Json::array(); }, "files is not a list of 1 to 512 items"},
    {EDIT { m["files"] = {1}; }, "files[0] is not an object"},
    {EDIT { m["files"].push_back("../x.cu"); }, "files[1] is \"../x.cu\"; write a relative path"},
    {EDIT { m["files"].push_back("a/../x.cu"); }, "files[1] is \"a/../x.cu\""},
    {EDIT { m["files"].push_back("/etc/passwd"); }, "files[1] is \"/etc/passwd\""},
    {EDIT { m["files"].push_back(".hidden"); }, "files[1] is \".hidden\""},
    {EDIT { m["files"].push_back("a/.hidden/b.h"); }, "files[1] is \"a/.hidden/b.h\""},
    {EDIT { m["files"].push_back("a//b.h"); }, "files[1] is \"a//b.h\""},
    {EDIT { m["files"].push_back("a/"); }, "files[1] is \"a/\""},
    {EDIT { m["files"].push_back(""); }, "files[1] is \"\""},
    {EDIT { m["files"].push_back("a\\b.h"); }, "files[1] is"},
    {EDIT { m["files"].push_back(std::string("a\0b", 3)); }, "files[1] is"},
    {EDIT { m["files"].push_back("1/2/3/4/5/6/7/8/9"); }, "files[1] is"},
    {EDIT { m["files"].push_back(std::string(201, 'a')); }, "files[1] is"},
    {EDIT { m["files"].push_back("KERNEL.CU"); }, "files[1]: KERNEL.CU is listed twice"},
    {EDIT { m["files"].push_back({{"path", "b.h"}, {"sha256", "abc"}}); }, "files[1].sha256 is not 64 lower-case"},
    {EDIT { m["files"].push_back({{"path", "b.h"}, {"sha256", std::string(64, 'A')}}); }, "files[1].sha256 is not 64"},
    {EDIT { m["files"].push_back({{"path", "b.h"}, {"size", 1}}); }, "files[1].size stands without sha256"},
    {EDIT { m["files"].push_back({{"path", "b.h"}, {"sha256", std::string(64, 'a')}, {"size", -1}}); },
     "files[1].size is -1; write an integer from 0"},
    {EDIT { m["files"].push_back({{"path", "b.h"}, {"sha256", std::string(64, 'a')}, {"size", 4194305}}); },
     "files[1].size is 4194305; write an integer from 0 to 4194304"},
    {EDIT { m["files"].push_back("kernel.cu/b.h"); }, "files[1]: kernel.cu/b.h is below kernel.cu, which is a file"},
    {EDIT { m["files"].push_back("kernel.json"); }, "files[1]: kernel.json is the manifest itself"},
    {EDIT { m["files"].push_back("aux.cuh"); }, "files[1] is \"aux.cuh\", which is a device's name on some systems"},
    {EDIT { m["files"].push_back(Json{{"sha256", ""}}); }, "files[1].path is missing"},
    // a variant
    {EDIT { v.erase("name"); }, "variants[0].name is missing"},
    {EDIT { v["name"] = "a-b"; }, "variants[0].name is not an identifier"},
    {EDIT { v["name"] = ""; }, "variants[0].name is not an identifier"},
    {EDIT { v["entry"] = "9lives"; }, "variants[0].entry is not an identifier"},
    {EDIT { v["entry"] = "k(int)"; }, "variants[0].entry is not an identifier"},
    {EDIT { v["unit"] = "other.cu"; }, "variants[0].unit: other.cu is not among files; list it"},
    {EDIT { v["priority"] = 1000001; }, "variants[0].priority is 1000001"},
    {EDIT { v["tile"] = 1; }, "variants[0].tile is not a known key"},
    {EDIT { v.erase("capability"); }, "variants[0].capability: give either capability"},
    {EDIT { v["archs"] = {"sm_90a"}; }, "variants[0].capability: give either capability"},
    {EDIT { v["capability"] = {{"max", "9.0"}}; }, "variants[0].capability.min is missing"},
    {EDIT { v["capability"]["min"] = "nine"; }, "variants[0].capability.min is \"nine\""},
    {EDIT { v["capability"] = {{"min", "9.0"}, {"max", "8.0"}}; }, "variants[0].capability.min is above max"},
    {EDIT { v.erase("capability"), v["archs"] = Json::array(); }, "variants[0].archs is not a list of 1 to 32"},
    {EDIT { v.erase("capability"), v["archs"] = {"ampere"}; }, "variants[0].archs: \"ampere\" is no architecture"},
    {EDIT { v.erase("capability"), v["archs"] = {"compute_80"}; }, "variants[0].archs: write sm_, not compute_"},
    // what it accepts
    {EDIT { v.erase("accepts"); }, "variants[0].accepts is missing"},
    {EDIT { v["accepts"]["rows"] = Json::object(); }, "variants[0].accepts.rows is not a known key"},
    {EDIT { v["accepts"]["x_dtype"] = {"f8"}; }, "variants[0].accepts.x_dtype: \"f8\" is no value of x_dtype"},
    {EDIT { v["accepts"]["x_dtype"] = Json::array(); }, "variants[0].accepts.x_dtype is not a list of names"},
    {EDIT { v["accepts"]["x_dtype"] = "f16"; }, "variants[0].accepts.x_dtype is not a list of names"},
    {EDIT { v["accepts"]["x_dtype"] = {2}; }, "variants[0].accepts.x_dtype is not a string"},
    {EDIT { v["accepts"]["k"] = {32}; }, "variants[0].accepts.k is not an object"},
    {EDIT { v["accepts"]["k"] = {{"multiple_of", 0}}; }, "variants[0].accepts.k.multiple_of is 0"},
    {EDIT { v["accepts"]["k"] = {{"min", 9}, {"max", 8}}; }, "variants[0].accepts.k.min is above max"},
    {EDIT { v["accepts"]["k"] = {{"step", 8}}; }, "variants[0].accepts.k.step is not a known key"},
    {EDIT { v["accepts"]["m"] = {{"multiple_of", 8}}; }, "variants[0].accepts.m.multiple_of is not for m"},
    {EDIT { v["specialize"] = {"n"}; }, "variants[0].specialize: \"n\" is no option of gemm"},
    {EDIT { v["specialize"] = {"dst_dtype"}; }, "variants[0].specialize: \"dst_dtype\" is no option of gemm"},
    {EDIT { v["specialize"] = {"x_dtype", "x_dtype"}; }, "variants[0].specialize: \"x_dtype\" appears twice"},
    {EDIT { v["specialize"] = Json::array({7}); }, "variants[0].specialize is not a string"},
    {EDIT { v["specialize"] = kind("Plain", {{"y_dtype", "f16"}}); }, "specialize[0].name is \"Plain\"; write small"},
    {EDIT { v["specialize"] = kind("", {{"y_dtype", "f16"}}); }, "specialize[0].name is \"\"; write small letters"},
    {EDIT { v["specialize"] = kind("residual", {{"y_dtype", "f16"}}); }, "small letters, digits and _, and no field"},
    {EDIT { v["specialize"] = kind("p", Json::object()); }, "specialize[0].where[0] has no option"},
    {EDIT { v["specialize"] = kind("p", {{"n", 64}}); }, "specialize[0].where[0].n is no option"},
    {EDIT { v["specialize"] = kind("p", {{"m", 1}}); }, "specialize[0].where[0].m is no field of gemm that a plan"},
    {EDIT { v["specialize"] = kind("p", {{"y_dtype", "f8"}}); }, "where[0].y_dtype: \"f8\" is no value of y_dtype"},
    {EDIT { v["specialize"] = kind("p", {{"residual", "yes"}}); }, "where[0].residual is yes, which accepts refuses"},
    {EDIT { v["specialize"] = Json::array({Json{{"name", "p"}}}); }, "variants[0].specialize[0].where is missing"},
    {EDIT { v["specialize"] = kind("p", {{"y_dtype", "f16"}}), v["specialize"].push_back(v["specialize"][0]); },
     "variants[0].specialize: \"p\" appears twice"},
    {EDIT { v["defines"] = {1}; }, "variants[0].defines is not an object"},
    {EDIT { v["defines"]["A B"] = 1; }, "variants[0].defines.A B: write an identifier"},
    {EDIT { v["defines"]["QUERN_X_DTYPE"] = 1; }, "variants[0].defines.QUERN_X_DTYPE: write an identifier"},
    {EDIT { v["defines"]["__CUDA_ARCH__"] = 1; }, "variants[0].defines.__CUDA_ARCH__: write an identifier"},
    {EDIT { v["defines"]["A"] = "1 -o x"; }, "variants[0].defines.A is \"1 -o x\"; write an integer"},
    {EDIT { for (int i = 0; i < 65; ++i) v["defines"]["A" + std::to_string(i)] = i; }, "has more than 64 names"},
    // its launch
    {EDIT { v.erase("launch"); }, "variants[0].launch is missing"},
    {EDIT { v["launch"]["grid"] = {1, 1}; }, "variants[0].launch.grid is not a list of 3"},
    {EDIT { v["launch"]["grid"][1] = {{"pow", {2, 3}}}; }, "variants[0].launch.grid[1] is no expression"},
    {EDIT { v["launch"]["grid"][0] = "rows"; }, "variants[0].launch.grid[0]: \"rows\" is no problem size"},
    {EDIT { v["launch"].erase("block"); }, "variants[0].launch.block is missing"},
    {EDIT { v["launch"]["block"] = {1024, 2, 1}; }, "variants[0].launch.block has the product 2048; at most 1024"},
    {EDIT { v["launch"]["block"] = {0, 1, 1}; }, "variants[0].launch.block[0] is 0"},
    {EDIT { v["launch"]["block"] = {1, 1}; }, "variants[0].launch.block is not a list of 3 integers"},
    {EDIT { v["launch"]["block"] = {"n", 1, 1}; }, "variants[0].launch.block[0] is \"n\""},
    {EDIT { v["launch"]["cluster"] = {17, 1, 1}; }, "variants[0].launch.cluster[0] is 17"},
    {EDIT { v["launch"]["cluster"] = {8, 4, 1}; }, "variants[0].launch.cluster has the product 32; at most 16"},
    {EDIT { v["launch"]["shared_bytes"] = "TILES"; }, "variants[0].launch.shared_bytes: \"TILES\" is no"},
    {EDIT { v["launch"]["stream"] = 0; }, "variants[0].launch.stream is not a known key"},
    {EDIT { v["workspace_bytes"] = -1; }, "variants[0].workspace_bytes is -1"},
};
// clang-format on

TEST(ParseManifest, RefusesEachBrokenRuleWithItsPlace) {
  for (const Break &item : kBreaks) {
    Json manifest = sound();
    Json variant = manifest["variants"][0];
    const Json before = variant, variants = manifest["variants"];
    item.edit(manifest, variant);
    if (manifest.contains("variants") && manifest["variants"] == variants && variant != before) {
      manifest["variants"][0] = variant;
    }
    const std::string message = refusal(manifest.dump());
    EXPECT_NE(message.find(item.message), std::string::npos)
        << "expected: " << item.message << "\n     got: " << message;
  }
}

TEST(ParseManifest, RefusesWhatIsNoManifest) {
  for (const char *document : {"", "[]", "null", "{", "{\"schema\": 1, \"schema\": 1}"})
    EXPECT_NE(refusal(document), "") << document;
}

TEST(ParseManifest, ReadsEveryField) {
  const std::string text = sound().dump();
  const Manifest manifest = parse_manifest(text, "a/kernel.json");
  EXPECT_EQ(manifest.id, "you/my-gemm");
  EXPECT_EQ(manifest.version, 1);
  EXPECT_EQ(manifest.summary, "one line");
  EXPECT_EQ(manifest.text, text);
  EXPECT_EQ(manifest.operation, &gemm_operation());
  ASSERT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(manifest.files[0].path, "kernel.cu");
  ASSERT_EQ(manifest.variants.size(), 1u);
  const Variant &variant = manifest.variants[0];
  EXPECT_EQ(variant.entry, "test_gemm");
  EXPECT_EQ(variant.archs_text(), "7.5 and up");
  const auto field = [](const char *name) { return static_cast<size_t>(gemm_operation().find(name)); };
  EXPECT_EQ(variant.specialize.options, std::vector<size_t>{field("x_dtype")});
  EXPECT_TRUE(variant.specialize.kinds.empty());
  ASSERT_EQ(variant.accepts.size(), gemm_operation().fields.size());
  EXPECT_EQ(variant.accepts[field("m")].most, 64);
  EXPECT_EQ(variant.accepts[field("k")].multiple_of, 64);
  EXPECT_EQ(variant.accepts[field("n")].most, INT64_MAX);
  EXPECT_EQ(variant.accepts[field("x_dtype")].one_of, (std::vector<int64_t>{2, 3}));
  std::array<int64_t, kSlots> slots{};
  slots[field("m")] = 3;
  slots[field("n")] = 130;
  slots[kSmCountSlot] = 78;
  EXPECT_EQ(variant.launch.grid[0].evaluate(slots), 3);
  EXPECT_EQ(variant.launch.grid[1].evaluate(slots), 78);
  EXPECT_EQ(variant.launch.shared_bytes.evaluate(slots), 4096);
  EXPECT_EQ(variant.workspace_bytes.evaluate(slots), 1560);
  EXPECT_EQ(variant.launch.block, (std::array<uint32_t, 3>{128, 2, 1}));
  EXPECT_EQ(variant.launch.cluster, (std::array<uint32_t, 3>{2, 1, 1}));
}

TEST(ParseManifest, AnOptionNotMentionedAcceptsOnlyItsDefault) {
  Json manifest = sound();
  manifest["variants"][0]["accepts"] = Json::object();
  const Manifest parsed = parse_manifest(manifest.dump(), "");
  for (size_t i = 0; i < gemm_operation().fields.size(); ++i) {
    const Constraint &constraint = parsed.variants[0].accepts[i];
    EXPECT_EQ(constraint.field, i);
    const bool is_option = gemm_operation().fields[i].kind == FieldKind::kOption;
    EXPECT_EQ(constraint.one_of, is_option ? std::vector<int64_t>{0} : std::vector<int64_t>{});
  }
}

TEST(ParseManifest, ArchsGiveTheRange) {
  Json manifest = sound();
  manifest["variants"][0].erase("capability");
  manifest["variants"][0]["archs"] = {"sm_120", "sm_90a"};
  const Variant variant = parse_manifest(manifest.dump(), "").variants[0];
  EXPECT_EQ(variant.least_capability, 90);
  EXPECT_EQ(variant.most_capability, 120);
  EXPECT_EQ(variant.archs_text(), "sm_120a, sm_90a");
  manifest = sound();
  manifest["variants"][0]["capability"] = {{"min", "8.0"}, {"max", "8.9"}};
  EXPECT_EQ(parse_manifest(manifest.dump(), "").variants[0].archs_text(), "8.0 to 8.9");
}

TEST(ParseManifest, ReadsTensorMapsAndCosts) {
  Json manifest = sound();
  EXPECT_TRUE(parse_manifest(manifest.dump(), "").variants[0].launch.tensor_maps.empty());
  EXPECT_FALSE(parse_manifest(manifest.dump(), "").variants[0].launch.dependent);
  EXPECT_FALSE(parse_manifest(manifest.dump(), "").variants[0].cost);
  Json &variant = manifest["variants"][0];
  variant["defines"]["TOKENS"] = 48;
  variant["cost"] = {{"mul", {"m", "TOKENS"}}};
  variant["launch"]["dependent"] = true;
  variant["launch"]["tensor_maps"] = {{{"operand", "tiles"}, {"box", {136, 16}}},
                                      {{"operand", "x"}, {"box", {64, "TOKENS"}}, {"swizzle", 128}}};
  const Variant read = parse_manifest(manifest.dump(), "").variants[0];
  EXPECT_TRUE(read.launch.dependent);
  ASSERT_EQ(read.launch.tensor_maps.size(), 2u);
  EXPECT_EQ(read.launch.tensor_maps[0].operand, 1u);
  EXPECT_EQ(read.launch.tensor_maps[0].box, (std::array<uint32_t, 2>{136, 16}));
  EXPECT_EQ(read.launch.tensor_maps[0].swizzle, 0u);
  EXPECT_EQ(read.launch.tensor_maps[1].operand, 0u);
  EXPECT_EQ(read.launch.tensor_maps[1].box, (std::array<uint32_t, 2>{64, 48}));
  EXPECT_EQ(read.launch.tensor_maps[1].swizzle, 128u);
  std::array<int64_t, kSlots> slots{};
  slots[0] = 3;
  EXPECT_EQ(read.cost->evaluate(slots), 144);
}

TEST(ParseManifest, InstancesAreVariantsWithMembersReplaced) {
  Json manifest = sound();
  Json &variant = manifest["variants"][0];
  variant["defines"]["SPLIT"] = 1;
  variant["instances"] = {{{"name", "one"}}, {{"name", "two"}, {"priority", 9}, {"defines", {{"SPLIT", 2}}}}};
  const auto variants = parse_manifest(manifest.dump(), "").variants;
  ASSERT_EQ(variants.size(), 2u);
  EXPECT_EQ(variants[0].name, "one");
  EXPECT_EQ(variants[1].name, "two");
  EXPECT_EQ(variants[1].priority, 9);
  const auto split = [](const Variant &of) {
    for (const auto &[name, value] : of.defines) {
      if (name == "SPLIT") return value;
    }
    return int64_t{0};
  };
  EXPECT_EQ(split(variants[0]), 1);
  EXPECT_EQ(split(variants[1]), 2);
  EXPECT_EQ(variants[1].defines.size(), variants[0].defines.size());
  variant["instances"] = {{{"name", "one"}}, {{"name", "one"}}};
  EXPECT_EQ(refusal(manifest.dump()), "a/kernel.json: variant one appears twice");
  variant["instances"] = Json::array();
  EXPECT_EQ(refusal(manifest.dump()), "a/kernel.json: variants[0].instances is not a list of objects");
}

TEST(ParseManifest, ConstantsAreForExpressionsAndNotForTheSource) {
  Json manifest = sound();
  Json &variant = manifest["variants"][0];
  const size_t defines = parse_manifest(manifest.dump(), "").variants[0].defines.size();
  variant["constants"] = {{"SLOPE", -7}};
  variant["cost"] = {{"mul", {"SLOPE", 3}}};
  const Variant read = parse_manifest(manifest.dump(), "").variants[0];
  EXPECT_EQ(read.cost->evaluate(std::array<int64_t, kSlots>{}), -21);
  EXPECT_EQ(read.defines.size(), defines);
  variant["defines"]["SLOPE"] = 1;
  EXPECT_NE(refusal(manifest.dump()).find("variants[0].constants.SLOPE is a define too"), std::string::npos);
}

TEST(ParseManifest, TermsNameExpressionsForThoseBehindThem) {
  Json manifest = sound();
  Json &variant = manifest["variants"][0];
  const auto list = [](auto... items) { return Json::array({items...}); };  // pairs in braces would be an object
  variant["terms"] = list(list("twice", Json{{"mul", {"m", 2}}}), list("more", Json{{"add", {"twice", "twice", 1}}}));
  variant["cost"] = {{"mul", {"more", 10}}};
  std::array<int64_t, kSlots> slots{};
  slots[0] = 3;
  EXPECT_EQ(parse_manifest(manifest.dump(), "").variants[0].cost->evaluate(slots), 130);
  const std::pair<Json, const char *> broken[] = {
      {list(list("a", "b"), list("b", 1)), "terms[0]: \"b\" is no problem size"},
      {list(list("m", 1)), "terms[0]: \"m\" is no identifier, or already has a meaning"},
      {list(list("a", 1), list("a", 2)), "terms[1]: \"a\" is no identifier, or already has a meaning"},
      {list(list("a", 1, 2)), "terms[0] is not [name, expression]"}};
  for (const auto &[terms, message] : broken) {
    variant["terms"] = terms;
    EXPECT_NE(refusal(manifest.dump()).find(message), std::string::npos) << refusal(manifest.dump());
  }
  // Each term is twice the one before: what is written is short, what it stands for is not.
  variant["terms"] = Json::array({Json::array({"t0", {{"add", {"m", 1}}}})});
  for (int i = 1; i < 12; ++i) {
    const std::string before = "t" + std::to_string(i - 1);
    variant["terms"].push_back({"t" + std::to_string(i), {{"add", {before, before}}}});
  }
  EXPECT_NE(refusal(manifest.dump()).find("steps with its terms; at most 512"), std::string::npos);
}

TEST(ParseManifest, ReadsWhatWasMeasured) {
  Json manifest = sound();
  const std::string name = manifest["variants"][0]["name"];
  manifest["measured"] = {{{"device", "NVIDIA H200"},
                           {"where", {{"n", 2880}, {"layout", "mma16_bf16"}}},
                           {"steps", {{16, name}, {64, "you/other:b"}}}}};
  const Manifest read = parse_manifest(manifest.dump(), "");
  ASSERT_EQ(read.measured.size(), 1u);
  EXPECT_EQ(read.measured[0].steps[0].kernel, read.id + ":" + name);
  EXPECT_EQ(read.measured[0].steps[1].kernel, "you/other:b");
  Problem problem{&gemm_operation()};
  problem["n"] = 2880;
  problem["layout"] = 1;
  EXPECT_TRUE(read.measured[0].fits(problem, "NVIDIA H200"));
  EXPECT_FALSE(read.measured[0].fits(problem, "NVIDIA H100"));
  problem["n"] = 2881;
  EXPECT_FALSE(read.measured[0].fits(problem, "NVIDIA H200"));
  const std::string written = write_measurement(read.measured[0], gemm_operation());
  EXPECT_EQ(read_measurement(parse_strict(written, "written"), "", gemm_operation(), "").steps.size(), 2u);
  for (const char *field : {"m", "speed"}) {
    Json broken = manifest;
    broken["measured"][0]["where"][field] = 3;
    EXPECT_NE(refusal(broken.dump()).find(std::string(field) + " is no field of gemm that a plan fixes"),
              std::string::npos);
  }
  manifest["measured"][0]["steps"] = {{16, "gone"}};
  EXPECT_NE(refusal(manifest.dump()).find("measured[0].steps names " + read.id + ":gone, and no variant is called so"),
            std::string::npos);
  manifest["measured"][0]["steps"] = {{16, name}, {16, name}};
  EXPECT_NE(refusal(manifest.dump()).find("measured[0].steps[1] has a size that is not above"), std::string::npos);
}

TEST(ParseManifest, PassesOverKeysThatBeginWithX) {
  Json manifest = sound();
  manifest["x-note"] = {{"half", 0.5}};
  manifest["variants"][0]["x-tuned"] = "by hand";
  EXPECT_EQ(refusal(manifest.dump()), "");
}

TEST(ParseManifest, ReadsTheBuiltInOnes) {
  int found = 0;
  for (const BuiltinFile &file : builtin_files()) {
    if (!file.path.ends_with("/kernel.json")) continue;
    const Manifest manifest = parse_manifest(file.content, std::string(file.path));
    EXPECT_EQ("quern/" + std::string(file.path), manifest.id + "/kernel.json");
    ++found;
  }
  EXPECT_EQ(found, 4);
}

}  // namespace

TEST(ParseManifest, KernelsOfTheHostsOwnHaveNeitherLaunchNorAccepts) {
  nlohmann::json manifest = {{"schema", 1},
                             {"id", "you/scale"},
                             {"version", 1},
                             {"operation", "custom"},
                             {"params", 1},
                             {"files", {"scale.cu"}},
                             {"variants",
                              {{{"name", "scale"},
                                {"unit", "scale.cu"},
                                {"entry", "scale"},
                                {"capability", {{"min", "7.5"}}},
                                {"defines", {{"T", 4}}}}}}};
  const Manifest parsed = parse_manifest(manifest.dump(), "kernel.json");
  EXPECT_TRUE(parsed.operation->is_hosts_own());
  ASSERT_EQ(parsed.variants.size(), 1u);
  EXPECT_EQ(parsed.variants[0].defines.front().second, 4);
  EXPECT_TRUE(parsed.variants[0].accepts.empty());
  for (const char *key : {"launch", "accepts", "priority", "specialize", "workspace_bytes", "cost"}) {
    nlohmann::json with = manifest;
    with["variants"][0][key] = 1;
    EXPECT_THROW(parse_manifest(with.dump(), "kernel.json"), Error) << key;
  }
}

}  // namespace quern

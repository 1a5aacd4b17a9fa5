#include "runtime/compile/compile_unit.hpp"

#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "package_builder.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;
using Values = std::array<int64_t, kMaxFields>;

size_t field(const char *name) { return static_cast<size_t>(gemm_operation().find(name)); }

UnitFields simple() {
  UnitFields unit;
  unit.source = std::make_shared<UnitSource>(UnitSource{"kernel.cu", "// source", {}, std::string(64, 'c')});
  unit.options = {"--one", "--two"};
  unit.target = parse_target("sm_90a");
  unit.entry = "test_gemm";
  unit.parameter_sizes = {96};
  unit.kernel = "you/test:one";
  unit.digest = std::string(64, 'a');
  unit.types = "x_dtype=bf16";
  return unit;
}

TEST(Request, ChangesWithEachInputAlone) {
  const std::function<void(UnitFields &)> edits[] = {
      [](UnitFields &) {},
      [](UnitFields &u) {
        u.source = std::make_shared<UnitSource>(UnitSource{"", "", {}, std::string(64, 'd')});
      },
      [](UnitFields &u) { u.options[0] = "--three"; },
      [](UnitFields &u) { std::swap(u.options[0], u.options[1]); },
      [](UnitFields &u) { u.options.pop_back(); },
      [](UnitFields &u) { u.options = {"--one--two"}; },
      [](UnitFields &u) { u.target = parse_target("sm_80"); },
      [](UnitFields &u) { u.target = parse_target("compute_90a"); },
      [](UnitFields &u) { u.target = parse_target("compute_90"); },
      [](UnitFields &u) { u.entry = "test_gemm2"; },
  };
  std::set<std::string> requests;
  for (const auto &edit : edits) {
    UnitFields unit = simple();
    edit(unit);
    const std::string request = CompileUnit(unit).request();
    requests.insert(request);
    EXPECT_TRUE(is_hex_digest(request));
  }
  EXPECT_EQ(requests.size(), std::size(edits));
}

// What is not compiled does not change the code: the cache serves whoever asks for the same bytes.
TEST(Request, DoesNotChangeWithNames) {
  UnitFields unit = simple();
  unit.kernel = "other/name:two";
  unit.digest = std::string(64, 'b');
  unit.types = "";
  EXPECT_EQ(CompileUnit(unit).request(), CompileUnit(simple()).request());
}

// Requests name files on disk; a change here makes every cache cold.
TEST(Request, IsPinned) {
  EXPECT_EQ(CompileUnit(simple()).request(), "90e87459f3f52777a87ad200324126f7a5905e59e1aaf5c281e459a41aec1a10");
}

class MakeCompileUnitTest : public testing::Test {
 protected:
  std::shared_ptr<const Package> load(const fs::path &directory) const {
    return load_package(write_package(directory, gemm_manifest("you/test", {variant_})));
  }
  CompileUnit make(const std::string &target, const Values &values = {}) const {
    const auto package = load(directory_ / "package");
    const Variant &variant = package->manifest.variants[0];
    return make_compile_unit(*package, variant, parse_target(target), variant.specialize.of(values));
  }
  TemporaryDirectory directory_;
  nlohmann::json variant_ = gemm_variant("one");
};

TEST_F(MakeCompileUnitTest, OptionsHoldTargetSpecialisedTypesAndDefines) {
  variant_["specialize"] = {"x_dtype", "bias_dtype"};
  variant_["defines"] = {{"TILE", 64}, {"LEAST", -1}};
  Values values{};
  values[field("x_dtype")] = 3;
  values[field("y_dtype")] = 2;
  const CompileUnit unit = make("sm_90a", values);
  EXPECT_EQ(unit->options, (std::vector<std::string>{"--gpu-architecture=sm_90a", "--std=c++17", "--no-source-include",
                                                     "--ptxas-options=-v", "-DQUERN_X_DTYPE=3", "-DQUERN_BIAS_DTYPE=0",
                                                     "-DLEAST=-1", "-DTILE=64"}));
  EXPECT_EQ(unit->types, "x_dtype=bf16,bias_dtype=none");
  EXPECT_EQ(unit->kernel, "you/test:one");
  EXPECT_EQ(unit->entry, "test_gemm");
  EXPECT_EQ(unit->parameter_sizes, std::vector<size_t>{128});
  EXPECT_EQ(make("compute_80", values)->options[0], "--gpu-architecture=compute_80");
}

TEST_F(MakeCompileUnitTest, OnlySpecialisedValuesCount) {
  variant_["specialize"] = {"x_dtype"};
  Values values{}, sizes{}, types{};
  sizes[field("n")] = 5;
  sizes[field("y_dtype")] = 2;
  types[field("x_dtype")] = 2;
  EXPECT_EQ(make("sm_80", sizes).request(), make("sm_80", values).request());
  EXPECT_NE(make("sm_80", types).request(), make("sm_80", values).request());
}

TEST_F(MakeCompileUnitTest, EverythingThatIsCompiledCountsAndNothingElse) {
  nlohmann::json manifest = gemm_manifest("you/test", {variant_});
  manifest["files"] = {"kernel.cu", "other.cu", "a.h", "b.h", "unused.h"};
  std::string kernel = "#include <a.h>\n", a = "// a\n", b = "// b\n", unused = "// unused\n", unit = "kernel.cu";
  const auto request = [&] {
    manifest["variants"][0]["unit"] = unit;
    const fs::path package = write_package(directory_ / "package", manifest, kernel);
    write_text(package / "other.cu", kernel);
    write_text(package / "a.h", a);
    write_text(package / "b.h", b);
    write_text(package / "unused.h", unused);
    const auto loaded = load_package(package);
    return make_compile_unit(*loaded, loaded->manifest.variants[0], parse_target("sm_80"), {}).request();
  };
  std::set<std::string> requests{request()};
  unused = "// changed\n";
  b = "// changed\n";
  manifest["summary"] = "changed";
  requests.insert(request());
  EXPECT_EQ(requests.size(), 1u);
  a += "\n";
  requests.insert(request());
  kernel += "\n";
  requests.insert(request());
  unit = "other.cu";  // the same text under another name, which reaches the log and __FILE__
  requests.insert(request());
  kernel = "#include <b.h>\n";
  b = a;  // the same header under another name
  requests.insert(request());
  EXPECT_EQ(requests.size(), 5u);
}

TEST_F(MakeCompileUnitTest, TheDirectoryDoesNotCount) {
  const auto here = load(directory_ / "here"), there = load(directory_ / "there");
  const auto request = [](const Package &package) {
    return make_compile_unit(package, package.manifest.variants[0], parse_target("sm_80"), {}).request();
  };
  EXPECT_EQ(request(*here), request(*there));
}

TEST_F(MakeCompileUnitTest, AKindOfProblemsIsAMacroAndAType) {
  variant_["specialize"] = {
      {{"name", "plain_y"}, {"where", {{{"y_dtype", "f16"}, {"residual", "no"}}, {{"y_dtype", "bf16"}}}}}, "x_dtype"};
  Values values{};
  values[field("x_dtype")] = 3;
  values[field("y_dtype")] = 2;
  const CompileUnit plain = make("sm_90a", values);
  EXPECT_EQ(plain->options[4], "-DQUERN_X_DTYPE=3");
  EXPECT_EQ(plain->options[5], "-DQUERN_PLAIN_Y=1");
  EXPECT_EQ(plain->types, "x_dtype=bf16,plain_y=yes");
  values[field("y_dtype")] = 1;
  const CompileUnit any = make("sm_90a", values);
  EXPECT_EQ(any->options[5], "-DQUERN_PLAIN_Y=0");
  EXPECT_EQ(any->types, "x_dtype=bf16,plain_y=no");
  EXPECT_NE(any.request(), plain.request());
}

}  // namespace
}  // namespace quern

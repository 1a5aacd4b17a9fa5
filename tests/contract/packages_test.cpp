// Every unit of every built-in package, through NVRTC: it compiles cleanly for every architecture it serves.
#include <cstdio>
#include <set>

#include "nvrtc_required.hpp"
#include "registry/package/package.hpp"
#include "runtime/compile/compiler.hpp"
#include "runtime/cuda/code_image.hpp"
#include "runtime/hub/prefetch.hpp"

namespace quern {
namespace {

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const Target &target : known_targets()) names.push_back(target.name());
  names.insert(names.end(), {"compute_75", "compute_80"});
  return names;
}

class PackagesTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { require_nvrtc(nvrtc_.missing()); }
  std::vector<CompileUnit> units() const { return units_of(builtin_packages(), {parse_target(GetParam())}); }
  Nvrtc nvrtc_{"", read_environment()};
};

TEST_P(PackagesTest, CompileCleanly) {
  ASSERT_TRUE(nvrtc_supports(nvrtc_, parse_target(GetParam()))) << "this NVRTC is too old for " << GetParam();
  ASSERT_GE(units().size(), 7u);
  for (const CompileUnit &unit : units()) {
    const Compiled compiled = compile(nvrtc_, unit);
    const std::string name = unit->kernel + " " + GetParam() + " " + unit->types;
    std::printf("%-50s %-12s %-14s %5d ms %4d registers %6d bytes shared\n", unit->kernel.c_str(), GetParam().c_str(),
                unit->types.c_str(), compiled.milliseconds, compiled.resources.registers,
                compiled.resources.shared_bytes);
    EXPECT_EQ(compiled.warnings, "") << name;
    EXPECT_EQ(parameter_sizes(compiled.code, unit->entry), unit->parameter_sizes) << name;
    if (unit->target.ptx) {
      EXPECT_EQ(compiled.resources.registers, -1) << name;
      continue;
    }
    EXPECT_EQ(compiled.resources.spill_bytes, 0) << name;
    EXPECT_GT(compiled.resources.registers, 0) << name;
    EXPECT_LE(compiled.resources.registers, 255) << name;
    EXPECT_LE(compiled.resources.shared_bytes, 48 << 10) << name;  // static: what needs no opt-in
  }
}

// The cache takes one compile for another, so compiling must be a function of its inputs. One variant of each source
// shows it.
TEST_P(PackagesTest, CompileToTheSameBytes) {
  std::set<std::string> seen;
  for (const CompileUnit &unit : units()) {
    if (!seen.insert(unit->source->digest).second) continue;
    EXPECT_TRUE(compile(nvrtc_, unit).code == compile(nvrtc_, unit).code) << unit->kernel << " " << unit->types;
  }
}

INSTANTIATE_TEST_SUITE_P(, PackagesTest, testing::ValuesIn(target_names()),
                         [](const auto &test) { return test.param; });

}  // namespace
}  // namespace quern

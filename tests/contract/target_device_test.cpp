// Plans on architectures without hardware: which kernels are chosen, and what becomes of packages that an author got
// wrong.
#include "nvrtc_required.hpp"
#include "package_builder.hpp"
#include "runtime/base/error.hpp"
#include "runtime/plan.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

quern_gemm_desc gemm_of(int64_t m_max) {
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
  desc.m_max = m_max;
  desc.n = 64;
  desc.k = 64;
  return desc;
}

quern_dequantize_desc dequantize_of(int64_t rows_max) {
  quern_dequantize_desc desc = QUERN_DEQUANTIZE_DESC_INIT;
  desc.dst_dtype = QUERN_DTYPE_BF16;
  desc.rows_max = rows_max;
  desc.k = 64;
  return desc;
}

template <typename Body>
Error error_of(Body body) {
  try {
    body();
  } catch (const Error &error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {QUERN_OK, ""};
}

#define EXPECT_SAYS(error, part) EXPECT_NE(std::string((error).what()).find(part), std::string::npos) << (error).what()

// "kernel:variant@first-last" of the chosen, one after the other.
std::string chosen(const std::vector<Explanation> &rows) {
  std::string out;
  for (const Explanation &row : rows) {
    if (!row.chosen) continue;
    out += (out.empty() ? "" : " ") + row.kernel + "@" + std::to_string(row.first) + "-" + std::to_string(row.last);
  }
  return out;
}

std::string reason(const std::vector<Explanation> &rows, const std::string &kernel) {
  for (const Explanation &row : rows) {
    if (!row.chosen && row.kernel == kernel) return row.reason;
  }
  return "(not refused)";
}

class TargetDeviceTest : public NvrtcRequired {
 protected:
  std::shared_ptr<Device> open(const std::string &name) {
    quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
    const std::string cache = (directory_ / "cache").string();
    options.cache_dir = cache.c_str();
    options.kernel_path = kernel_path_.c_str();
    options.jit = jit_;
    Environment environment = read_environment();
    environment.kernel_force = force_;
    environment.cache_mode = environment.jit = environment.log = "";
    return Device::open(std::make_shared<Hub>(resolve_settings(options, environment)), name);
  }
  // A package you/gemm with one variant "one" before all others, from this source.
  void offer(const std::string &source) {
    nlohmann::json variant = gemm_variant("one");
    variant["priority"] = 1000;
    kernel_path_ = write_package(directory_ / "package", gemm_manifest("you/gemm", {variant}), source).string();
  }

  TemporaryDirectory directory_;
  std::string kernel_path_, force_;
  quern_jit jit_ = QUERN_JIT_ALLOW;
};

TEST_F(TargetDeviceTest, NamesThatAreNoArchitecture) {
  for (const char *name : {"sm_70", "sm_", "sm_90b", "compute_80", "gpu"}) {
    EXPECT_EQ(error_of([&] { open(name); }).status(), QUERN_INVALID_ARGUMENT) << name;
  }
}

TEST_F(TargetDeviceTest, RunsAreRefused) {
  const auto device = open("sm_80");
  alignas(256) static char memory[64 * 64 * 4];
  quern_gemm_args gemm = QUERN_GEMM_ARGS_INIT;
  gemm.m = 1;
  gemm.x = gemm.blocks = gemm.scales = memory;
  gemm.y = memory;
  const GemmPlan plan(device, gemm_of(8));
  const Error error = error_of([&] { plan.run(gemm, nullptr); });
  EXPECT_EQ(error.status(), QUERN_CUDA_UNAVAILABLE);
  EXPECT_SAYS(error, "sm_80 is an architecture without hardware");
  gemm.m = 9;
  EXPECT_EQ(error_of([&] { plan.run(gemm, nullptr); }).status(), QUERN_INVALID_ARGUMENT);
  quern_dequantize_args dequantize = QUERN_DEQUANTIZE_ARGS_INIT;
  dequantize.rows = 1;
  dequantize.blocks = dequantize.scales = memory;
  dequantize.dst = memory;
  EXPECT_EQ(error_of([&] { DequantizePlan(device, dequantize_of(8)).run(dequantize, nullptr); }).status(),
            QUERN_CUDA_UNAVAILABLE);
  EXPECT_EQ(error_of([&] { device->allocate(1); }).status(), QUERN_CUDA_UNAVAILABLE);
}

TEST_F(TargetDeviceTest, ForbiddenToCompileAnEmptyCachePlansNothing) {
  jit_ = QUERN_JIT_FORBID;
  EXPECT_EQ(error_of([&] { GemmPlan(open("sm_80"), gemm_of(8)); }).status(), QUERN_JIT_FORBIDDEN);
}

TEST_F(TargetDeviceTest, EachArchitectureGetsItsKernels) {
  const auto rows = [&](const char *name) {
    const auto device = open(name);
    EXPECT_EQ(device->kind(), QUERN_DEVICE_TARGET);
    const GemmPlan plan(device, gemm_of(64));
    for (const Explanation &row : plan.executor().explanation()) {
      EXPECT_EQ(row.origin, "built-in");
      EXPECT_EQ(row.target, row.chosen ? device->arch() : "");
      EXPECT_EQ(row.reason.empty(), row.chosen);
    }
    EXPECT_EQ(chosen(plan.executor().explanation()), chosen(GemmPlan::explain(*device, gemm_of(64))));
    EXPECT_EQ(chosen(DequantizePlan(device, dequantize_of(100)).executor().explanation()),
              "quern/mxfp4-dequantize:generic@1-100");
    return plan.executor().explanation();
  };
  const auto turing = rows("sm_75");
  EXPECT_EQ(chosen(turing).find("mma_sm80"), std::string::npos) << chosen(turing);
  EXPECT_EQ(reason(turing, "quern/mxfp4-gemm:mma_sm80"), "capability 7.5 is not 8.0 and up");
  for (const char *name : {"sm_80", "sm_90a"}) {
    const auto newer = rows(name);
    EXPECT_NE(chosen(newer).find("mma_sm80"), std::string::npos) << chosen(newer);
    EXPECT_NE(reason(newer, "quern/mxfp4-gemm:generic").find("others are preferred"), std::string::npos);
  }
}

TEST_F(TargetDeviceTest, AnOlderTargetAndPtxAreChosenByTheDescriptor) {
  quern_gemm_desc desc = gemm_of(8);
  desc.target = "compute_75";
  const auto device = open("sm_90a");
  const GemmPlan plan(device, desc);
  ASSERT_FALSE(plan.executor().explanation().empty());
  EXPECT_EQ(plan.executor().explanation()[0].target, "compute_75");
  EXPECT_EQ(chosen(plan.executor().explanation()).find("mma_sm80"), std::string::npos);
  desc.target = "sm_100a";
  EXPECT_EQ(error_of([&] { GemmPlan(device, desc); }).status(), QUERN_INVALID_ARGUMENT);
}

TEST_F(TargetDeviceTest, APackageOfHigherPriorityIsChosen) {
  offer(kEmptyGemm);
  const GemmPlan plan(open("sm_80"), gemm_of(8));
  EXPECT_EQ(chosen(plan.executor().explanation()), "you/gemm:one@1-8");
  EXPECT_EQ(plan.executor().explanation()[0].origin, kernel_path_);
}

TEST_F(TargetDeviceTest, ABrokenManifestIsRefusedAndTheRestServes) {
  offer(kEmptyGemm);
  write_text(fs::path(kernel_path_) / "kernel.json", "{\"schema\": 1, \"id\": \"you\"}");
  const auto device = open("sm_80");
  ASSERT_EQ(device->hub().catalog().refused().size(), 1u);
  EXPECT_EQ(device->hub().catalog().refused()[0].origin, kernel_path_);
  EXPECT_EQ(chosen(GemmPlan(device, gemm_of(8)).executor().explanation()).rfind("quern/mxfp4-gemm:", 0), 0u);
}

TEST_F(TargetDeviceTest, AKernelWithAnotherParameterBlockIsRefusedAndTheNextBestServes) {
  const std::pair<const char *, const char *> sources[] = {
      {"#include <quern/gemm_params.h>\n"
       "extern \"C\" __global__ void test_gemm(const __grid_constant__ quern::GemmParams p, int more) {}\n",
       "test_gemm takes 100 bytes of parameters, not the 96 of its operation"},
      {"struct Small { long long words[11]; };\n"
       "extern \"C\" __global__ void test_gemm(const __grid_constant__ Small p) {}\n",
       "test_gemm takes 88 bytes of parameters, not the 96 of its operation"},
      {"extern \"C\" __global__ void test_gemm() {}\n", "test_gemm takes 0 bytes of parameters"},
      {"__global__ void test_gemm() {}\n", "has no kernel test_gemm; declare it extern \"C\" __global__"}};
  for (const auto &[source, why] : sources) {
    offer(source);
    const GemmPlan plan(open("sm_80"), gemm_of(8));
    EXPECT_EQ(chosen(plan.executor().explanation()).rfind("quern/mxfp4-gemm:", 0), 0u);
    EXPECT_NE(reason(plan.executor().explanation(), "you/gemm:one").find(why), std::string::npos)
        << reason(plan.executor().explanation(), "you/gemm:one");
  }
}

TEST_F(TargetDeviceTest, AKernelThatDoesNotCompileIsRefusedAndTheNextBestServes) {
  offer("#error not today\n");
  const auto device = open("sm_80");
  const GemmPlan plan(device, gemm_of(8));
  EXPECT_EQ(chosen(plan.executor().explanation()).rfind("quern/mxfp4-gemm:", 0), 0u);
  EXPECT_NE(reason(plan.executor().explanation(), "you/gemm:one").find("cannot compile you/gemm:one for sm_80"),
            std::string::npos);
  quern_gemm_desc desc = gemm_of(8);
  desc.kernel = "you/gemm";  // asked for by name, it fails with its own reason
  const Error error = error_of([&] { GemmPlan(device, desc); });
  EXPECT_EQ(error.status(), QUERN_COMPILE_FAILED);
  EXPECT_NE(error.log().find("not today"), std::string::npos);
}

TEST_F(TargetDeviceTest, ForceUsesOneKernelOrFailsWithItsReason) {
  force_ = "quern/mxfp4-gemm:generic";
  const auto forced = open("sm_80");
  EXPECT_EQ(chosen(GemmPlan(forced, gemm_of(8)).executor().explanation()), "quern/mxfp4-gemm:generic@1-8");
  // It names no package of this operation, and steers it not.
  EXPECT_EQ(chosen(DequantizePlan(forced, dequantize_of(8)).executor().explanation()),
            "quern/mxfp4-dequantize:generic@1-8");
  quern_gemm_desc desc = gemm_of(8);
  desc.kernel = "quern/mxfp4-gemm:generic_m8";  // the descriptor beats the variable
  EXPECT_EQ(chosen(GemmPlan(forced, desc).executor().explanation()), "quern/mxfp4-gemm:generic_m8@1-8");

  force_ = "quern/mxfp4-gemm:mma_sm80";
  const Error old = error_of([&] { GemmPlan(open("sm_75"), gemm_of(8)); });
  EXPECT_EQ(old.status(), QUERN_UNSUPPORTED);
  EXPECT_SAYS(old, "quern/mxfp4-gemm:mma_sm80: capability 7.5 is not 8.0 and up on sm_75");

  force_ = "quern/mxfp4-gemm:absent";
  const Error variant = error_of([&] { GemmPlan(open("sm_80"), gemm_of(8)); });
  EXPECT_EQ(variant.status(), QUERN_UNSUPPORTED);
  EXPECT_SAYS(variant, "there is no kernel called quern/mxfp4-gemm:absent");

  force_ = "you/absent";
  const Error package = error_of([&] { GemmPlan(open("sm_80"), gemm_of(8)); });
  EXPECT_EQ(package.status(), QUERN_NOT_FOUND);
  EXPECT_SAYS(package, "no kernel package is called you/absent (QUERN_KERNEL_FORCE)");
}

TEST_F(TargetDeviceTest, PlansOfAWarmCacheCompileNothing) {
  GemmPlan(open("sm_80"), gemm_of(16));
  jit_ = QUERN_JIT_FORBID;
  const auto device = open("sm_80");
  GemmPlan(device, gemm_of(16));
  GemmPlan(device, gemm_of(1));
  EXPECT_EQ(device->hub().store().stats().compiles, 0);
  EXPECT_GT(device->hub().store().stats().disk_hits, 0);
  EXPECT_EQ(error_of([&] { GemmPlan(open("sm_90a"), gemm_of(1)); }).status(), QUERN_JIT_FORBIDDEN);
}

}  // namespace
}  // namespace quern

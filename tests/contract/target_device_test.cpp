// Plans on architectures without hardware, through the C ABI: which kernels are chosen, and what becomes of packages
// that an author got wrong.
#include <quern/quern.h>

#include <set>
#include <thread>
#include <vector>

#include "nvrtc_required.hpp"
#include "package_builder.hpp"

namespace {

namespace fs = std::filesystem;

struct Candidate {
  std::string kernel, origin, target, reason;
  bool chosen;
  int64_t first, last;
};

using Candidates = std::vector<Candidate>;

int collect(void *user, const quern_candidate *row) {
  static_cast<Candidates *>(user)->push_back(
      {row->kernel, row->origin, row->target, row->reason, row->chosen != 0, row->first, row->last});
  return 0;
}

// "kernel:variant@first-last" of the chosen, one after the other.
std::string chosen(const Candidates &rows) {
  std::string out;
  for (const Candidate &row : rows) {
    if (!row.chosen) continue;
    out += (out.empty() ? "" : " ") + row.kernel + "@" + std::to_string(row.first) + "-" + std::to_string(row.last);
  }
  return out;
}

std::string reason(const Candidates &rows, const std::string &kernel) {
  for (const Candidate &row : rows) {
    if (!row.chosen && row.kernel == kernel) return row.reason;
  }
  return "(not refused)";
}

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

#define EXPECT_SAYS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

// A hub over a cache of the test's own, and one device of it.
class TargetDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char *variable : {"QUERN_KERNEL_FORCE", "QUERN_CACHE_MODE", "QUERN_JIT", "QUERN_LOG"})
      ::unsetenv(variable);
    open_hub();
    quern_hub_info info = QUERN_HUB_INFO_INIT;
    ASSERT_EQ(quern_hub_get_info(hub_, &info), QUERN_OK);
    require_nvrtc(info.nvrtc_missing);
  }
  void TearDown() override { close(); }

  void close() {
    quern_plan_close(plan_);
    quern_device_close(device_);
    quern_hub_close(hub_);
    plan_ = nullptr;
    device_ = nullptr;
    hub_ = nullptr;
  }
  void open_hub(quern_jit jit = QUERN_JIT_ALLOW) {
    close();
    quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
    const std::string cache = (directory_ / "cache").string();
    options.cache_dir = cache.c_str();
    options.kernel_path = kernel_path_.c_str();
    options.jit = jit;
    ASSERT_EQ(quern_hub_open(&options, &hub_), QUERN_OK) << quern_last_error();
  }
  void open(const char *architecture, quern_jit jit = QUERN_JIT_ALLOW) {
    open_hub(jit);
    ASSERT_EQ(quern_device_open(hub_, architecture, &device_), QUERN_OK) << quern_last_error();
  }
  // A package you/gemm with one variant "one" before all others, from this source.
  void offer(const std::string &source) {
    nlohmann::json variant = gemm_variant("one");
    variant["priority"] = 1000;
    kernel_path_ = write_package(directory_ / "package", gemm_manifest("you/gemm", {variant}), source).string();
  }
  quern_status try_plan(const quern_gemm_desc &desc) {
    quern_plan_close(plan_);
    plan_ = nullptr;
    return quern_gemm_plan(device_, &desc, &plan_);
  }
  quern_status try_plan(const quern_dequantize_desc &desc) {
    quern_plan_close(plan_);
    plan_ = nullptr;
    return quern_dequantize_plan(device_, &desc, &plan_);
  }
  template <typename Desc>
  Candidates plan(const Desc &desc) {
    Candidates rows;
    EXPECT_EQ(try_plan(desc), QUERN_OK) << quern_last_error();
    EXPECT_EQ(quern_plan_explain(plan_, collect, &rows), QUERN_OK);
    return rows;
  }
  quern_hub_stats stats() const {
    quern_hub_stats stats = QUERN_HUB_STATS_INIT;
    quern_hub_get_stats(hub_, &stats);
    return stats;
  }

  TemporaryDirectory directory_;
  std::string kernel_path_;
  quern_hub *hub_ = nullptr;
  quern_device *device_ = nullptr;
  quern_plan *plan_ = nullptr;
};

TEST_F(TargetDeviceTest, NamesThatAreNoArchitecture) {
  for (const char *name : {"sm_70", "sm_", "sm_90b", "compute_80", "gpu"}) {
    EXPECT_EQ(quern_device_open(hub_, name, &device_), QUERN_INVALID_ARGUMENT) << name;
    EXPECT_EQ(device_, nullptr);
  }
}

TEST_F(TargetDeviceTest, RunsAreRefused) {
  open("sm_80");
  alignas(256) static char memory[64 * 64 * 4];
  plan(gemm_of(8));
  quern_gemm_args gemm = QUERN_GEMM_ARGS_INIT;
  gemm.m = 1;
  gemm.x = gemm.blocks = gemm.scales = memory;
  gemm.y = memory;
  EXPECT_EQ(quern_gemm_run(plan_, &gemm, nullptr), QUERN_CUDA_UNAVAILABLE);
  EXPECT_SAYS(quern_last_error(), "sm_80 is an architecture without hardware");
  gemm.m = 9;
  EXPECT_EQ(quern_gemm_run(plan_, &gemm, nullptr), QUERN_INVALID_ARGUMENT);
  plan(dequantize_of(8));
  quern_dequantize_args dequantize = QUERN_DEQUANTIZE_ARGS_INIT;
  dequantize.rows = 1;
  dequantize.blocks = dequantize.scales = memory;
  dequantize.dst = memory;
  EXPECT_EQ(quern_dequantize_run(plan_, &dequantize, nullptr), QUERN_CUDA_UNAVAILABLE);
  void *allocated = nullptr;
  EXPECT_EQ(quern_device_allocate(device_, 1, &allocated), QUERN_CUDA_UNAVAILABLE);
}

TEST_F(TargetDeviceTest, ForbiddenToCompileAnEmptyCachePlansNothing) {
  open("sm_80", QUERN_JIT_FORBID);
  EXPECT_EQ(try_plan(gemm_of(8)), QUERN_JIT_FORBIDDEN);
  EXPECT_EQ(plan_, nullptr);
}

TEST_F(TargetDeviceTest, EachArchitectureGetsItsKernels) {
  const auto rows = [&](const char *name) {
    open(name);
    EXPECT_EQ(chosen(plan(dequantize_of(100))), "quern/mxfp4-dequantize:generic@1-100");
    const Candidates planned = plan(gemm_of(64));
    for (const Candidate &row : planned) {
      EXPECT_EQ(row.origin, "built-in");
      EXPECT_EQ(row.target, row.chosen ? name : "");
      EXPECT_EQ(row.reason.empty(), row.chosen);
    }
    Candidates explained;
    const quern_gemm_desc desc = gemm_of(64);
    EXPECT_EQ(quern_gemm_explain(device_, &desc, collect, &explained), QUERN_OK);
    EXPECT_EQ(chosen(planned), chosen(explained));
    return planned;
  };
  const Candidates turing = rows("sm_75");
  EXPECT_EQ(chosen(turing).find("mma_sm80"), std::string::npos) << chosen(turing);
  EXPECT_EQ(reason(turing, "quern/mxfp4-gemm:mma_sm80"), "capability 7.5 is not 8.0 and up");
  for (const char *name : {"sm_80", "sm_90a"}) {
    const Candidates newer = rows(name);
    EXPECT_NE(chosen(newer).find("mma_sm80"), std::string::npos) << chosen(newer);
    EXPECT_SAYS(reason(newer, "quern/mxfp4-gemm:generic"), "others are preferred");
  }
}

TEST_F(TargetDeviceTest, AnOlderTargetAndPtxAreChosenByTheDescriptor) {
  open("sm_90a");
  quern_gemm_desc desc = gemm_of(8);
  desc.target = "compute_75";
  const Candidates rows = plan(desc);
  ASSERT_FALSE(rows.empty());
  EXPECT_EQ(rows[0].target, "compute_75");
  EXPECT_EQ(chosen(rows).find("mma_sm80"), std::string::npos) << chosen(rows);
  desc.target = "sm_100a";
  EXPECT_EQ(try_plan(desc), QUERN_INVALID_ARGUMENT);
}

TEST_F(TargetDeviceTest, APackageOfHigherPriorityIsChosen) {
  offer(kEmptyGemm);
  open("sm_80");
  const Candidates rows = plan(gemm_of(8));
  EXPECT_EQ(chosen(rows), "you/gemm:one@1-8");
  EXPECT_EQ(rows.at(0).origin, kernel_path_);
}

TEST_F(TargetDeviceTest, ABrokenManifestIsRefusedAndTheRestServes) {
  offer(kEmptyGemm);
  write_text(fs::path(kernel_path_) / "kernel.json", "{\"schema\": 1, \"id\": \"you\"}");
  open("sm_80");
  quern_hub_info info = QUERN_HUB_INFO_INIT;
  quern_hub_get_info(hub_, &info);
  EXPECT_EQ(info.packages_refused, 1);
  std::string refused;
  const auto visit = [](void *user, const quern_kernel_info *kernel) {
    if (kernel->refused[0] != '\0')
      *static_cast<std::string *>(user) = std::string(kernel->origin) + ": " + kernel->refused;
    return 0;
  };
  ASSERT_EQ(quern_kernels_visit(hub_, visit, &refused), QUERN_OK);
  EXPECT_EQ(refused.rfind(kernel_path_ + ": ", 0), 0u);
  EXPECT_SAYS(refused, "id is \"you\"; write owner/name");
  EXPECT_EQ(chosen(plan(gemm_of(8))).rfind("quern/mxfp4-gemm:", 0), 0u);
}

TEST_F(TargetDeviceTest, AKernelWithAnotherParameterBlockIsRefusedAndTheNextBestServes) {
  const std::pair<const char *, const char *> sources[] = {
      {"#include <quern/gemm_params.h>\n"
       "extern \"C\" __global__ void test_gemm(const __grid_constant__ quern::GemmParams p, int more) {}\n",
       "test_gemm takes parameters of 128 + 4 bytes, not 128;"},
      {"struct Small { long long words[11]; };\n"
       "extern \"C\" __global__ void test_gemm(const __grid_constant__ Small p) {}\n",
       "test_gemm takes parameters of 88 bytes, not 128;"},
      {"extern \"C\" __global__ void test_gemm() {}\n", "test_gemm takes parameters of no bytes, not 128;"},
      {"__global__ void test_gemm() {}\n", "has no kernel test_gemm; declare it extern \"C\" __global__"}};
  for (const auto &[source, why] : sources) {
    offer(source);
    open("sm_80");
    const Candidates rows = plan(gemm_of(8));
    EXPECT_EQ(chosen(rows).rfind("quern/mxfp4-gemm:", 0), 0u) << chosen(rows);
    EXPECT_SAYS(reason(rows, "you/gemm:one"), why);
  }
}

TEST_F(TargetDeviceTest, AKernelThatDoesNotCompileIsRefusedAndTheNextBestServes) {
  offer("#error not today\n");
  open("sm_80");
  const Candidates rows = plan(gemm_of(8));
  EXPECT_EQ(chosen(rows).rfind("quern/mxfp4-gemm:", 0), 0u) << chosen(rows);
  EXPECT_SAYS(reason(rows, "you/gemm:one"), "cannot compile you/gemm:one for sm_80");
  quern_gemm_desc desc = gemm_of(8);
  desc.kernel = "you/gemm";  // asked for by name, it fails with its own reason
  EXPECT_EQ(try_plan(desc), QUERN_COMPILE_FAILED);
  EXPECT_SAYS(quern_last_error_log(), "not today");
}

TEST_F(TargetDeviceTest, ForceUsesOneKernelOrFailsWithItsReason) {
  ::setenv("QUERN_KERNEL_FORCE", "quern/mxfp4-gemm:generic", 1);
  open("sm_80");
  EXPECT_EQ(chosen(plan(gemm_of(8))), "quern/mxfp4-gemm:generic@1-8");
  // It names no package of this operation, and does not steer it.
  EXPECT_EQ(chosen(plan(dequantize_of(8))), "quern/mxfp4-dequantize:generic@1-8");
  quern_gemm_desc desc = gemm_of(8);
  desc.kernel = "quern/mxfp4-gemm:generic_m8";  // the descriptor beats the variable
  EXPECT_EQ(chosen(plan(desc)), "quern/mxfp4-gemm:generic_m8@1-8");

  ::setenv("QUERN_KERNEL_FORCE", "quern/mxfp4-gemm:mma_sm80", 1);
  open("sm_75");
  EXPECT_EQ(try_plan(gemm_of(8)), QUERN_UNSUPPORTED);
  EXPECT_SAYS(quern_last_error(), "quern/mxfp4-gemm:mma_sm80: capability 7.5 is not 8.0 and up on sm_75");

  ::setenv("QUERN_KERNEL_FORCE", "quern/mxfp4-gemm:absent", 1);
  open("sm_80");
  EXPECT_EQ(try_plan(gemm_of(8)), QUERN_UNSUPPORTED);
  EXPECT_SAYS(quern_last_error(), "there is no kernel called quern/mxfp4-gemm:absent");

  ::setenv("QUERN_KERNEL_FORCE", "you/absent", 1);
  open("sm_80");
  EXPECT_EQ(try_plan(gemm_of(8)), QUERN_NOT_FOUND);
  EXPECT_SAYS(quern_last_error(), "no kernel package is called you/absent (QUERN_KERNEL_FORCE)");
}

TEST_F(TargetDeviceTest, PlansOfAWarmCacheCompileNothing) {
  open("sm_80");
  plan(gemm_of(16));
  EXPECT_GT(stats().compiles, 0);
  open("sm_80", QUERN_JIT_FORBID);
  plan(gemm_of(16));
  plan(gemm_of(1));
  EXPECT_EQ(stats().compiles, 0);
  EXPECT_GT(stats().disk_hits, 0);
  open("sm_90a", QUERN_JIT_FORBID);
  EXPECT_EQ(try_plan(gemm_of(1)), QUERN_JIT_FORBIDDEN);
}

TEST_F(TargetDeviceTest, EachKernelOfAPlanIsReadOnce) {
  open("sm_80");
  plan(gemm_of(64));
  open("sm_80");
  std::set<std::string> kernels;
  for (const Candidate &row : plan(gemm_of(64))) {
    if (row.chosen) kernels.insert(row.kernel);
  }
  EXPECT_GT(kernels.size(), 1u);
  EXPECT_EQ(stats().disk_hits, static_cast<int64_t>(kernels.size()));
  EXPECT_EQ(stats().compiles, 0);
}

TEST_F(TargetDeviceTest, JobsSayHowManyCompileAtOnce) {
  ::setenv("QUERN_JOBS", "1", 1);
  open_hub();
  ::unsetenv("QUERN_JOBS");
  std::set<std::thread::id> threads;
  quern_prefetch_options options = QUERN_PREFETCH_OPTIONS_INIT;
  options.archs = "sm_80,sm_89,sm_90a";
  options.packages = "quern/mxfp4-dequantize";
  options.user = &threads;
  options.visit = [](void *user, const quern_unit_report *) {
    static_cast<std::set<std::thread::id> *>(user)->insert(std::this_thread::get_id());
    return 0;
  };
  quern_prefetch_result result = QUERN_PREFETCH_RESULT_INIT;
  ASSERT_EQ(quern_prefetch(hub_, &options, &result), QUERN_OK) << quern_last_error();
  EXPECT_GT(result.compiled, 2);
  EXPECT_EQ(threads, std::set{std::this_thread::get_id()});
}

}  // namespace

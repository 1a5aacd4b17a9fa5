// The CUDA path from descriptor to launch, on the stand-in driver: geometry, parameters, contexts, refusals, failures.
#include <dlfcn.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <quern/gemm_params.h>
#include <quern/quantize_params.h>
#include <quern/quern.h>
#include <unistd.h>

#include "tests/fake_driver/fake_cuda.hpp"

namespace {

namespace fs = std::filesystem;

template <typename Function>
Function *fake(const char *symbol) {
  const char *path = getenv("QUERN_DRIVER_PATH");
  void *library = path == nullptr ? nullptr : dlopen(path, RTLD_NOW);
  return library == nullptr ? nullptr : reinterpret_cast<Function *>(dlsym(library, symbol));
}

class CudaPath : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(fake<FakeCuda *()>("fake_cuda_state"), nullptr)
        << "run with QUERN_DRIVER_PATH set to the stand-in driver";
    state_ = fake<FakeCuda *()>("fake_cuda_state")();
    set_current(-1);
    // One cache for all tests, so that each unit is compiled once.
    cache_ = fs::temp_directory_path() / ("quern-cuda-path-" + std::to_string(getuid()));
    packages_ = fs::temp_directory_path() / ("quern-packages-" + std::to_string(getpid()));
    fs::remove_all(packages_);
    fs::create_directories(packages_);
  }
  void TearDown() override {
    quern_device_close(device_);
    quern_hub_close(hub_);
    fs::remove_all(packages_);
  }

  void open(const char *name = "cuda:0") {
    quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
    const std::string cache = cache_.string(), packages = packages_.string();
    options.cache_dir = cache.c_str();
    options.kernel_path = packages.c_str();
    ASSERT_EQ(quern_hub_open(&options, &hub_), QUERN_OK) << quern_last_error();
    ASSERT_EQ(quern_device_open(hub_, name, &device_), QUERN_OK) << quern_last_error();
  }
  static void set_current(int device) { fake<void(int)>("fake_cuda_set_current")(device); }
  static void fail_next(const char *symbol, int result) {
    fake<void(const char *, int)>("fake_cuda_fail_next")(symbol, result);
  }

  static quern_gemm_desc desc() {
    quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
    desc.x_dtype = desc.y_dtype = QUERN_DTYPE_BF16;
    desc.m_max = 100;
    desc.n = 200;
    desc.k = 96;
    return desc;
  }
  // Aligned memory that nobody touches: kernels do nothing here.
  quern_gemm_args args(int64_t m) {
    quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
    args.m = m;
    args.x = args.blocks = args.scales = args.y = memory_;
    return args;
  }
  // A package that takes every problem at once, with the given entry.
  void write_package(const char *folder, const char *id, int priority, const std::string &source,
                     const std::string &shared_bytes = R"({"mul": ["TILE", 4096]})") {
    fs::create_directories(packages_ / folder);
    std::ofstream(packages_ / folder / "k.cu") << source;
    std::ofstream(packages_ / folder / "kernel.json") << R"({"schema": 1, "id": ")" << id << R"(", "version": 1,
      "operation": "gemm", "params": 3, "files": ["k.cu"], "variants": [{"name": "v", "unit": "k.cu", "entry": "entry",
      "capability": {"min": "7.5"}, "priority": )" << priority
                                                      << R"(,
      "accepts": {"format": ["mxfp4"], "x_dtype": ["bf16"], "y_dtype": ["bf16"], "bias_dtype": ["none"]},
      "defines": {"TILE": 16},
      "launch": {"grid": [{"ceil_div": ["n", "TILE"]}, "m", 1], "block": [64, 2, 1], "cluster": [1, 1, 1],
                 "shared_bytes": )" << shared_bytes << R"(}, "workspace_bytes": {"mul": ["m", 512]}}]})";
  }

  // A quantization and the product that takes what it leaves, both preferred to all others.
  void write_w4a8_packages() {
    fs::create_directories(packages_ / "quantize");
    std::ofstream(packages_ / "quantize" / "k.cu")
        << "#include <quern/quantize_params.h>\n"
           "extern \"C\" __global__ void my_quantize(const __grid_constant__ quern::QuantizeParams p) {\n"
           "  if (p.rows < 0) *p.dst = 1;\n}\n";
    std::ofstream(packages_ / "quantize" / "kernel.json") << R"({"schema": 1, "id": "me/quantize", "version": 1,
      "operation": "quantize", "params": 1, "files": ["k.cu"], "variants": [{"name": "v", "unit": "k.cu",
      "entry": "my_quantize", "archs": ["sm_90a"], "priority": 1000,
      "accepts": {"src_dtype": ["bf16", "f16", "f32"], "format": ["e4m3_row"]},
      "launch": {"grid": ["rows", 1, 1], "block": [128, 1, 1], "dependent": true}}]})";
    fs::create_directories(packages_ / "w4a8");
    std::ofstream(packages_ / "w4a8" / "k.cu")
        << "#include <quern/gemm_params.h>\n"
           "extern \"C\" __global__ void my_gemm(const __grid_constant__ quern::GemmParams p,\n"
           "    const __grid_constant__ quern::TensorMap x) {\n"
           "  if (p.m < 0) *(unsigned long long *)p.y = x.words[1];\n}\n";
    std::ofstream(packages_ / "w4a8" / "kernel.json") << R"({"schema": 1, "id": "me/w4a8", "version": 1,
      "operation": "gemm", "params": 3, "files": ["k.cu"], "variants": [{"name": "v", "unit": "k.cu",
      "entry": "my_gemm", "archs": ["sm_90a"], "priority": 1000,
      "accepts": {"format": ["mxfp4"], "x_dtype": ["e4m3"], "y_dtype": ["bf16"], "bias_dtype": ["none"],
                  "layout": ["mma16_e5m2"], "accumulation": ["promoted", "fast"]},
      "launch": {"grid": [1, 1, 1], "block": [64, 1, 1], "dependent": true,
                 "tensor_maps": [{"operand": "x", "box": [64, 24], "swizzle": 128}]},
      "workspace_bytes": {"mul": ["m", 512]}}]})";
  }

  alignas(256) static inline unsigned char memory_[1 << 16];
  FakeCuda *state_ = nullptr;
  fs::path cache_, packages_;
  quern_hub *hub_ = nullptr;
  quern_device *device_ = nullptr;
};

constexpr const char *kGood =
    "#include <quern/gemm_params.h>\n"
    "extern \"C\" __global__ void entry(const __grid_constant__ quern::GemmParams p) { if (p.m < 0) *(int *)p.y = p.n; "
    "}\n";

TEST_F(CudaPath, DeviceTellsWhatTheDriverSays) {
  open();
  quern_device_info info = QUERN_DEVICE_INFO_INIT;
  ASSERT_EQ(quern_device_get_info(device_, &info), QUERN_OK);
  EXPECT_EQ(info.kind, QUERN_DEVICE_CUDA);
  EXPECT_STREQ(info.model, "Fake GPU");
  EXPECT_STREQ(info.arch, "sm_90a");
  EXPECT_EQ(info.sm_count, 132);
}

TEST_F(CudaPath, UnknownOrdinalIsRefused) {
  open();
  quern_device *other = nullptr;
  EXPECT_EQ(quern_device_open(hub_, "cuda:2", &other), QUERN_CUDA_UNAVAILABLE);
  EXPECT_EQ(other, nullptr);
  EXPECT_NE(std::string(quern_last_error()).find("CUDA_VISIBLE_DEVICES"), std::string::npos);
}

TEST_F(CudaPath, PackageOfHigherPriorityIsLaunchedAsItsManifestSays) {
  write_package("mine", "me/mine", 1000, kGood);
  open();
  quern_gemm_desc problem = desc();
  quern_plan *plan = nullptr;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  size_t workspace = 0;
  ASSERT_EQ(quern_plan_workspace_size(plan, 7, &workspace), QUERN_OK);
  EXPECT_EQ(workspace, 7u * 512);

  quern_gemm_args run = args(7);
  EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_BUFFER_TOO_SMALL);
  run.workspace = memory_;
  run.workspace_bytes = workspace;
  const auto stream = reinterpret_cast<quern_stream>(0x1234);
  ASSERT_EQ(quern_gemm_run(plan, &run, stream), QUERN_OK) << quern_last_error();
  EXPECT_STREQ(state_->last.kernel, "entry");
  EXPECT_EQ(state_->last.grid[0], 13u);  // ceil(200 / 16)
  EXPECT_EQ(state_->last.grid[1], 7u);
  EXPECT_EQ(state_->last.block[0], 64u);
  EXPECT_EQ(state_->last.block[1], 2u);
  EXPECT_EQ(state_->last.shared_bytes, 16u * 4096);
  EXPECT_EQ(state_->last.stream, stream);
  quern::GemmParams params;
  ASSERT_EQ(state_->last.parameter_bytes, sizeof params);
  memcpy(static_cast<void *>(&params), state_->last.parameters, sizeof params);
  EXPECT_EQ(params.m, 7);
  EXPECT_EQ(params.n, 200);
  EXPECT_EQ(params.k, 96);
  EXPECT_EQ(params.x_stride, 96);
  EXPECT_EQ(params.y_stride, 200);
  EXPECT_EQ(params.blocks_stride, 48);
  EXPECT_EQ(params.scales_stride, 3);
  EXPECT_EQ(params.x, memory_);
  quern_plan_close(plan);
}

TEST_F(CudaPath, TensorMapsAndOverlapReachTheDriverAsTheManifestSays) {
  const char *source =
      "#include <quern/gemm_params.h>\n"
      "extern \"C\" __global__ void entry(const __grid_constant__ quern::GemmParams p,\n"
      "    const __grid_constant__ quern::TensorMap tiles, const __grid_constant__ quern::TensorMap x) {\n"
      "  if (p.m < 0) *(unsigned long long *)p.y = tiles.words[0] + x.words[1];\n"
      "}\n";
  fs::create_directories(packages_ / "maps");
  std::ofstream(packages_ / "maps" / "k.cu") << source;
  std::ofstream(packages_ / "maps" / "kernel.json") << R"({"schema": 1, "id": "me/maps", "version": 1,
      "operation": "gemm", "params": 3, "files": ["k.cu"], "variants": [{"name": "v", "unit": "k.cu", "entry": "entry",
      "archs": ["sm_90a"], "priority": 1000,
      "accepts": {"format": ["mxfp4"], "x_dtype": ["bf16"], "y_dtype": ["f32"], "bias_dtype": ["none"],
                  "layout": ["mma16_bf16"]},
      "defines": {"TOKENS": 24},
      "launch": {"grid": [1, 1, 1], "block": [64, 1, 1], "cluster": [1, 1, 1], "dependent": true, "tensor_maps": [
        {"operand": "tiles", "box": [136, 4]}, {"operand": "x", "box": [64, "TOKENS"], "swizzle": 128}]}}]})";
  open();
  quern_gemm_desc problem = desc();
  problem.y_dtype = QUERN_DTYPE_F32;
  problem.layout = QUERN_LAYOUT_MMA16_BF16;
  for (const int overlap : {0, 1}) {
    problem.overlap = overlap;
    quern_plan *plan = nullptr;
    ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
    quern_gemm_args run = args(7);
    EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_INVALID_ARGUMENT) << "scales with a packed layout";
    run.scales = nullptr;
    ASSERT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK) << quern_last_error();
    EXPECT_EQ(state_->last.programmatic_stream_serialization, overlap);
    EXPECT_EQ(state_->last.parameter_bytes, sizeof(quern::GemmParams));
    EXPECT_EQ(state_->last.tensor_maps, 2);
    const FakeTensorMap &x = state_->last_map;  // the last of the two
    EXPECT_EQ(x.data_type, 1);
    EXPECT_EQ(x.swizzle, 3);
    EXPECT_EQ(x.rank, 2u);
    EXPECT_EQ(x.address, memory_);
    EXPECT_EQ(x.dimensions[0], 96u);
    EXPECT_EQ(x.dimensions[1], 7u);
    EXPECT_EQ(x.strides[0], 192u);
    EXPECT_EQ(x.box[0], 64u);
    EXPECT_EQ(x.box[1], 24u);
    quern::GemmParams params;
    memcpy(static_cast<void *>(&params), state_->last.parameters, sizeof params);
    EXPECT_EQ(params.blocks, memory_ + 256 + 208 * 8 + 128);  // header, rows, padding to 256
    EXPECT_EQ(params.scales, memory_ + 256);
    EXPECT_EQ(params.alpha, 1.0f);
    fail_next("cuTensorMapEncodeTiled", 1);
    EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_CUDA_ERROR);
    EXPECT_NE(std::string(quern_last_error()).find("cannot describe a tensor for TMA"), std::string::npos);
    quern_plan_close(plan);
  }
}

TEST_F(CudaPath, PlanThatQuantizesItsXLaunchesTwoKernelsThroughItsWorkspace) {
  write_w4a8_packages();
  open();
  quern_gemm_desc problem = desc();
  problem.layout = QUERN_LAYOUT_MMA16_E5M2;
  problem.accumulation = QUERN_ACCUMULATION_FAST;
  problem.x_stride = 104;
  for (const int overlap : {0, 1}) {
    problem.overlap = overlap;
    quern_plan *plan = nullptr;
    ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
    size_t bytes = 0, most = 0;
    ASSERT_EQ(quern_plan_workspace_size(plan, 7, &bytes), QUERN_OK);
    EXPECT_EQ(bytes, 768u + 256 + 7 * 512);  // 7 * 96 and 7 * 4 rounded up, and the product's own
    ASSERT_EQ(quern_plan_workspace_size(plan, 100, &most), QUERN_OK);
    EXPECT_EQ(most, 9728u + 512 + 100 * 512);

    quern_gemm_args run = args(7);
    run.scales = nullptr;
    run.workspace = memory_ + 256;
    run.workspace_bytes = bytes - 1;
    const int64_t launches = state_->launches;
    EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_BUFFER_TOO_SMALL);
    run.workspace_bytes = bytes;
    run.workspace = memory_ + 128;
    EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_INVALID_ARGUMENT);
    EXPECT_EQ(state_->launches, launches);
    run.workspace = memory_ + 256;
    const auto stream = reinterpret_cast<quern_stream>(0x1234);
    const int64_t loads = state_->loads;
    fail_next("cuMemAlloc_v2", 2);  // what a capture does not allow is not asked for
    ASSERT_EQ(quern_gemm_run(plan, &run, stream), QUERN_OK) << quern_last_error();
    fail_next("cuMemcpyAsync", 2);
    ASSERT_EQ(quern_gemm_run(plan, &run, stream), QUERN_OK) << quern_last_error();
    fail_next("", 0);
    EXPECT_EQ(state_->launches, launches + 4);
    EXPECT_EQ(state_->loads, loads);

    const FakeLaunch &first = state_->before_last, &second = state_->last;
    EXPECT_STREQ(first.kernel, "my_quantize");
    EXPECT_STREQ(second.kernel, "my_gemm");
    EXPECT_EQ(first.grid[0], 7u);
    EXPECT_EQ(first.stream, stream);
    EXPECT_EQ(second.stream, stream);
    // Only what quantizes may read what the kernel before wrote, so the product always overlaps it.
    EXPECT_EQ(first.programmatic_stream_serialization, overlap);
    EXPECT_EQ(second.programmatic_stream_serialization, 1);
    quern::QuantizeParams quantize;
    ASSERT_EQ(first.parameter_bytes, sizeof quantize);
    memcpy(static_cast<void *>(&quantize), first.parameters, sizeof quantize);
    EXPECT_EQ(quantize.src, memory_);
    EXPECT_EQ(quantize.src_stride, 104);
    EXPECT_EQ(quantize.src_dtype, quern::kBf16);
    EXPECT_EQ(quantize.format, quern::kFormatE4m3Row);
    EXPECT_EQ(quantize.dst, memory_ + 256);
    EXPECT_EQ(quantize.scales, memory_ + 256 + 768);
    EXPECT_EQ(quantize.dst_stride, 96);
    EXPECT_EQ(quantize.rows, 7);
    EXPECT_EQ(quantize.k, 96);
    quern::GemmParams params;
    memcpy(static_cast<void *>(&params), second.parameters, sizeof params);
    EXPECT_EQ(params.x, quantize.dst);
    EXPECT_EQ(params.x_scales, quantize.scales);
    EXPECT_EQ(params.x_stride, 96);
    EXPECT_EQ(params.x_dtype, quern::kE4m3);
    EXPECT_EQ(params.accumulation, quern::kAccumulationFast);
    EXPECT_EQ(params.workspace, memory_ + 256 + 1024);
    EXPECT_EQ(state_->last_map.address, quantize.dst);
    EXPECT_EQ(state_->last_map.data_type, 1);  // 16 bits: two elements
    EXPECT_EQ(state_->last_map.dimensions[0], 48u);
    EXPECT_EQ(state_->last_map.dimensions[1], 7u);
    EXPECT_EQ(state_->last_map.strides[0], 96u);

    std::string chosen;
    quern_plan_explain(
        plan,
        [](void *user, const quern_candidate *candidate) {
          if (candidate->chosen) *static_cast<std::string *>(user) += std::string(candidate->kernel) + " ";
          return 0;
        },
        &chosen);
    EXPECT_EQ(chosen, "me/w4a8:v me/quantize:v ");
    fail_next("cuTensorMapEncodeTiled", 1);  // the second fails after the first was launched
    EXPECT_EQ(quern_gemm_run(plan, &run, stream), QUERN_CUDA_ERROR);
    EXPECT_EQ(state_->launches, launches + 5);
    quern_plan_close(plan);
  }
  const auto chosen = [&] {
    std::string names;
    quern_gemm_explain(
        device_, &problem,
        [](void *user, const quern_candidate *candidate) {
          if (candidate->chosen) *static_cast<std::string *>(user) += std::string(candidate->kernel) + " ";
          return 0;
        },
        &names);
    return names;
  };
  EXPECT_EQ(chosen(), "me/w4a8:v me/quantize:v ");
  problem.kernel = "me/w4a8";
  EXPECT_EQ(chosen(), "me/w4a8:v me/quantize:v ");
  problem.y_dtype = QUERN_DTYPE_F32;  // which that one does not write, so nothing quantizes for it
  EXPECT_EQ(chosen(), "");
}

TEST_F(CudaPath, E4m3XGoesToTheKernelAsItIs) {
  write_w4a8_packages();
  open();
  quern_gemm_desc problem = desc();
  problem.x_dtype = QUERN_DTYPE_E4M3;
  quern_layout layout = QUERN_LAYOUT_CANONICAL;
  ASSERT_EQ(quern_gemm_best_layout(device_, &problem, &layout), QUERN_OK) << quern_last_error();
  EXPECT_EQ(layout, QUERN_LAYOUT_MMA16_E5M2);
  problem.kernel = "me/w4a8";
  problem.y_dtype = QUERN_DTYPE_F32;  // which that one does not write
  EXPECT_EQ(quern_gemm_best_layout(device_, &problem, &layout), QUERN_UNSUPPORTED);
  EXPECT_NE(std::string(quern_last_error()).find("y_dtype"), std::string::npos) << quern_last_error();

  problem = desc();
  problem.x_dtype = QUERN_DTYPE_E4M3;
  problem.layout = layout;
  problem.x_stride = 104;  // 16 bytes are 16 elements
  quern_plan *plan = nullptr;
  EXPECT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_INVALID_ARGUMENT);
  problem.x_stride = 112;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  quern_gemm_args run = args(5);
  run.scales = nullptr;
  run.workspace = memory_;
  run.workspace_bytes = 5 * 512;
  EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_INVALID_ARGUMENT) << "without x_scales";
  run.x_scales = reinterpret_cast<const float *>(memory_ + 4);
  const int64_t launches = state_->launches;
  ASSERT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK) << quern_last_error();
  EXPECT_EQ(state_->launches, launches + 1);
  EXPECT_EQ(state_->last.programmatic_stream_serialization, 0);
  quern::GemmParams params;
  memcpy(static_cast<void *>(&params), state_->last.parameters, sizeof params);
  EXPECT_EQ(params.x, memory_);
  EXPECT_EQ(params.x_scales, run.x_scales);
  EXPECT_EQ(params.accumulation, quern::kAccumulationPromoted);
  EXPECT_EQ(state_->last_map.dimensions[0], 48u);
  EXPECT_EQ(state_->last_map.dimensions[1], 5u);
  EXPECT_EQ(state_->last_map.strides[0], 112u);
  quern_plan_close(plan);
}

TEST_F(CudaPath, QuantizationIsLaunchedAsItsManifestSays) {
  write_w4a8_packages();
  open();
  quern_quantize_desc problem = QUERN_QUANTIZE_DESC_INIT;
  problem.src_dtype = QUERN_DTYPE_F32;
  problem.rows_max = 100;
  problem.k = 64;
  problem.src_stride = 70;  // not a multiple of 16 bytes
  quern_plan *plan = nullptr;
  EXPECT_EQ(quern_quantize_plan(device_, &problem, &plan), QUERN_INVALID_ARGUMENT);
  problem.src_stride = 68;
  problem.dst_stride = 72;
  EXPECT_EQ(quern_quantize_plan(device_, &problem, &plan), QUERN_INVALID_ARGUMENT);
  problem.dst_stride = 80;
  for (const int overlap : {0, 1}) {
    problem.overlap = overlap;
    ASSERT_EQ(quern_quantize_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
    quern_quantize_args run = QUERN_QUANTIZE_ARGS_INIT;
    run.rows = 9;
    run.src = memory_;
    run.dst = memory_ + 8;
    run.scales = reinterpret_cast<float *>(memory_ + 4);
    EXPECT_EQ(quern_quantize_run(plan, &run, nullptr), QUERN_INVALID_ARGUMENT);
    run.dst = memory_ + 4096;
    ASSERT_EQ(quern_quantize_run(plan, &run, nullptr), QUERN_OK) << quern_last_error();
    EXPECT_STREQ(state_->last.kernel, "my_quantize");
    EXPECT_EQ(state_->last.grid[0], 9u);
    EXPECT_EQ(state_->last.programmatic_stream_serialization, overlap);
    quern::QuantizeParams params;
    memcpy(static_cast<void *>(&params), state_->last.parameters, sizeof params);
    EXPECT_EQ(params.src_stride, 68);
    EXPECT_EQ(params.dst_stride, 80);
    EXPECT_EQ(params.rows, 9);
    EXPECT_EQ(params.src_dtype, quern::kF32);
    quern_plan_close(plan);
  }
}

TEST_F(CudaPath, PackingWritesTheHeaderAndLaunchesThePackKernel) {
  open();
  quern_weights_desc weights = QUERN_WEIGHTS_DESC_INIT;
  weights.layout = QUERN_LAYOUT_MMA16_F16;
  weights.n = 40;
  weights.k = 96;
  size_t bytes = 0;
  ASSERT_EQ(quern_weights_packed_bytes(&weights, &bytes), QUERN_OK);
  ASSERT_EQ(quern_weights_pack(device_, &weights, memory_, memory_, memory_ + 256, nullptr), QUERN_OK)
      << quern_last_error();
  EXPECT_STREQ(state_->last.kernel, "quern_repack_pack");
  EXPECT_EQ(state_->last.grid[0], 3u);
  quern_weights_desc found = QUERN_WEIGHTS_DESC_INIT;
  size_t found_bytes = 0;
  ASSERT_EQ(quern_weights_inspect(memory_ + 256, 256, &found, &found_bytes), QUERN_OK) << quern_last_error();
  EXPECT_EQ(found.layout, QUERN_LAYOUT_MMA16_F16);
  EXPECT_EQ(found.n, 40);
  EXPECT_EQ(found_bytes, bytes);
  ASSERT_EQ(quern_weights_unpack(device_, &weights, memory_ + 256, memory_, memory_, nullptr), QUERN_OK)
      << quern_last_error();
  EXPECT_STREQ(state_->last.kernel, "quern_repack_unpack");
  weights.n = 41;
  EXPECT_EQ(quern_weights_unpack(device_, &weights, memory_ + 256, memory_, memory_, nullptr), QUERN_INVALID_ARGUMENT);
  memory_[256] ^= 1;
  EXPECT_EQ(quern_weights_unpack(device_, &weights, memory_ + 256, memory_, memory_, nullptr), QUERN_CORRUPT);
}

TEST_F(CudaPath, PackageWithAnotherParameterBlockIsRefusedAndTheNextBestServes) {
  write_package("liar", "me/liar", 1000,
                "extern \"C\" __global__ void entry(void *p, int n) { if (n < 0) *(int *)p = n; }\n");
  open();
  quern_gemm_desc problem = desc();
  quern_plan *plan = nullptr;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  std::string reason, chosen;
  struct Seen {
    std::string *reason, *chosen;
  } seen{&reason, &chosen};
  quern_plan_explain(
      plan,
      [](void *user, const quern_candidate *candidate) {
        auto *out = static_cast<Seen *>(user);
        if (std::string(candidate->kernel) == "me/liar:v") *out->reason = candidate->reason;
        if (candidate->chosen) *out->chosen = candidate->kernel;
        return 0;
      },
      &seen);
  EXPECT_NE(reason.find("takes parameters of 8 + 4 bytes, not 128"), std::string::npos) << reason;
  EXPECT_EQ(chosen.rfind("quern/mxfp4-gemm:", 0), 0u) << chosen;
  quern_plan_close(plan);

  problem.kernel = "me/liar";
  plan = nullptr;
  EXPECT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_BAD_MANIFEST);
  EXPECT_EQ(plan, nullptr);
}

TEST_F(CudaPath, RangesOfMChooseDifferentVariants) {
  open();
  quern_gemm_desc problem = desc();
  quern_plan *plan = nullptr;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  std::vector<std::string> kernels;
  std::vector<unsigned> blocks;
  for (const int64_t m : {1, 100}) {
    quern_gemm_args run = args(m);
    ASSERT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK) << quern_last_error();
    blocks.push_back(state_->last.grid[0] * 1000 + state_->last.shared_bytes);
  }
  EXPECT_NE(blocks[0], blocks[1]);
  quern_plan_close(plan);
}

TEST_F(CudaPath, SameKernelIsLoadedOnceInAProcess) {
  open();
  quern_gemm_desc problem = desc();
  quern_plan *first = nullptr, *second = nullptr;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &first), QUERN_OK) << quern_last_error();
  const int64_t loads = state_->loads;
  problem.n = 400;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &second), QUERN_OK) << quern_last_error();
  EXPECT_EQ(state_->loads, loads);
  quern_hub_stats stats = QUERN_HUB_STATS_INIT;
  ASSERT_EQ(quern_hub_get_stats(hub_, &stats), QUERN_OK);
  EXPECT_GT(stats.memory_hits, 0);
  quern_plan_close(first);
  quern_plan_close(second);
}

TEST_F(CudaPath, TwoGpusAlikeAreOneTargetToPrefetchFor) {
  write_package("mine", "me/mine", 1000, kGood);
  open();
  quern_device_info second = QUERN_DEVICE_INFO_INIT;
  quern_device *other = nullptr;
  ASSERT_EQ(quern_device_open(hub_, "cuda:1", &other), QUERN_OK) << quern_last_error();
  ASSERT_EQ(quern_device_get_info(other, &second), QUERN_OK);
  ASSERT_STREQ(second.arch, "sm_90a");
  quern_device_close(other);
  quern_prefetch_options options = QUERN_PREFETCH_OPTIONS_INIT;
  options.packages = "me/mine";
  quern_prefetch_result result = QUERN_PREFETCH_RESULT_INIT;
  ASSERT_EQ(quern_prefetch(hub_, &options, &result), QUERN_OK) << quern_last_error();
  EXPECT_EQ(result.compiled + result.cached, 1);
}

TEST_F(CudaPath, PlansOfOneKernelTakeNoSharedMemoryFromEachOther) {
  write_package("mine", "me/mine", 1000, kGood, R"({"mul": ["n", 512]})");
  open();
  quern_gemm_desc large = desc(), small = desc();
  small.n = 100;
  quern_plan *plans[2] = {};
  ASSERT_EQ(quern_gemm_plan(device_, &large, &plans[0]), QUERN_OK) << quern_last_error();
  ASSERT_EQ(quern_gemm_plan(device_, &small, &plans[1]), QUERN_OK) << quern_last_error();
  quern_gemm_args run = args(7);
  run.workspace = memory_;
  run.workspace_bytes = sizeof memory_;
  for (quern_plan *plan : plans) {
    EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK) << quern_last_error();
    quern_plan_close(plan);
  }
}

TEST_F(CudaPath, RunUsesTheCallersContextOnItsDeviceElseThePrimaryOne) {
  open("cuda:1");
  quern_gemm_desc problem = desc();
  quern_plan *plan = nullptr;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  for (const int current : {-1, 0, 1}) {
    set_current(current);
    quern_gemm_args run = args(3);
    ASSERT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK) << quern_last_error();
    EXPECT_EQ(state_->last.context, 1);
  }
  quern_plan_close(plan);
}

TEST_F(CudaPath, HandlesMayBeClosedInAnyOrder) {
  open();
  const int64_t retained = state_->primary_retained;
  quern_gemm_desc problem = desc();
  quern_plan *plan = nullptr;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  quern_hub_close(hub_);
  quern_device_close(device_);
  hub_ = nullptr;
  device_ = nullptr;
  EXPECT_EQ(state_->primary_retained, retained);
  quern_gemm_args run = args(3);
  EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK) << quern_last_error();
  quern_plan_close(plan);
  EXPECT_EQ(state_->primary_retained, retained - 1);
}

TEST_F(CudaPath, DriverFailuresBecomeStatusesWithItsWords) {
  open();
  void *memory = memory_;
  fail_next("cuMemAlloc_v2", 2);
  EXPECT_EQ(quern_device_allocate(device_, 1000, &memory), QUERN_OUT_OF_MEMORY);
  EXPECT_EQ(memory, memory_);
  quern_gemm_desc problem = desc();
  quern_plan *plan = nullptr;
  fail_next("cuLibraryLoadData", 700);
  EXPECT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_CUDA_ERROR);
  EXPECT_NE(std::string(quern_last_error()).find("as the test asked"), std::string::npos);
  EXPECT_EQ(plan, nullptr);
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  quern_gemm_args run = args(3);
  fail_next("cuLaunchKernelEx", 700);
  EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_CUDA_ERROR);
  EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK);
  quern_plan_close(plan);
}

TEST_F(CudaPath, MisalignedPointersAndStridesAreRefused) {
  open();
  quern_gemm_desc problem = desc();
  problem.x_stride = 97;
  quern_plan *plan = nullptr;
  EXPECT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_INVALID_ARGUMENT);
  problem = desc();
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  const int64_t launches = state_->launches;
  quern_gemm_args run = args(3);
  run.x = memory_ + 8;
  EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_INVALID_ARGUMENT);
  run = args(3);
  run.blocks = memory_ + 1;
  EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_INVALID_ARGUMENT);
  run = args(3);
  run.scales = memory_ + 1;  // scales need no alignment
  EXPECT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK);
  EXPECT_EQ(state_->launches, launches + 1);
  quern_plan_close(plan);
}

TEST_F(CudaPath, TargetNamesPtxForTheDriverToFinish) {
  open();
  quern_gemm_desc problem = desc();
  problem.target = "compute_75";
  quern_plan *plan = nullptr;
  ASSERT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_OK) << quern_last_error();
  quern_gemm_args run = args(3);
  ASSERT_EQ(quern_gemm_run(plan, &run, nullptr), QUERN_OK) << quern_last_error();
  EXPECT_EQ(std::string(state_->last.kernel).find("mma"), std::string::npos) << state_->last.kernel;
  quern_plan_close(plan);
  problem.target = "compute_120";
  plan = nullptr;
  EXPECT_EQ(quern_gemm_plan(device_, &problem, &plan), QUERN_INVALID_ARGUMENT);
}

}  // namespace

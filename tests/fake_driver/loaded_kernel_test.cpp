// Kernels that a host loads and launches itself, on the stand-in driver.
#include <dlfcn.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <quern/quern.h>

#include "tests/fake_driver/fake_cuda.hpp"
#include "tests/temporary_directory.hpp"

namespace {

namespace fs = std::filesystem;

constexpr const char *kSource =
    "extern \"C\" __global__ void __launch_bounds__(64) scale(float *y, const float *x, int n, float factor) {\n"
    "  const int i = blockIdx.x * 64 + threadIdx.x;\n"
    "  if (i < n) y[i] = factor * WEIGHT * x[i];\n"
    "}\n"
    "extern \"C\" __global__ void nothing() {}\n";

class LoadedKernel : public testing::Test {
 protected:
  void SetUp() override {
    const char *driver = getenv("QUERN_DRIVER_PATH");
    ASSERT_NE(driver, nullptr) << "run with QUERN_DRIVER_PATH set to the stand-in driver";
    void *library = dlopen(driver, RTLD_NOW);
    state_ = reinterpret_cast<FakeCuda *(*)()>(dlsym(library, "fake_cuda_state"))();
    write_package(R"({"name": "scale", "unit": "k.cu", "entry": "scale", "capability": {"min": "7.5"},
                      "defines": {"WEIGHT": 3}},
                     {"name": "nothing", "unit": "k.cu", "entry": "nothing", "archs": ["sm_90a"],
                      "defines": {"WEIGHT": 1}},
                     {"name": "other", "unit": "k.cu", "entry": "nothing", "archs": ["sm_120a"],
                      "defines": {"WEIGHT": 1}},
                     {"name": "absent", "unit": "k.cu", "entry": "absent", "capability": {"min": "7.5"},
                      "defines": {"WEIGHT": 1}})");
    quern_hub_options options = QUERN_HUB_OPTIONS_INIT;
    const std::string cache = (directory_.path() / "cache").string(), packages = (directory_.path() / "p").string();
    options.cache_dir = cache.c_str();
    options.kernel_path = packages.c_str();
    ASSERT_EQ(quern_hub_open(&options, &hub_), QUERN_OK) << quern_last_error();
    ASSERT_EQ(quern_device_open(hub_, "cuda:0", &device_), QUERN_OK) << quern_last_error();
  }
  void TearDown() override {
    quern_kernel_close(kernel_);
    quern_device_close(device_);
    quern_hub_close(hub_);
  }

  void write_package(const std::string &variants) {
    fs::create_directories(directory_.path() / "p");
    std::ofstream(directory_.path() / "p/k.cu") << kSource;
    std::ofstream(directory_.path() / "p/kernel.json")
        << R"({"schema": 1, "id": "me/own", "version": 1, "operation": "custom", "params": 1, "files": ["k.cu"],
               "variants": [)"
        << variants << "]}";
  }
  quern_status load(const char *name, size_t shared_bytes = 0, const char *options = nullptr) {
    quern_kernel_desc desc = QUERN_KERNEL_DESC_INIT;
    desc.kernel = name;
    desc.options = options;
    desc.shared_bytes = shared_bytes;
    return quern_kernel_load(device_, &desc, &kernel_);
  }
  std::string error() const { return quern_last_error(); }

  TemporaryDirectory directory_;
  FakeCuda *state_ = nullptr;
  quern_hub *hub_ = nullptr;
  quern_device *device_ = nullptr;
  quern_kernel *kernel_ = nullptr;
};

TEST_F(LoadedKernel, IsLaunchedAsTheHostSays) {
  ASSERT_EQ(load("me/own:scale", 65536), QUERN_OK) << error();
  quern_loaded_kernel_info info = QUERN_LOADED_KERNEL_INFO_INIT;
  ASSERT_EQ(quern_kernel_get_info(kernel_, &info), QUERN_OK);
  EXPECT_STREQ(info.kernel, "me/own:scale");
  EXPECT_STREQ(info.entry, "scale");
  EXPECT_STREQ(info.target, "sm_90a");
  EXPECT_EQ(info.spill_bytes, 0);
  ASSERT_EQ(info.parameter_count, 4);
  EXPECT_EQ(info.parameter_bytes[1], 8u);
  EXPECT_EQ(info.parameter_bytes[3], 4u);

  float *y = reinterpret_cast<float *>(0x1000);
  const float *x = y;
  int n = 100;
  float factor = 2.0f;
  void *parameters[] = {&y, &x, &n, &factor};
  quern_launch launch = QUERN_LAUNCH_INIT;
  launch.grid[0] = 2;
  launch.block[0] = 64;
  launch.cluster[0] = 2;
  launch.shared_bytes = 65536;
  launch.parameters = parameters;
  launch.parameter_bytes = info.parameter_bytes;
  launch.parameter_count = 4;
  launch.overlap = 1;
  const int64_t before = state_->launches;
  ASSERT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_OK) << error();
  EXPECT_EQ(state_->launches, before + 1);
  EXPECT_STREQ(state_->last.kernel, "scale");
  EXPECT_EQ(state_->last.grid[0], 2u);
  EXPECT_EQ(state_->last.grid[1], 1u) << "0 is 1";
  EXPECT_EQ(state_->last.block[0], 64u);
  EXPECT_EQ(state_->last.cluster[0], 2u);
  EXPECT_EQ(state_->last.shared_bytes, 65536u);
  EXPECT_EQ(state_->last.programmatic_stream_serialization, 1);
}

TEST_F(LoadedKernel, WrongParametersAndSizesAreRefused) {
  ASSERT_EQ(load("me/own:scale", 1024), QUERN_OK) << error();
  uint64_t value = 0;
  void *parameters[] = {&value, &value, &value, &value};
  const size_t right[] = {8, 8, 4, 4}, wrong[] = {8, 8, 8, 4};
  quern_launch launch = QUERN_LAUNCH_INIT;
  launch.parameters = parameters;
  launch.parameter_bytes = right;
  launch.parameter_count = 3;
  const int64_t before = state_->launches;
  EXPECT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(error(), "parameter_count is 3; scale takes 4");
  launch.parameter_count = 4;
  launch.parameter_bytes = wrong;
  EXPECT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(error(), "parameter_bytes[2] is 8; scale takes 4 there");
  launch.parameter_bytes = right;
  parameters[3] = nullptr;
  EXPECT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_INVALID_ARGUMENT);
  parameters[3] = &value;
  launch.parameters = nullptr;
  EXPECT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_INVALID_ARGUMENT);
  launch.parameters = parameters;
  launch.shared_bytes = 2048;
  EXPECT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(error(), "shared_bytes is 2048; the kernel was loaded for 1024; load it for more");
  launch.shared_bytes = 0;
  launch.overlap = 2;
  EXPECT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(state_->launches, before);
}

TEST_F(LoadedKernel, WhatCannotBeLoadedIsToldWithTheFix) {
  EXPECT_EQ(load("me/none"), QUERN_NOT_FOUND);
  EXPECT_EQ(load("me/own:none"), QUERN_NOT_FOUND);
  EXPECT_EQ(load("me/own"), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(error(), "me/own has 4 variants; name one, as in me/own:scale");
  EXPECT_EQ(load("me/own:other"), QUERN_UNSUPPORTED);
  EXPECT_EQ(load("me/own:absent"), QUERN_BAD_MANIFEST);
  EXPECT_EQ(load("me/own:scale", 1 << 30), QUERN_UNSUPPORTED);
  EXPECT_EQ(load("me/own:scale", 0, "x_dtype=bf16"), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(load(nullptr), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(kernel_, nullptr);
}

TEST_F(LoadedKernel, AVariantOfAnOperationTakesTheOptionsItIsCompiledFor) {
  EXPECT_EQ(load("quern/mxfp4-repack:pack"), QUERN_INVALID_ARGUMENT);
  EXPECT_NE(error().find("options lacks layout"), std::string::npos) << error();
  EXPECT_EQ(load("quern/mxfp4-repack:pack", 0, "layout=canonical"), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(load("quern/mxfp4-repack:pack", 0, "layout"), QUERN_INVALID_ARGUMENT);
  ASSERT_EQ(load("quern/mxfp4-repack:pack", 0, "layout=mma16_f16"), QUERN_OK) << error();
  quern_loaded_kernel_info info = QUERN_LOADED_KERNEL_INFO_INIT;
  ASSERT_EQ(quern_kernel_get_info(kernel_, &info), QUERN_OK);
  ASSERT_EQ(info.parameter_count, 1);
  EXPECT_EQ(info.parameter_bytes[0], 64u);
  EXPECT_STREQ(info.origin, "built-in");
}

TEST_F(LoadedKernel, AKindOfProblemsIsAnOptionToo) {
  quern_device_close(device_);
  device_ = nullptr;
  ASSERT_EQ(quern_device_open(hub_, "sm_90a", &device_), QUERN_OK);
  const char *const kernel = "quern/mxfp4-gemm:prefill_192x64k2";
  EXPECT_EQ(load(kernel, 0, "x_dtype=bf16"), QUERN_INVALID_ARGUMENT);
  EXPECT_NE(error().find("options lacks plain_y"), std::string::npos) << error();
  EXPECT_EQ(load(kernel, 0, "plain_y=1,x_dtype=bf16"), QUERN_INVALID_ARGUMENT);
  EXPECT_EQ(load(kernel, 0, "plain_y=yes,x_dtype=f32"), QUERN_INVALID_ARGUMENT);
  ASSERT_EQ(load(kernel, 0, "plain_y=yes,x_dtype=bf16"), QUERN_OK) << error();
}

TEST_F(LoadedKernel, TheHandleOutlivesDeviceAndHub) {
  ASSERT_EQ(load("me/own:nothing"), QUERN_OK) << error();
  quern_device_close(device_);
  quern_hub_close(hub_);
  device_ = nullptr;
  hub_ = nullptr;
  quern_launch launch = QUERN_LAUNCH_INIT;
  EXPECT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_OK) << error();
}

TEST_F(LoadedKernel, OnAnArchitectureWithoutHardwareItIsCompiledAndKept) {
  quern_device_close(device_);
  device_ = nullptr;
  ASSERT_EQ(quern_device_open(hub_, "sm_80", &device_), QUERN_OK);
  ASSERT_EQ(load("me/own:scale"), QUERN_OK) << error();
  quern_launch launch = QUERN_LAUNCH_INIT;
  uint64_t value = 0;
  void *parameters[] = {&value, &value, &value, &value};
  const size_t bytes[] = {8, 8, 4, 4};
  launch.parameters = parameters;
  launch.parameter_bytes = bytes;
  launch.parameter_count = 4;
  EXPECT_EQ(quern_kernel_launch(kernel_, &launch, nullptr), QUERN_CUDA_UNAVAILABLE);
}

TEST_F(LoadedKernel, TheCpuHasNone) {
  quern_device_close(device_);
  device_ = nullptr;
  ASSERT_EQ(quern_device_open(hub_, "cpu", &device_), QUERN_OK);
  EXPECT_EQ(load("me/own:scale"), QUERN_UNSUPPORTED);
}

}  // namespace

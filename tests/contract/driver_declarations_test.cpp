// runtime/cuda/driver_api.hpp and runtime/compile/nvrtc_api.hpp declare what Quern uses of CUDA, so that no toolkit is
// needed to build. Here the compiler holds them against cuda.h and nvrtc.h.
#include <cuda.h>
#include <nvrtc.h>

#include <cstddef>
#include <cstring>
#include <type_traits>

#include <gtest/gtest.h>

#include "runtime/compile/nvrtc_api.hpp"
#include "runtime/cuda/driver_api.hpp"

namespace quern {
namespace {

template <typename Ours, typename Theirs>
constexpr bool same_type();

// Enumerations are declared as their integers, CUlaunchConfig and CUtensorMap under names of their own, the rest as it
// is.
template <typename Ours, typename Theirs>
struct Same {
  static constexpr bool same() {
    if constexpr (std::is_enum_v<Theirs> && std::is_integral_v<Ours>) return sizeof(Ours) == sizeof(Theirs);
    return std::is_same_v<Ours, Theirs> ||
           (std::is_same_v<Ours, cu::LaunchConfig> && std::is_same_v<Theirs, CUlaunchConfig>) ||
           (std::is_same_v<Ours, cu::TensorMap> && std::is_same_v<Theirs, CUtensorMap>);
  }
  static constexpr bool value = same();
};
template <typename Ours, typename Theirs>
struct Same<Ours *, Theirs *> {
  static constexpr bool value = std::is_const_v<Ours> == std::is_const_v<Theirs> &&
                                same_type<std::remove_const_t<Ours>, std::remove_const_t<Theirs>>();
};
template <typename OurResult, typename... Ours, typename TheirResult, typename... Theirs>
struct Same<OurResult (*)(Ours...), TheirResult (*)(Theirs...)> {
  static constexpr bool parameters() {
    if constexpr (sizeof...(Ours) == sizeof...(Theirs)) return (same_type<Ours, Theirs>() && ...);
    return false;
  }
  static constexpr bool value = same_type<OurResult, TheirResult>() && parameters();
};
template <typename Ours, typename Theirs>
constexpr bool same_type() {
  return Same<Ours, Theirs>::value;
}

static_assert(same_type<int (*)(int *), CUresult (*)(CUdevice *)>());
static_assert(!same_type<int (*)(int *), CUresult (*)(const int *)>());
static_assert(!same_type<int (*)(int), CUresult (*)(int, int)>());
static_assert(!same_type<int (*)(size_t), CUresult (*)(unsigned)>());

#define QUERN_CHECK(name, symbol, parameters) \
  static_assert(same_type<decltype(cu::Api::name), decltype(&symbol)>(), #symbol);
QUERN_DRIVER_FUNCTIONS(QUERN_CHECK)
QUERN_DRIVER_TIMING_FUNCTIONS(QUERN_CHECK)
#undef QUERN_CHECK
#if CUDA_VERSION >= 12040
static_assert(same_type<decltype(cu::Api::kernel_parameter_info), decltype(&cuKernelGetParamInfo)>());
#endif

#define QUERN_CHECK(name, symbol, result, parameters) \
  static_assert(same_type<decltype(NvrtcApi::name), decltype(&symbol)>(), #symbol);
QUERN_NVRTC_FUNCTIONS(QUERN_CHECK)
#undef QUERN_CHECK

static_assert(std::is_same_v<cu::Stream, CUstream> && std::is_same_v<cu::DevicePointer, CUdeviceptr>);

static_assert(cu::kSuccess == CUDA_SUCCESS);
static_assert(cu::kInvalidValue == CUDA_ERROR_INVALID_VALUE);
static_assert(cu::kOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(cu::kStubLibrary == CUDA_ERROR_STUB_LIBRARY);
static_assert(cu::kNoDevice == CUDA_ERROR_NO_DEVICE);
static_assert(cu::kInvalidImage == CUDA_ERROR_INVALID_IMAGE);
static_assert(cu::kNoBinaryForGpu == CUDA_ERROR_NO_BINARY_FOR_GPU);
static_assert(cu::kInvalidPtx == CUDA_ERROR_INVALID_PTX);
static_assert(cu::kUnsupportedPtxVersion == CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
static_assert(cu::kSystemDriverMismatch == CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);

static_assert(cu::kMultiprocessorCount == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(cu::kCapabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(cu::kCapabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(cu::kL2CacheSize == CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
static_assert(cu::kMaxSharedMemoryPerBlockOptin == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(cu::kMaxDynamicSharedSizeBytes == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(cu::kJitErrorLogBuffer == CU_JIT_ERROR_LOG_BUFFER);
static_assert(cu::kJitErrorLogBufferSizeBytes == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
static_assert(cu::kLaunchAttributeClusterDimension == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
static_assert(cu::kLaunchAttributeProgrammaticStreamSerialization ==
              CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
static_assert(cu::kStreamNonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(cu::kCaptureThreadLocal == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
static_assert(cu::kTensorMapUint16 == CU_TENSOR_MAP_DATA_TYPE_UINT16);
static_assert(cu::kTensorMapUint64 == CU_TENSOR_MAP_DATA_TYPE_UINT64);
static_assert(cu::kTensorMapInterleaveNone == CU_TENSOR_MAP_INTERLEAVE_NONE);
static_assert(cu::kTensorMapSwizzle[0] == CU_TENSOR_MAP_SWIZZLE_NONE);
static_assert(cu::kTensorMapSwizzle[1] == CU_TENSOR_MAP_SWIZZLE_32B);
static_assert(cu::kTensorMapSwizzle[2] == CU_TENSOR_MAP_SWIZZLE_64B);
static_assert(cu::kTensorMapSwizzle[3] == CU_TENSOR_MAP_SWIZZLE_128B);
static_assert(cu::kTensorMapL2Promotion128 == CU_TENSOR_MAP_L2_PROMOTION_L2_128B);
static_assert(cu::kTensorMapL2Promotion256 == CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
static_assert(cu::kTensorMapFillZero == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
static_assert(sizeof(cu::TensorMap) == sizeof(CUtensorMap) && alignof(cu::TensorMap) >= alignof(CUtensorMap));

static_assert(sizeof(cu::LaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(offsetof(cu::LaunchAttribute, id) == offsetof(CUlaunchAttribute, id));
static_assert(offsetof(cu::LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));
static_assert(sizeof(cu::LaunchAttribute::value) == sizeof(CUlaunchAttributeValue));
static_assert(sizeof(cu::LaunchAttribute::value.cluster) == sizeof(CUlaunchAttributeValue::clusterDim));

static_assert(sizeof(cu::LaunchConfig) == sizeof(CUlaunchConfig));
static_assert(offsetof(cu::LaunchConfig, grid_x) == offsetof(CUlaunchConfig, gridDimX));
static_assert(offsetof(cu::LaunchConfig, grid_y) == offsetof(CUlaunchConfig, gridDimY));
static_assert(offsetof(cu::LaunchConfig, grid_z) == offsetof(CUlaunchConfig, gridDimZ));
static_assert(offsetof(cu::LaunchConfig, block_x) == offsetof(CUlaunchConfig, blockDimX));
static_assert(offsetof(cu::LaunchConfig, block_y) == offsetof(CUlaunchConfig, blockDimY));
static_assert(offsetof(cu::LaunchConfig, block_z) == offsetof(CUlaunchConfig, blockDimZ));
static_assert(offsetof(cu::LaunchConfig, shared_bytes) == offsetof(CUlaunchConfig, sharedMemBytes));
static_assert(offsetof(cu::LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream));
static_assert(offsetof(cu::LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs));
static_assert(offsetof(cu::LaunchConfig, attribute_count) == offsetof(CUlaunchConfig, numAttrs));

// The members of the union, by writing through one and reading through the other.
TEST(DriverDeclarations, ClusterDimensionsLieWhereTheDriverReadsThem) {
  CUlaunchAttribute theirs{};
  theirs.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
  theirs.value.clusterDim = {2, 3, 4};
  cu::LaunchAttribute ours;
  std::memcpy(&ours, &theirs, sizeof ours);
  EXPECT_EQ(ours.id, cu::kLaunchAttributeClusterDimension);
  EXPECT_EQ(ours.value.cluster.x, 2u);
  EXPECT_EQ(ours.value.cluster.y, 3u);
  EXPECT_EQ(ours.value.cluster.z, 4u);
}

TEST(DriverDeclarations, ProgrammaticSerializationLiesWhereTheDriverReadsIt) {
  CUlaunchAttribute theirs{};
  theirs.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  theirs.value.programmaticStreamSerializationAllowed = 1;
  cu::LaunchAttribute ours;
  std::memcpy(&ours, &theirs, sizeof ours);
  EXPECT_EQ(ours.id, cu::kLaunchAttributeProgrammaticStreamSerialization);
  EXPECT_EQ(ours.value.programmatic_stream_serialization, 1);
}

}  // namespace
}  // namespace quern

// cli/cuda_driver.hpp and cli/cublas_api.hpp declare what `quern bench` uses of CUDA. Here the compiler holds them
// against cuda.h and cublas_v2.h.
#include <cublas_v2.h>
#include <cuda.h>
#include <library_types.h>

#include <type_traits>

#include <gtest/gtest.h>

#include "cli/cublas_api.hpp"
#include "cli/cuda_driver.hpp"

namespace quern::cli {
namespace {

// Passed alike: pointers for the same type of pointer, but enumerations are declared as their integers.
template <typename Ours, typename Theirs>
constexpr bool alike() {
  if constexpr (std::is_pointer_v<Ours> && std::is_pointer_v<Theirs>) {
    using Our = std::remove_pointer_t<Ours>;
    using Their = std::remove_pointer_t<Theirs>;
    return std::is_const_v<Our> == std::is_const_v<Their> &&
           alike<std::remove_const_t<Our>, std::remove_const_t<Their>>();
  } else if constexpr (std::is_enum_v<Theirs> && std::is_integral_v<Ours>) {
    return sizeof(Ours) == sizeof(Theirs);
  } else {
    return std::is_same_v<Ours, Theirs>;
  }
}

template <typename Ours, typename Theirs>
struct Same;
template <typename OurResult, typename... Ours, typename TheirResult, typename... Theirs>
struct Same<OurResult (*)(Ours...), TheirResult (*)(Theirs...)> {
  static constexpr bool parameters() {
    if constexpr (sizeof...(Ours) == sizeof...(Theirs)) return (alike<Ours, Theirs>() && ...);
    return false;
  }
  static constexpr bool value = alike<OurResult, TheirResult>() && parameters();
};

static_assert(Same<int (*)(int *), CUresult (*)(CUdevice *)>::value);
static_assert(!Same<int (*)(int *), CUresult (*)(const int *)>::value);
static_assert(!Same<int (*)(int), CUresult (*)(int, int)>::value);

#define QUERN_CHECK(name, symbol, parameters) \
  static_assert(Same<decltype(cuda::Driver::name), decltype(&symbol)>::value, #symbol);
QUERN_BENCH_DRIVER_FUNCTIONS(QUERN_CHECK)
#undef QUERN_CHECK

// Under one name each: cublasGemmEx has an overload for older callers.
using GemmEx = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void *,
                                  const void *, cudaDataType, int, const void *, cudaDataType, int, const void *,
                                  void *, cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t);
auto *const their_cublasCreate_v2 = &cublasCreate_v2;
auto *const their_cublasDestroy_v2 = &cublasDestroy_v2;
auto *const their_cublasGetVersion_v2 = &cublasGetVersion_v2;
auto *const their_cublasSetStream_v2 = &cublasSetStream_v2;
auto *const their_cublasSetWorkspace_v2 = &cublasSetWorkspace_v2;
using TheirGemmEx = decltype(static_cast<GemmEx>(&cublasGemmEx));
extern const TheirGemmEx their_cublasGemmEx;
#define QUERN_CHECK(name, symbol, parameters) \
  static_assert(Same<decltype(cublas::Api::name), std::remove_const_t<decltype(their_##symbol)>>::value, #symbol);
QUERN_CUBLAS_FUNCTIONS(QUERN_CHECK)
#undef QUERN_CHECK

static_assert(cuda::kSuccess == CUDA_SUCCESS && cublas::kSuccess == CUBLAS_STATUS_SUCCESS);
static_assert(cuda::kStreamNonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(cuda::kEventDefault == CU_EVENT_DEFAULT);
static_assert(cuda::kCaptureRelaxed == CU_STREAM_CAPTURE_MODE_RELAXED);
static_assert(cublas::kOperationNone == CUBLAS_OP_N && cublas::kOperationTranspose == CUBLAS_OP_T);
static_assert(cublas::kTypeF16 == CUDA_R_16F && cublas::kTypeBf16 == CUDA_R_16BF);
static_assert(cublas::kComputeF32 == CUBLAS_COMPUTE_32F && cublas::kAlgorithmDefault == CUBLAS_GEMM_DEFAULT);

TEST(CudaDeclarations, Compile) {}

}  // namespace
}  // namespace quern::cli

// The functions of cuBLAS that are used, declared here so that no toolkit is needed to build; a test holds them against
// cublas_v2.h where that exists.
#pragma once

#include <cstddef>

#include <quern/quern.h>

struct cublasContext;

namespace quern::cli::cublas {

using Status = int;  // cublasStatus_t
using Handle = cublasContext *;

constexpr Status kSuccess = 0;
constexpr int kOperationNone = 0;       // CUBLAS_OP_N
constexpr int kOperationTranspose = 1;  // CUBLAS_OP_T
constexpr int kTypeF16 = 2;             // CUDA_R_16F
constexpr int kTypeBf16 = 14;           // CUDA_R_16BF
constexpr int kComputeF32 = 68;         // CUBLAS_COMPUTE_32F
constexpr int kAlgorithmDefault = -1;   // CUBLAS_GEMM_DEFAULT

// name, the symbol, the parameters
#define QUERN_CUBLAS_FUNCTIONS(X)                                                                             \
  X(create, cublasCreate_v2, (Handle * handle))                                                               \
  X(destroy, cublasDestroy_v2, (Handle handle))                                                               \
  X(version, cublasGetVersion_v2, (Handle handle, int *version))                                              \
  X(set_stream, cublasSetStream_v2, (Handle handle, quern_stream stream))                                     \
  X(set_workspace, cublasSetWorkspace_v2, (Handle handle, void *workspace, size_t bytes))                     \
  X(gemm, cublasGemmEx,                                                                                       \
    (Handle handle, int transpose_a, int transpose_b, int m, int n, int k, const void *alpha, const void *a,  \
     int a_type, int lda, const void *b, int b_type, int ldb, const void *beta, void *c, int c_type, int ldc, \
     int compute_type, int algorithm))

struct Api {
#define QUERN_MEMBER(name, symbol, parameters) Status(*name) parameters;
  QUERN_CUBLAS_FUNCTIONS(QUERN_MEMBER)
#undef QUERN_MEMBER
};

}  // namespace quern::cli::cublas

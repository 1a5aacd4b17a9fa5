#include "cli/cublas.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "cli/failure.hpp"

namespace quern::cli {
namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what cuBLAS itself takes on Hopper

std::vector<std::string> candidates() {
  const char *chosen = std::getenv("QUERN_CUBLAS_PATH");
  if (chosen != nullptr && *chosen != '\0') return {chosen};
  return {"libcublas.so.13", "libcublas.so.12", "/usr/local/cuda/lib64/libcublas.so.13",
          "/usr/local/cuda/lib64/libcublas.so.12"};
}

// Null, and why. Never closed: closing CUDA's libraries under a process that uses them crashes it.
void *open_library(std::string &missing) {
  std::string tried;
  for (const std::string &file : candidates()) {
    if (void *library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    tried += (tried.empty() ? "" : ", ") + file;
  }
  missing = "cuBLAS not found (tried " + tried + "); set QUERN_CUBLAS_PATH";
  return nullptr;
}

}  // namespace

std::unique_ptr<Cublas> Cublas::open(const host::Device &device, quern_stream stream, std::string &missing) {
  void *const library = open_library(missing);
  if (library == nullptr) return nullptr;
  std::unique_ptr<Cublas> opened(new Cublas);
  cublas::Api &api = opened->api_;
#define QUERN_FIND(name, symbol, parameters)                                  \
  api.name = reinterpret_cast<decltype(api.name)>(::dlsym(library, #symbol)); \
  if (api.name == nullptr) {                                                  \
    missing = "libcublas has no " #symbol "; cuBLAS 12 or newer is needed";   \
    return nullptr;                                                           \
  }
  QUERN_CUBLAS_FUNCTIONS(QUERN_FIND)
#undef QUERN_FIND
  const auto works = [&](cublas::Status status, const char *call) {
    if (status == cublas::kSuccess) return true;
    missing = text("cuBLAS cannot be used: ", call, " fails with status ", status, "; is it made for this driver?");
    return false;
  };
  if (!works(api.create(&opened->handle_), "cublasCreate")) return nullptr;
  opened->workspace_ = device.allocate(kWorkspaceBytes);
  // In this order: setting the stream sets the workspace back to memory that a capture must not touch.
  if (!works(api.set_stream(opened->handle_, stream), "cublasSetStream") ||
      !works(api.set_workspace(opened->handle_, opened->workspace_.get(), kWorkspaceBytes), "cublasSetWorkspace")) {
    return nullptr;
  }
  return opened;
}

Cublas::~Cublas() {
  if (handle_ != nullptr) api_.destroy(handle_);
}

void Cublas::multiply(quern_dtype dtype, int64_t m, int64_t n, int64_t k, const void *x, const void *w, void *y) const {
  const int type = dtype == QUERN_DTYPE_F16 ? cublas::kTypeF16 : cublas::kTypeBf16;
  const float alpha = 1, beta = 0;
  const int rows = static_cast<int>(n), columns = static_cast<int>(m), depth = static_cast<int>(k);
  // cuBLAS counts by columns: a row-major Y[m, n] is its [n, m], W its [k, n] to be transposed, X its [k, m].
  const cublas::Status status =
      api_.gemm(handle_, cublas::kOperationTranspose, cublas::kOperationNone, rows, columns, depth, &alpha, w, type,
                depth, x, type, depth, &beta, y, type, rows, cublas::kComputeF32, cublas::kAlgorithmDefault);
  if (status != cublas::kSuccess) {
    fail(kFailed, "cuBLAS fails with status ", status, " for M ", m, ", N ", n, ", K ", k, "; pass --cublas off");
  }
}

std::string Cublas::version() const {
  int number = 0;
  api_.version(handle_, &number);  // 130002 for 13.0.2; 120804 for 12.8.4
  return text(number / 10000, ".", number / 100 % 100, ".", number % 100);
}

}  // namespace quern::cli

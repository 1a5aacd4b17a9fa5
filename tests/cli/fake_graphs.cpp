// The stand-in driver of tests/fake_driver with what `quern bench` needs besides: graphs that hold no more than how
// many runs were captured, events that tell a time of their own, and a cuBLAS that multiplies nothing. Every replay
// takes a millisecond by that clock, so what the program reports is known beforehand.
#include <cstdlib>
#include <cstring>

#include "cli/cublas_api.hpp"
#include "cli/cuda_driver.hpp"

using namespace quern::cli;

struct CUevent_st {
  float milliseconds;
};

namespace {

float now = 0;
bool capturing = false;

// FAKE_GRAPHS_FAIL names a function that fails.
cuda::Result result(const char *symbol) {
  const char *failing = std::getenv("FAKE_GRAPHS_FAIL");
  return failing != nullptr && std::strcmp(failing, symbol) == 0 ? 900 : cuda::kSuccess;
}

}  // namespace

#define FAKE extern "C" __attribute__((visibility("default"))) int

FAKE cuStreamCreate(cuda::Stream *stream, unsigned flags) {
  *stream = reinterpret_cast<cuda::Stream>(&now);
  return flags == cuda::kStreamNonBlocking ? result("cuStreamCreate") : 1;
}
FAKE cuStreamDestroy_v2(cuda::Stream) { return cuda::kSuccess; }
FAKE cuStreamBeginCapture_v2(cuda::Stream, int) {
  if (capturing) return 901;
  capturing = true;
  return result("cuStreamBeginCapture_v2");
}
FAKE cuStreamEndCapture(cuda::Stream, cuda::Graph *graph) {
  if (!capturing) return 901;
  capturing = false;
  *graph = reinterpret_cast<cuda::Graph>(&capturing);
  return result("cuStreamEndCapture");
}
FAKE cuGraphInstantiateWithFlags(cuda::GraphExec *exec, cuda::Graph, unsigned long long) {
  *exec = reinterpret_cast<cuda::GraphExec>(&capturing);
  return result("cuGraphInstantiateWithFlags");
}
FAKE cuGraphLaunch(cuda::GraphExec, cuda::Stream) {
  now += 1;
  return result("cuGraphLaunch");
}
FAKE cuGraphDestroy(cuda::Graph) { return cuda::kSuccess; }
FAKE cuGraphExecDestroy(cuda::GraphExec) { return cuda::kSuccess; }
FAKE cuEventCreate(cuda::Event *event, unsigned) {
  *event = new CUevent_st{0};
  return cuda::kSuccess;
}
FAKE cuEventDestroy_v2(cuda::Event event) {
  delete event;
  return cuda::kSuccess;
}
FAKE cuEventRecord(cuda::Event event, cuda::Stream) {
  event->milliseconds = now;
  return cuda::kSuccess;
}
FAKE cuEventSynchronize(cuda::Event) { return result("cuEventSynchronize"); }
FAKE cuEventElapsedTime(float *milliseconds, cuda::Event start, cuda::Event end) {
  *milliseconds = end->milliseconds - start->milliseconds;
  return cuda::kSuccess;
}
FAKE cuMemcpyDtoDAsync_v2(cuda::DevicePointer, cuda::DevicePointer, size_t, cuda::Stream) { return cuda::kSuccess; }

FAKE cublasCreate_v2(cublas::Handle *handle) {
  *handle = reinterpret_cast<cublas::Handle>(&now);
  return result("cublasCreate_v2");
}
FAKE cublasDestroy_v2(cublas::Handle) { return cublas::kSuccess; }
FAKE cublasGetVersion_v2(cublas::Handle, int *version) {
  *version = 130100;
  return cublas::kSuccess;
}
FAKE cublasSetStream_v2(cublas::Handle, quern_stream) { return cublas::kSuccess; }
FAKE cublasSetWorkspace_v2(cublas::Handle, void *, size_t) { return cublas::kSuccess; }
FAKE cublasGemmEx(cublas::Handle, int transpose_a, int transpose_b, int m, int n, int k, const void *, const void *,
                  int, int lda, const void *, int, int ldb, const void *, void *c, int, int ldc, int, int) {
  const bool dense = lda == k && ldb == k && ldc == m;
  if (transpose_a != cublas::kOperationTranspose || transpose_b != cublas::kOperationNone || !dense) return 7;
  std::memset(c, 0x3f, static_cast<size_t>(m) * static_cast<size_t>(n) * 2);  // about 0.75 in bf16
  return result("cublasGemmEx");
}

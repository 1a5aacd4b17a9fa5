// The few functions of the CUDA driver that benchmarks need and a host of Quern does not: streams, events and graphs.
// Declared here, so that no toolkit is needed to build; a test holds the declarations against cuda.h where that exists.
#pragma once

#include <cstddef>

#include <quern/quern.h>

struct CUctx_st;
struct CUmod_st;
struct CUfunc_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;

namespace quern::cli::cuda {

using Result = int;  // CUresult
using Device = int;
using Context = CUctx_st *;
using Module = CUmod_st *;
using Function = CUfunc_st *;
using Event = CUevent_st *;
using Graph = CUgraph_st *;
using GraphExec = CUgraphExec_st *;
using Stream = quern_stream;
using DevicePointer = unsigned long long;

constexpr Result kSuccess = 0;
constexpr unsigned kStreamNonBlocking = 1;  // CU_STREAM_NON_BLOCKING
constexpr unsigned kEventDefault = 0;       // CU_EVENT_DEFAULT
// CU_STREAM_CAPTURE_MODE_RELAXED: what cuBLAS does beside its launches must not end the capture.
constexpr int kCaptureRelaxed = 2;

// name, the symbol, the parameters
#define QUERN_BENCH_DRIVER_FUNCTIONS(X)                                                                        \
  X(init, cuInit, (unsigned int flags))                                                                        \
  X(error_name, cuGetErrorName, (Result error, const char **name))                                             \
  X(error_string, cuGetErrorString, (Result error, const char **text))                                         \
  X(device_get, cuDeviceGet, (Device * device, int ordinal))                                                   \
  X(primary_context_retain, cuDevicePrimaryCtxRetain, (Context * context, Device device))                      \
  X(primary_context_release, cuDevicePrimaryCtxRelease_v2, (Device device))                                    \
  X(context_push, cuCtxPushCurrent_v2, (Context context))                                                      \
  X(context_pop, cuCtxPopCurrent_v2, (Context * context))                                                      \
  X(stream_create, cuStreamCreate, (Stream * stream, unsigned int flags))                                      \
  X(stream_destroy, cuStreamDestroy_v2, (Stream stream))                                                       \
  X(stream_synchronize, cuStreamSynchronize, (Stream stream))                                                  \
  X(capture_begin, cuStreamBeginCapture_v2, (Stream stream, int mode))                                         \
  X(capture_end, cuStreamEndCapture, (Stream stream, Graph * graph))                                           \
  X(graph_instantiate, cuGraphInstantiateWithFlags, (GraphExec * exec, Graph graph, unsigned long long flags)) \
  X(graph_launch, cuGraphLaunch, (GraphExec exec, Stream stream))                                              \
  X(graph_destroy, cuGraphDestroy, (Graph graph))                                                              \
  X(graph_exec_destroy, cuGraphExecDestroy, (GraphExec exec))                                                  \
  X(event_create, cuEventCreate, (Event * event, unsigned int flags))                                          \
  X(event_destroy, cuEventDestroy_v2, (Event event))                                                           \
  X(event_record, cuEventRecord, (Event event, Stream stream))                                                 \
  X(event_synchronize, cuEventSynchronize, (Event event))                                                      \
  X(event_elapsed, cuEventElapsedTime, (float *milliseconds, Event start, Event end))                          \
  X(copy, cuMemcpyDtoDAsync_v2, (DevicePointer dst, DevicePointer src, size_t bytes, Stream stream))

// What only the read roof needs; without them it is measured by copying.
#define QUERN_BENCH_DRIVER_MODULE_FUNCTIONS(X)                                                                 \
  X(module_load, cuModuleLoadData, (Module * module, const void *image))                                       \
  X(module_unload, cuModuleUnload, (Module module))                                                            \
  X(module_function, cuModuleGetFunction, (Function * function, Module module, const char *name))              \
  X(launch, cuLaunchKernel,                                                                                    \
    (Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, \
     unsigned block_z, unsigned shared_bytes, Stream stream, void **parameters, void **extra))

struct Driver {
#define QUERN_MEMBER(name, symbol, parameters) Result(*name) parameters;
  QUERN_BENCH_DRIVER_FUNCTIONS(QUERN_MEMBER)
  QUERN_BENCH_DRIVER_MODULE_FUNCTIONS(QUERN_MEMBER)
#undef QUERN_MEMBER
  bool has_modules = true;

  // Throws Failure with the driver's own words: "cannot `what`: CUDA_ERROR_...".
  void check(Result result, const char *what) const;
};

// The driver that libquern uses, initialised. Throws Failure if it is not there or too old.
const Driver &driver();

}  // namespace quern::cli::cuda

// The CUDA driver API as far as Quern uses it, declared here so that neither the toolkit nor the driver is needed to
// build or to start; a test holds these declarations against cuda.h where that exists. libcuda.so.1 is opened when
// first needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <quern/quern.h>

struct CUctx_st;
struct CUlib_st;
struct CUkern_st;
struct CUfunc_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;

namespace quern::cu {

using Result = int;  // CUresult
using Device = int;
using Context = CUctx_st *;
using Library = CUlib_st *;
using Kernel = CUkern_st *;
using Function = CUfunc_st *;
using DevicePointer = unsigned long long;
using Stream = quern_stream;
using Event = CUevent_st *;
using Graph = CUgraph_st *;
using GraphExec = CUgraphExec_st *;

constexpr Result kSuccess = 0;
constexpr Result kInvalidValue = 1;
constexpr Result kOutOfMemory = 2;
constexpr Result kStubLibrary = 34;
constexpr Result kNoDevice = 100;
constexpr Result kInvalidImage = 200;
constexpr Result kNoBinaryForGpu = 209;
constexpr Result kInvalidPtx = 218;
constexpr Result kUnsupportedPtxVersion = 222;
constexpr Result kSystemDriverMismatch = 803;

// CUdevice_attribute
constexpr int kMultiprocessorCount = 16;
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;
constexpr int kL2CacheSize = 38;
constexpr int kMaxSharedMemoryPerBlockOptin = 97;

// CUfunction_attribute
constexpr int kMaxDynamicSharedSizeBytes = 8;

// CUjit_option
constexpr int kJitErrorLogBuffer = 5;
constexpr int kJitErrorLogBufferSizeBytes = 6;

// CUlaunchAttributeID
constexpr int kLaunchAttributeClusterDimension = 4;
constexpr int kLaunchAttributeProgrammaticStreamSerialization = 6;

// CUtensorMapDataType and its fellows
constexpr int kTensorMapUint16 = 1;
constexpr int kTensorMapUint64 = 4;
constexpr int kTensorMapInterleaveNone = 0;
constexpr int kTensorMapSwizzle[] = {0, 1, 2, 3};  // none, 32, 64 and 128 bytes
constexpr int kTensorMapL2Promotion128 = 2;
constexpr int kTensorMapL2Promotion256 = 3;
constexpr int kTensorMapFillZero = 0;

// CUstream_flags, CUstreamCaptureMode
constexpr unsigned int kStreamNonBlocking = 1;
constexpr int kCaptureThreadLocal = 1;

struct alignas(128) TensorMap {  // CUtensorMap
  unsigned long long words[16];
};

struct LaunchAttribute {
  int id;
  char pad[4];
  union {
    char bytes[64];
    struct {
      unsigned int x, y, z;
    } cluster;
    int programmatic_stream_serialization;
  } value;
};

struct LaunchConfig {
  unsigned int grid_x, grid_y, grid_z;
  unsigned int block_x, block_y, block_z;
  unsigned int shared_bytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned int attribute_count;
};

// name, the symbol, the parameters
#define QUERN_DRIVER_FUNCTIONS(X)                                                                                    \
  X(init, cuInit, (unsigned int flags))                                                                              \
  X(driver_version, cuDriverGetVersion, (int *version))                                                              \
  X(error_name, cuGetErrorName, (Result error, const char **name))                                                   \
  X(error_string, cuGetErrorString, (Result error, const char **text))                                               \
  X(device_count, cuDeviceGetCount, (int *count))                                                                    \
  X(device_get, cuDeviceGet, (Device * device, int ordinal))                                                         \
  X(device_name, cuDeviceGetName, (char *name, int bytes, Device device))                                            \
  X(device_attribute, cuDeviceGetAttribute, (int *value, int attribute, Device device))                              \
  X(device_memory, cuDeviceTotalMem_v2, (size_t * bytes, Device device))                                             \
  X(primary_context_retain, cuDevicePrimaryCtxRetain, (Context * context, Device device))                            \
  X(primary_context_release, cuDevicePrimaryCtxRelease_v2, (Device device))                                          \
  X(context_current, cuCtxGetCurrent, (Context * context))                                                           \
  X(context_device, cuCtxGetDevice, (Device * device))                                                               \
  X(context_push, cuCtxPushCurrent_v2, (Context context))                                                            \
  X(context_pop, cuCtxPopCurrent_v2, (Context * context))                                                            \
  X(memory_allocate, cuMemAlloc_v2, (DevicePointer * memory, size_t bytes))                                          \
  X(memory_free, cuMemFree_v2, (DevicePointer memory))                                                               \
  X(memory_copy, cuMemcpyAsync, (DevicePointer dst, DevicePointer src, size_t bytes, Stream stream))                 \
  X(stream_synchronize, cuStreamSynchronize, (Stream stream))                                                        \
  X(library_load, cuLibraryLoadData,                                                                                 \
    (Library * library, const void *code, int *jit_options, void **jit_values, unsigned int jit_count, int *options, \
     void **values, unsigned int count))                                                                             \
  X(library_unload, cuLibraryUnload, (Library library))                                                              \
  X(library_kernel, cuLibraryGetKernel, (Kernel * kernel, Library library, const char *name))                        \
  X(kernel_function, cuKernelGetFunction, (Function * function, Kernel kernel))                                      \
  X(kernel_set_attribute, cuKernelSetAttribute, (int attribute, int value, Kernel kernel, Device device))            \
  X(function_attribute, cuFuncGetAttribute, (int *value, int attribute, Function function))                          \
  X(tensor_map_encode, cuTensorMapEncodeTiled,                                                                       \
    (TensorMap * map, int data_type, unsigned int rank, void *address, const uint64_t *dimensions,                   \
     const uint64_t *strides, const uint32_t *box, const uint32_t *element_strides, int interleave, int swizzle,     \
     int l2_promotion, int fill))                                                                                    \
  X(launch, cuLaunchKernelEx, (const LaunchConfig *config, Function function, void **parameters, void **extra))

// What timing needs, and nothing else does.
#define QUERN_DRIVER_TIMING_FUNCTIONS(X)                                                                             \
  X(stream_create, cuStreamCreate, (Stream * stream, unsigned int flags))                                            \
  X(stream_destroy, cuStreamDestroy_v2, (Stream stream))                                                             \
  X(capture_begin, cuStreamBeginCapture_v2, (Stream stream, int mode))                                               \
  X(capture_end, cuStreamEndCapture, (Stream stream, Graph * graph))                                                 \
  X(graph_destroy, cuGraphDestroy, (Graph graph))                                                                    \
  X(graph_instantiate, cuGraphInstantiateWithFlags, (GraphExec * executable, Graph graph, unsigned long long flags)) \
  X(graph_exec_destroy, cuGraphExecDestroy, (GraphExec executable))                                                  \
  X(graph_launch, cuGraphLaunch, (GraphExec executable, Stream stream))                                              \
  X(event_create, cuEventCreate, (Event * event, unsigned int flags))                                                \
  X(event_destroy, cuEventDestroy_v2, (Event event))                                                                 \
  X(event_record, cuEventRecord, (Event event, Stream stream))                                                       \
  X(event_synchronize, cuEventSynchronize, (Event event))                                                            \
  X(event_elapsed, cuEventElapsedTime, (float *milliseconds, Event start, Event end))

struct Api {
#define QUERN_MEMBER(name, symbol, parameters) Result(*name) parameters;
  QUERN_DRIVER_FUNCTIONS(QUERN_MEMBER)
  QUERN_DRIVER_TIMING_FUNCTIONS(QUERN_MEMBER)
#undef QUERN_MEMBER
  bool has_timing;  // whether these are there
  // Since 12.4; null before.
  Result (*kernel_parameter_info)(Kernel kernel, size_t index, size_t *offset, size_t *size);
  int version;  // 13000 for 13.0
};

// The driver, initialised; null if it cannot be used, and then driver_missing() says why and what to do. Both are
// decided once in a process. Thread-safe.
const Api *driver() noexcept;
const char *driver_missing() noexcept;

// The driver, or QUERN_CUDA_UNAVAILABLE.
const Api &need_driver();

// Throws QUERN_CUDA_ERROR (QUERN_OUT_OF_MEMORY for that) with the driver's own words: "cannot `what`: CUDA_ERROR_...:
// ...".
void check(Result result, const char *what);

}  // namespace quern::cu

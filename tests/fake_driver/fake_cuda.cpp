// A stand-in for libcuda.so.1: two GPUs of capability 9.0 whose memory is the host's and whose kernels do nothing but
// are counted. With it the whole CUDA path up to the launch is tested where there is no GPU. It reads parameter sizes
// from the code as the real driver does, so that a kernel that lies is found here too.
#include "tests/fake_driver/fake_cuda.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cuda/code_image.hpp"
#include "runtime/cuda/driver_api.hpp"

using namespace quern;
using namespace quern::cu;

struct CUctx_st {
  int device;
};
struct CUkern_st {
  std::string name;
  std::vector<size_t> parameter_sizes;
  unsigned shared_bytes[2] = {48 << 10, 48 << 10};  // dynamic, that a launch may take, on each device
};
struct CUlib_st {
  std::string code;
  std::vector<std::unique_ptr<CUkern_st>> kernels;
};

namespace {

constexpr int kDevices = 2;
CUctx_st contexts[kDevices] = {{0}, {1}};
thread_local Context current = nullptr;
FakeCuda state{};
std::string fail_symbol;
int fail_result = 0;

bool fails(const char *symbol) {
  if (fail_symbol != symbol) return false;
  fail_symbol.clear();
  return true;
}

}  // namespace

#define FAKE extern "C" __attribute__((visibility("default"))) Result
#define FAIL_IF_ASKED(symbol) \
  if (fails(#symbol)) return fail_result

extern "C" {
__attribute__((visibility("default"))) FakeCuda *fake_cuda_state() { return &state; }
__attribute__((visibility("default"))) void fake_cuda_set_current(int device) {
  current = device < 0 ? nullptr : &contexts[device];
}
__attribute__((visibility("default"))) void fake_cuda_fail_next(const char *symbol, int result) {
  fail_symbol = symbol;
  fail_result = result;
}
}

FAKE cuInit(unsigned) {
  const char *code = std::getenv("FAKE_CUDA_INIT");
  return code == nullptr ? kSuccess : std::atoi(code);
}
FAKE cuDriverGetVersion(int *version) {
  *version = 13000;
  return kSuccess;
}
FAKE cuGetErrorName(Result, const char **name) {
  *name = "CUDA_ERROR_FAKE";
  return kSuccess;
}
FAKE cuGetErrorString(Result, const char **text) {
  *text = "as the test asked";
  return kSuccess;
}
FAKE cuDeviceGetCount(int *count) {
  *count = kDevices;
  return kSuccess;
}
FAKE cuDeviceGet(Device *device, int ordinal) {
  *device = ordinal;
  return kSuccess;
}
FAKE cuDeviceGetName(char *name, int bytes, Device) {
  const char *model = std::getenv("FAKE_CUDA_NAME");  // tables of measured kernels are for a model
  std::strncpy(name, model != nullptr ? model : "Fake GPU", static_cast<size_t>(bytes));
  return kSuccess;
}
FAKE cuDeviceGetAttribute(int *value, int attribute, Device) {
  switch (attribute) {
    case kCapabilityMajor:
      *value = 9;
      break;
    case kCapabilityMinor:
      *value = 0;
      break;
    case kMultiprocessorCount:
      *value = 132;
      break;
    case kMaxSharedMemoryPerBlockOptin:
      *value = 227 << 10;
      break;
    case kL2CacheSize:
      *value = 60 << 20;
      break;
    default:
      return kInvalidValue;
  }
  return kSuccess;
}
FAKE cuDeviceTotalMem_v2(size_t *bytes, Device) {
  *bytes = size_t{1} << 37;
  return kSuccess;
}
FAKE cuDevicePrimaryCtxRetain(Context *context, Device device) {
  ++state.primary_retained;
  *context = &contexts[device];
  return kSuccess;
}
FAKE cuDevicePrimaryCtxRelease_v2(Device) {
  --state.primary_retained;
  return kSuccess;
}
FAKE cuCtxGetCurrent(Context *context) {
  *context = current;
  return kSuccess;
}
FAKE cuCtxGetDevice(Device *device) {
  if (current == nullptr) return kInvalidValue;
  *device = current->device;
  return kSuccess;
}
FAKE cuCtxPushCurrent_v2(Context context) {
  current = context;
  return kSuccess;
}
FAKE cuCtxPopCurrent_v2(Context *context) {
  *context = current;
  current = nullptr;
  return kSuccess;
}
FAKE cuMemAlloc_v2(DevicePointer *memory, size_t bytes) {
  FAIL_IF_ASKED(cuMemAlloc_v2);
  *memory = reinterpret_cast<DevicePointer>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  return kSuccess;
}
FAKE cuMemFree_v2(DevicePointer memory) {
  std::free(reinterpret_cast<void *>(memory));
  return kSuccess;
}
FAKE cuMemcpyAsync(DevicePointer dst, DevicePointer src, size_t bytes, Stream) {
  FAIL_IF_ASKED(cuMemcpyAsync);
  std::memcpy(reinterpret_cast<void *>(dst), reinterpret_cast<void *>(src), bytes);
  return kSuccess;
}
FAKE cuStreamSynchronize(Stream) { return kSuccess; }
FAKE cuLibraryLoadData(Library *library, const void *code, int *, void **, unsigned, int *, void **, unsigned) {
  FAIL_IF_ASKED(cuLibraryLoadData);
  ++state.loads;
  // The driver is given no size: an ELF file's end is where its section headers end, PTX ends in a zero.
  const auto *bytes = static_cast<const char *>(code);
  size_t size = 0;
  if (std::memcmp(bytes, "\177ELF", 4) == 0) {
    uint64_t section_offset = 0, program_offset = 0;
    uint16_t sizes[6];  // from e_ehsize
    std::memcpy(&program_offset, bytes + 32, 8);
    std::memcpy(&section_offset, bytes + 40, 8);
    std::memcpy(sizes, bytes + 52, sizeof sizes);
    size = std::max(program_offset + uint64_t{sizes[1]} * sizes[2], section_offset + uint64_t{sizes[3]} * sizes[4]);
  } else {
    size = std::strlen(bytes);
  }
  *library = new CUlib_st{std::string(bytes, size), {}};
  return kSuccess;
}
FAKE cuLibraryUnload(Library library) {
  ++state.unloads;
  delete library;
  return kSuccess;
}
FAKE cuLibraryGetKernel(Kernel *kernel, Library library, const char *name) {
  const auto sizes =
      parameter_sizes({reinterpret_cast<const uint8_t *>(library->code.data()), library->code.size()}, name);
  if (!sizes) return 500;
  *kernel = library->kernels.emplace_back(new CUkern_st{name, *sizes}).get();
  return kSuccess;
}
FAKE cuKernelGetFunction(Function *function, Kernel kernel) {
  if (current == nullptr) return 201;
  *function = reinterpret_cast<Function>(kernel);
  return kSuccess;
}
FAKE cuKernelGetParamInfo(Kernel kernel, size_t index, size_t *offset, size_t *size) {
  if (index > 0 || kernel->parameter_sizes.empty()) return kInvalidValue;
  *offset = 0;
  *size = kernel->parameter_sizes.front();
  return kSuccess;
}
FAKE cuKernelSetAttribute(int attribute, int value, Kernel kernel, Device device) {
  if (attribute == kMaxDynamicSharedSizeBytes) kernel->shared_bytes[device] = static_cast<unsigned>(value);
  return kSuccess;
}
FAKE cuFuncGetAttribute(int *value, int, Function) {
  *value = 0;
  return kSuccess;
}
FAKE cuTensorMapEncodeTiled(TensorMap *map, int data_type, unsigned rank, void *address, const uint64_t *dimensions,
                            const uint64_t *strides, const uint32_t *box, const uint32_t *, int, int swizzle, int,
                            int) {
  FAIL_IF_ASKED(cuTensorMapEncodeTiled);
  if (reinterpret_cast<uintptr_t>(map) % 64 != 0 || reinterpret_cast<uintptr_t>(address) % 16 != 0) {
    return kInvalidValue;
  }
  FakeTensorMap &last = state.last_map;
  last = {data_type, swizzle, rank, address, {}, {}, {}};
  for (unsigned i = 0; i < 3 && i < rank; ++i) {
    last.dimensions[i] = dimensions[i];
    last.box[i] = box[i];
    if (i + 1 < rank && i < 2) last.strides[i] = strides[i];
  }
  return kSuccess;
}
FAKE cuLaunchKernelEx(const LaunchConfig *config, Function function, void **parameters, void **) {
  FAIL_IF_ASKED(cuLaunchKernelEx);
  if (current == nullptr) return 201;
  state.before_last = state.last;
  const auto *kernel = reinterpret_cast<CUkern_st *>(function);
  if (config->shared_bytes > kernel->shared_bytes[current->device]) return kInvalidValue;
  ++state.launches;
  FakeLaunch &last = state.last;
  const unsigned grid[3] = {config->grid_x, config->grid_y, config->grid_z};
  const unsigned block[3] = {config->block_x, config->block_y, config->block_z};
  std::memcpy(last.grid, grid, sizeof grid);
  std::memcpy(last.block, block, sizeof block);
  last.cluster[0] = last.cluster[1] = last.cluster[2] = 1;
  last.programmatic_stream_serialization = 0;
  for (unsigned i = 0; i < config->attribute_count; ++i) {
    if (config->attributes[i].id == kLaunchAttributeClusterDimension) {
      std::memcpy(last.cluster, &config->attributes[i].value, sizeof last.cluster);
    }
    if (config->attributes[i].id == kLaunchAttributeProgrammaticStreamSerialization) {
      last.programmatic_stream_serialization = config->attributes[i].value.programmatic_stream_serialization;
    }
  }
  last.shared_bytes = config->shared_bytes;
  last.stream = config->stream;
  std::strncpy(last.kernel, kernel->name.c_str(), sizeof last.kernel - 1);
  const std::vector<size_t> &sizes = kernel->parameter_sizes;
  last.parameter_bytes = sizes.empty() ? 0 : std::min(sizes.front(), sizeof last.parameters);
  last.tensor_maps = static_cast<int>(sizes.size()) - 1;
  if (!sizes.empty()) std::memcpy(last.parameters, parameters[0], last.parameter_bytes);
  last.context = current->device;
  return kSuccess;
}

#include "runtime/hub/device.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include <sched.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/cpu/kernels.hpp"

namespace quern {
namespace {

constexpr size_t kAlignment = 256;

// Cores that this process may use, which in a container are fewer than the machine's.
int usable_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

int attribute(const cu::Api &api, int which, cu::Device device) {
  int value = 0;
  cu::check(api.device_attribute(&value, which, device), "read a device attribute");
  return value;
}

}  // namespace

std::shared_ptr<Device> Device::open(std::shared_ptr<Hub> hub, const std::string &name) {
  std::shared_ptr<Device> device(new Device(std::move(hub)));
  if (name == "cpu") {
    device->open_cpu();
  } else if (name.empty() || name == "auto") {
    const cu::Api *api = cu::driver();
    int count = 0;
    if (api != nullptr && api->device_count(&count) == cu::kSuccess && count > 0) {
      device->open_cuda(0);
    } else {
      device->open_cpu();
    }
  } else if (name == "cuda") {
    device->open_cuda(0);
  } else if (name.rfind("cuda:", 0) == 0) {
    int ordinal = 0;
    const char *end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + 5, end, ordinal);
    if (error != std::errc() || rest != end || ordinal < 0) {
      fail(QUERN_INVALID_ARGUMENT, "\"", name, "\" is no device; write cuda:0, cuda:1 and so on");
    }
    device->open_cuda(ordinal);
  } else if (name.rfind("sm_", 0) == 0) {
    device->open_target(parse_target(name));
  } else {
    fail(QUERN_INVALID_ARGUMENT, "\"", name,
         "\" is no device; write auto, cpu, cuda:N, or an architecture such as sm_90a");
  }
  return device;
}

void Device::open_cpu() {
  kind_ = QUERN_DEVICE_CPU;
  name_ = "cpu";
  model_ = cpu::instruction_set();
  const int asked = hub_->settings().threads;
  pool_ = std::make_unique<cpu::ThreadPool>(asked > 0 ? asked : usable_cores());
  facts_.sm_count = pool_->threads();
  memory_bytes_ = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
}

void Device::open_cuda(int ordinal) {
  const cu::Api &api = cu::need_driver();
  int count = 0;
  cu::check(api.device_count(&count), "count the GPUs");
  if (ordinal >= count) {
    fail(QUERN_CUDA_UNAVAILABLE, "there is no device cuda:", ordinal, ": this process sees ", count,
         " GPUs; check CUDA_VISIBLE_DEVICES");
  }
  cu::check(api.device_get(&ordinal_, ordinal), "open the GPU");
  kind_ = QUERN_DEVICE_CUDA;
  name_ = text("cuda:", ordinal);
  char model[256] = "";
  cu::check(api.device_name(model, sizeof model, ordinal_), "read the GPU's name");
  model_ = model;
  facts_.capability =
      attribute(api, cu::kCapabilityMajor, ordinal_) * 10 + attribute(api, cu::kCapabilityMinor, ordinal_);
  facts_.sm_count = attribute(api, cu::kMultiprocessorCount, ordinal_);
  facts_.shared_memory = attribute(api, cu::kMaxSharedMemoryPerBlockOptin, ordinal_);
  facts_.model = model_;
  l2_bytes_ = attribute(api, cu::kL2CacheSize, ordinal_);
  size_t memory = 0;
  cu::check(api.device_memory(&memory, ordinal_), "read the GPU's memory size");
  memory_bytes_ = static_cast<int64_t>(memory);
  arch_ = native_target(facts_.capability).name();
  cu::check(api.primary_context_retain(&primary_, ordinal_), "open the GPU's primary context");
}

void Device::open_target(const Target &target) {
  kind_ = QUERN_DEVICE_TARGET;
  name_ = arch_ = target.name();
  model_ = "no hardware";
  facts_.capability = target.capability;
  facts_.sm_count = sm_count_of(target.capability);
  facts_.shared_memory = shared_memory_of(target.capability);
}

Device::~Device() {
  if (primary_ != nullptr) cu::need_driver().primary_context_release(ordinal_);
}

void Device::need_hardware() const {
  if (kind_ == QUERN_DEVICE_TARGET) {
    fail(QUERN_CUDA_UNAVAILABLE, name_, " is an architecture without hardware; open cuda:N or cpu to run");
  }
}

void *Device::allocate(size_t bytes) {
  need_hardware();
  if (bytes == 0) return nullptr;
  if (kind_ == QUERN_DEVICE_CPU) {
    const bool countable = bytes <= SIZE_MAX - kAlignment;
    void *memory =
        countable ? std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment) : nullptr;
    if (memory == nullptr) fail(QUERN_OUT_OF_MEMORY, "cannot allocate ", bytes, " bytes of host memory; free some");
    return memory;
  }
  const CurrentContext context(*this);
  cu::DevicePointer memory = 0;
  cu::check(cu::need_driver().memory_allocate(&memory, bytes), text("allocate ", bytes, " bytes on ", name_).c_str());
  return reinterpret_cast<void *>(memory);
}

void Device::release(void *memory) {
  if (memory == nullptr) return;
  if (kind_ == QUERN_DEVICE_CPU) {
    std::free(memory);
    return;
  }
  need_hardware();
  const CurrentContext context(*this);
  cu::check(cu::need_driver().memory_free(reinterpret_cast<cu::DevicePointer>(memory)), "free device memory");
}

void Device::copy(void *dst, const void *src, size_t bytes, quern_stream stream) {
  need_hardware();
  if (bytes == 0) return;
  if (kind_ == QUERN_DEVICE_CPU) {
    std::memmove(dst, src, bytes);
    return;
  }
  const cu::Api &api = cu::need_driver();
  const CurrentContext context(*this);
  cu::check(api.memory_copy(reinterpret_cast<cu::DevicePointer>(dst), reinterpret_cast<cu::DevicePointer>(src), bytes,
                            stream),
            "copy");
  cu::check(api.stream_synchronize(stream), "copy");
}

void Device::synchronize(quern_stream stream) {
  need_hardware();
  if (kind_ == QUERN_DEVICE_CPU) return;
  const CurrentContext context(*this);
  cu::check(cu::need_driver().stream_synchronize(stream), "synchronize");
}

CurrentContext::CurrentContext(const Device &device) {
  const cu::Api &api = *cu::driver();
  cu::Context current = nullptr;
  cu::check(api.context_current(&current), "read the current context");
  if (current == device.primary_context()) return;
  cu::Device ordinal = -1;
  if (current != nullptr && api.context_device(&ordinal) == cu::kSuccess && ordinal == device.ordinal()) return;
  cu::check(api.context_push(device.primary_context()), "make the context current");
  pushed_ = true;
}

CurrentContext::~CurrentContext() {
  cu::Context popped = nullptr;
  if (pushed_) cu::driver()->context_pop(&popped);
}

}  // namespace quern

// Where plans run: a CUDA device, the CPU, or an architecture without hardware.
#pragma once

#include <memory>
#include <string>

#include "runtime/cpu/thread_pool.hpp"
#include "runtime/cuda/driver_api.hpp"
#include "runtime/hub/dispatch.hpp"
#include "runtime/hub/hub.hpp"

namespace quern {

class Device {
 public:
  // "cpu", "cuda:N", "cuda", "sm_90a", "auto". Throws as quern_device_open() says.
  static std::shared_ptr<Device> open(std::shared_ptr<Hub> hub, const std::string &name);
  ~Device();
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  Hub &hub() const { return *hub_; }
  quern_device_kind kind() const { return kind_; }
  const std::string &name() const { return name_; }
  const std::string &model() const { return model_; }
  const std::string &arch() const { return arch_; }
  const DeviceFacts &facts() const { return facts_; }
  int64_t memory_bytes() const { return memory_bytes_; }
  int64_t l2_bytes() const { return l2_bytes_; }
  cpu::ThreadPool &pool() const { return *pool_; }
  cu::Device ordinal() const { return ordinal_; }
  cu::Context primary_context() const { return primary_; }

  void *allocate(size_t bytes);
  void release(void *memory);
  void copy(void *dst, const void *src, size_t bytes, quern_stream stream);
  void synchronize(quern_stream stream);

 private:
  explicit Device(std::shared_ptr<Hub> hub) : hub_(std::move(hub)) {}
  void open_cpu();
  void open_cuda(int ordinal);
  void open_target(const Target &target);
  void need_hardware() const;

  std::shared_ptr<Hub> hub_;
  quern_device_kind kind_ = QUERN_DEVICE_CPU;
  std::string name_, model_, arch_;
  DeviceFacts facts_;
  int64_t memory_bytes_ = 0;
  int64_t l2_bytes_ = 0;
  std::unique_ptr<cpu::ThreadPool> pool_;
  cu::Device ordinal_ = 0;
  cu::Context primary_ = nullptr;
};

// While it lives, a context of the device is current on this thread: the caller's own if it is on that device, else the
// primary one. No lock, no allocation.
class CurrentContext {
 public:
  explicit CurrentContext(const Device &device);
  ~CurrentContext();
  CurrentContext(const CurrentContext &) = delete;
  CurrentContext &operator=(const CurrentContext &) = delete;

 private:
  bool pushed_ = false;
};

}  // namespace quern

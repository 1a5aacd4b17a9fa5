// quern.h for C++17: handles that close themselves, errors that are thrown, visitors that are lambdas. Header only, so
// it adds nothing to the ABI. What the functions do is said in quern.h; this page only says how C++ sees them.
//
//   quern::host::Hub hub;
//   quern::host::Device device(hub);
//   quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
//   ...
//   quern::host::Plan plan = quern::host::Plan::gemm(device, desc);
//   plan.run(args, stream);
//
// Handles may be moved but not copied, may be destroyed in any order, and may be used from any number of threads.
// Every function throws StatusError on failure, except those marked noexcept.
#ifndef QUERN_QUERN_HPP
#define QUERN_QUERN_HPP

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <quern/quern.h>

namespace quern {
namespace host {

// A failed call: its status, quern_last_error() as what(), and the compiler's log where there is one.
class StatusError : public std::runtime_error {
 public:
  StatusError(quern_status status, const std::string &message, std::string log = {})
      : std::runtime_error(message), status_(status), log_(std::move(log)) {}

  quern_status status() const noexcept { return status_; }
  const std::string &log() const noexcept { return log_; }

 private:
  quern_status status_;
  std::string log_;
};

// Throw StatusError unless the status is QUERN_OK. Call it on the thread that made the call, with nothing in between.
inline void check(quern_status status) {
  if (status != QUERN_OK) throw StatusError(status, quern_last_error(), quern_last_error_log());
}

namespace detail {

struct Close {
  void operator()(quern_hub *hub) const noexcept { quern_hub_close(hub); }
  void operator()(quern_device *device) const noexcept { quern_device_close(device); }
  void operator()(quern_plan *plan) const noexcept { quern_plan_close(plan); }
  void operator()(quern_kernel *kernel) const noexcept { quern_kernel_close(kernel); }
};

// Calls `visit` through a C callback. An exception must not pass through C frames: it stops the visit and is thrown
// again by check(). `visit` returns nothing, or false to stop, which is no failure.
template <typename Item, typename Visit>
class Visitor {
 public:
  explicit Visitor(Visit &visit) : visit_(visit) {}

  static int call(void *user, const Item *item) noexcept {
    Visitor &self = *static_cast<Visitor *>(user);
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Visit &, const Item &>>) {
        self.visit_(*item);
      } else if (!self.visit_(*item)) {
        self.stopped_ = true;
      }
    } catch (...) {
      self.exception_ = std::current_exception();
      self.stopped_ = true;
    }
    return self.stopped_ ? 1 : 0;
  }

  void rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }
  void check(quern_status status) const {
    rethrow();
    if (!(stopped_ && status == QUERN_CANCELLED)) host::check(status);
  }

 private:
  Visit &visit_;
  std::exception_ptr exception_;
  bool stopped_ = false;
};

}  // namespace detail

class Hub {
 public:
  Hub() : Hub(nullptr) {}
  explicit Hub(const quern_hub_options &options) : Hub(&options) {}

  quern_hub *get() const noexcept { return handle_.get(); }

  // Strings live as long as the hub.
  quern_hub_info info() const {
    quern_hub_info info = QUERN_HUB_INFO_INIT;
    check(quern_hub_get_info(get(), &info));
    return info;
  }
  quern_hub_stats stats() const {
    quern_hub_stats stats = QUERN_HUB_STATS_INIT;
    check(quern_hub_get_stats(get(), &stats));
    return stats;
  }

  // visit(const quern_kernel_info &)
  template <typename Visit>
  void visit_kernels(Visit &&visit) const {
    detail::Visitor<quern_kernel_info, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_kernels_visit(get(), visitor.call, &visitor));
  }
  // visit(const quern_cache_entry &)
  template <typename Visit>
  void scan_cache(Visit &&visit) const {
    detail::Visitor<quern_cache_entry, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_cache_scan(get(), visitor.call, &visitor));
  }
  // visit(const quern_cache_entry &), for each entry removed. Members `visit` and `user` of the options are not used.
  template <typename Visit>
  quern_cache_prune_result prune_cache(quern_cache_prune_options options, Visit &&visit) const {
    detail::Visitor<quern_cache_entry, std::remove_reference_t<Visit>> visitor(visit);
    options.visit = visitor.call;
    options.user = &visitor;
    quern_cache_prune_result result = QUERN_CACHE_PRUNE_RESULT_INIT;
    visitor.check(quern_cache_prune(get(), &options, &result));
    return result;
  }
  // nvrtc: null for any.
  quern_cache_prune_result remove_cached(const char *key, const char *nvrtc, bool rooted_too) const {
    quern_cache_prune_result result = QUERN_CACHE_PRUNE_RESULT_INIT;
    check(quern_cache_remove(get(), key, nvrtc, rooted_too ? 1 : 0, &result));
    return result;
  }
  // visit(const quern_cache_problem &). Members `visit` and `user` of the options are not used.
  template <typename Visit>
  quern_cache_check_result check_cache(quern_cache_check_options options, Visit &&visit) const {
    detail::Visitor<quern_cache_problem, std::remove_reference_t<Visit>> visitor(visit);
    options.visit = visitor.call;
    options.user = &visitor;
    quern_cache_check_result result = QUERN_CACHE_CHECK_RESULT_INIT;
    visitor.check(quern_cache_check(get(), &options, &result));
    return result;
  }
  quern_cache_stats cache_stats() const {
    quern_cache_stats stats = QUERN_CACHE_STATS_INIT;
    check(quern_cache_get_stats(get(), &stats));
    return stats;
  }
  void zero_cache_stats() const { check(quern_cache_zero_stats(get())); }
  std::string cached_code(const char *key, const char *nvrtc) const {
    size_t bytes = 0;
    check(quern_cache_code(get(), key, nvrtc, nullptr, &bytes));
    std::string code(bytes, '\0');
    check(quern_cache_code(get(), key, nvrtc, &code[0], &bytes));
    code.resize(bytes);
    return code;
  }
  // visit(const quern_cache_package &)
  template <typename Visit>
  void visit_cached_packages(Visit &&visit) const {
    detail::Visitor<quern_cache_package, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_cache_packages(get(), visitor.call, &visitor));
  }
  // progress(const quern_fetch_progress &), which returns false to cancel; visit(const quern_package &). Members
  // `visit` and `user` of the options are not used.
  template <typename Progress, typename Visit>
  void resolve(const char *requests, quern_resolve_options options, Progress &&progress, Visit &&visit) const {
    detail::Visitor<quern_fetch_progress, std::remove_reference_t<Progress>> moving(progress);
    detail::Visitor<quern_package, std::remove_reference_t<Visit>> found(visit);
    options.visit = moving.call;
    options.user = &moving;
    const quern_status status = quern_resolve(get(), requests, &options, found.call, &found);
    moving.rethrow();
    found.check(status);
  }
  template <typename Progress, typename Visit>
  void lock(const char *requests, const char *lock_file, quern_lock_options options, Progress &&progress,
            Visit &&visit) const {
    detail::Visitor<quern_fetch_progress, std::remove_reference_t<Progress>> moving(progress);
    detail::Visitor<quern_package, std::remove_reference_t<Visit>> found(visit);
    options.visit = moving.call;
    options.user = &moving;
    const quern_status status = quern_lock(get(), requests, lock_file, &options, found.call, &found);
    moving.rethrow();
    found.check(status);
  }
  // visit(const quern_unit_report &). archs: null for all. Throws also when a unit failed, after all were visited.
  template <typename Visit>
  void check_package(const char *directory, const char *archs, Visit &&visit) const {
    detail::Visitor<quern_unit_report, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_package_check(get(), directory, archs, visitor.call, &visitor));
  }
  // visit(const quern_unit_report &). A unit that fails does not throw: result.failed counts it, `visit` was told why.
  template <typename Visit>
  quern_prefetch_result prefetch(quern_prefetch_options options, Visit &&visit) const {
    detail::Visitor<quern_unit_report, std::remove_reference_t<Visit>> visitor(visit);
    options.visit = visitor.call;
    options.user = &visitor;
    quern_prefetch_result result = QUERN_PREFETCH_RESULT_INIT;
    const quern_status status = quern_prefetch(get(), &options, &result);
    visitor.check(result.failed > 0 && status != QUERN_CANCELLED ? QUERN_OK : status);
    return result;
  }

 private:
  explicit Hub(const quern_hub_options *options) {
    quern_hub *hub = nullptr;
    check(quern_hub_open(options, &hub));
    handle_.reset(hub);
  }

  std::unique_ptr<quern_hub, detail::Close> handle_;
};

// Memory of a device; gives itself back. Must be destroyed before its device.
class DeviceMemory {
 public:
  DeviceMemory() noexcept = default;
  DeviceMemory(quern_device *device, size_t bytes) : device_(device), bytes_(bytes) {
    check(quern_device_allocate(device, bytes, &memory_));
  }
  DeviceMemory(DeviceMemory &&other) noexcept { swap(other); }
  DeviceMemory &operator=(DeviceMemory &&other) noexcept {
    DeviceMemory taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~DeviceMemory() {
    if (memory_) quern_device_release(device_, memory_);
  }

  void *get() const noexcept { return memory_; }
  size_t bytes() const noexcept { return bytes_; }

 private:
  void swap(DeviceMemory &other) noexcept {
    std::swap(device_, other.device_);
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
  }

  quern_device *device_ = nullptr;
  void *memory_ = nullptr;
  size_t bytes_ = 0;
};

class Device {
 public:
  // name: as in quern_device_open(); null is "auto".
  explicit Device(const Hub &hub, const char *name = nullptr) {
    quern_device *device = nullptr;
    check(quern_device_open(hub.get(), name, &device));
    handle_.reset(device);
  }

  quern_device *get() const noexcept { return handle_.get(); }

  // Strings live as long as the device.
  quern_device_info info() const {
    quern_device_info info = QUERN_DEVICE_INFO_INIT;
    check(quern_device_get_info(get(), &info));
    return info;
  }
  DeviceMemory allocate(size_t bytes) const { return DeviceMemory(get(), bytes); }
  void copy(void *dst, const void *src, size_t bytes, quern_stream stream = nullptr) const {
    check(quern_device_copy(get(), dst, src, bytes, stream));
  }
  void synchronize(quern_stream stream = nullptr) const { check(quern_device_synchronize(get(), stream)); }

  // The layout in which weights are best kept for such a product.
  quern_layout best_layout(const quern_gemm_desc &desc) const {
    quern_layout layout = QUERN_LAYOUT_CANONICAL;
    check(quern_gemm_best_layout(get(), &desc, &layout));
    return layout;
  }
  // visit(const quern_tune_report &), for each measurement, and in the end for each choice.
  template <typename Visit>
  void tune(const quern_gemm_desc &desc, Visit &&visit) const {
    detail::Visitor<quern_tune_report, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_gemm_tune(get(), &desc, visitor.call, &visitor));
  }
  // A packed tensor in memory of its own; blocks and scales are this device's. With desc.fallback, packed_layout() says
  // what it became.
  DeviceMemory pack(const quern_weights_desc &desc, const void *blocks, const void *scales,
                    quern_stream stream = nullptr) const {
    size_t bytes = 0;
    check(quern_weights_packed_bytes(&desc, &bytes));
    DeviceMemory packed = allocate(bytes);
    check(quern_weights_pack(get(), &desc, blocks, scales, packed.get(), stream));
    return packed;
  }
  // Of a packed tensor on this device.
  quern_layout packed_layout(const void *packed, quern_stream stream = nullptr) const {
    alignas(8) unsigned char header[256];
    copy(header, packed, sizeof header, stream);
    quern_weights_desc desc = QUERN_WEIGHTS_DESC_INIT;
    check(quern_weights_inspect(header, sizeof header, &desc, nullptr));
    return desc.layout;
  }
  void unpack(const quern_weights_desc &desc, const void *packed, void *blocks, void *scales,
              quern_stream stream = nullptr) const {
    check(quern_weights_unpack(get(), &desc, packed, blocks, scales, stream));
  }

  // visit(const quern_candidate &): explain without making a plan.
  template <typename Visit>
  void explain(const quern_dequantize_desc &desc, Visit &&visit) const {
    detail::Visitor<quern_candidate, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_dequantize_explain(get(), &desc, visitor.call, &visitor));
  }
  template <typename Visit>
  void explain(const quern_gemm_desc &desc, Visit &&visit) const {
    detail::Visitor<quern_candidate, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_gemm_explain(get(), &desc, visitor.call, &visitor));
  }
  template <typename Visit>
  void explain(const quern_quantize_desc &desc, Visit &&visit) const {
    detail::Visitor<quern_candidate, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_quantize_explain(get(), &desc, visitor.call, &visitor));
  }

 private:
  std::unique_ptr<quern_device, detail::Close> handle_;
};

class Plan {
 public:
  static Plan dequantize(const Device &device, const quern_dequantize_desc &desc) {
    quern_plan *plan = nullptr;
    check(quern_dequantize_plan(device.get(), &desc, &plan));
    return Plan(plan);
  }
  static Plan gemm(const Device &device, const quern_gemm_desc &desc) {
    quern_plan *plan = nullptr;
    check(quern_gemm_plan(device.get(), &desc, &plan));
    return Plan(plan);
  }
  static Plan quantize(const Device &device, const quern_quantize_desc &desc) {
    quern_plan *plan = nullptr;
    check(quern_quantize_plan(device.get(), &desc, &plan));
    return Plan(plan);
  }

  quern_plan *get() const noexcept { return handle_.get(); }

  void run(const quern_dequantize_args &args, quern_stream stream = nullptr) const {
    check(quern_dequantize_run(get(), &args, stream));
  }
  void run(const quern_gemm_args &args, quern_stream stream = nullptr) const {
    check(quern_gemm_run(get(), &args, stream));
  }
  void run(const quern_quantize_args &args, quern_stream stream = nullptr) const {
    check(quern_quantize_run(get(), &args, stream));
  }
  // For a run with `size` rows; see quern_plan_workspace_size().
  size_t workspace_bytes(int64_t size) const {
    size_t bytes = 0;
    check(quern_plan_workspace_size(get(), size, &bytes));
    return bytes;
  }
  // visit(const quern_candidate &)
  template <typename Visit>
  void explain(Visit &&visit) const {
    detail::Visitor<quern_candidate, std::remove_reference_t<Visit>> visitor(visit);
    visitor.check(quern_plan_explain(get(), visitor.call, &visitor));
  }

 private:
  explicit Plan(quern_plan *plan) : handle_(plan) {}

  std::unique_ptr<quern_plan, detail::Close> handle_;
};

// A package's kernel, launched by the host itself.
class Kernel {
 public:
  Kernel(const Device &device, const quern_kernel_desc &desc) {
    quern_kernel *kernel = nullptr;
    check(quern_kernel_load(device.get(), &desc, &kernel));
    handle_.reset(kernel);
  }

  quern_kernel *get() const noexcept { return handle_.get(); }

  // Strings and the array live as long as the kernel.
  quern_loaded_kernel_info info() const {
    quern_loaded_kernel_info info = QUERN_LOADED_KERNEL_INFO_INIT;
    check(quern_kernel_get_info(get(), &info));
    return info;
  }
  void launch(const quern_launch &launch, quern_stream stream = nullptr) const {
    check(quern_kernel_launch(get(), &launch, stream));
  }
  // The parameters as values, of exactly the types that the kernel takes. `launch` tells the geometry.
  template <typename... Parameters>
  void operator()(quern_launch launch, quern_stream stream, Parameters... parameters) const {
    void *places[sizeof...(parameters) + 1] = {static_cast<void *>(&parameters)..., nullptr};
    const size_t sizes[sizeof...(parameters) + 1] = {sizeof(parameters)..., 0};
    launch.parameters = places;
    launch.parameter_bytes = sizes;
    launch.parameter_count = static_cast<int32_t>(sizeof...(parameters));
    this->launch(launch, stream);
  }

 private:
  std::unique_ptr<quern_kernel, detail::Close> handle_;
};

// "ocp", "transformers" and the like; see quern_decode_policy_preset().
inline quern_decode_policy decode_policy(const char *preset) {
  quern_decode_policy policy = QUERN_DECODE_POLICY_INIT;
  check(quern_decode_policy_preset(preset, &policy));
  return policy;
}

// The public half of a secret key.
struct KeyName {
  std::string public_key, id;
};

// A new secret key in a file that is not there yet.
inline KeyName generate_key(const std::string &path) {
  char public_key[65], id[65];
  check(quern_key_generate(path.c_str(), public_key, id));
  return {public_key, id};
}
inline KeyName public_key(const std::string &path) {
  char public_key[65], id[65];
  check(quern_key_public(path.c_str(), public_key, id));
  return {public_key, id};
}

// visit(const quern_packed_package &), before anything is written. Members `visit` and `user` of the options are not
// used. False if the visit stopped it.
template <typename Visit>
bool pack_package(const std::string &directory, quern_pack_options options, Visit &&visit) {
  detail::Visitor<quern_packed_package, std::remove_reference_t<Visit>> visitor(visit);
  options.visit = visitor.call;
  options.user = &visitor;
  const quern_status status = quern_package_pack(directory.c_str(), &options);
  visitor.check(status);
  return status == QUERN_OK;
}

// A registry on disk, for who runs it. `keys` sign its changes, and what they point to must live as long as this.
class Registry {
 public:
  Registry(std::string path, const quern_registry_keys &keys) : path_(std::move(path)), keys_(keys) {}

  const std::string &path() const noexcept { return path_; }

  void create() const { check(quern_registry_create(path_.c_str(), &keys_)); }
  // As pack_package(). False if the very same release is there already, or the visit stopped it.
  template <typename Visit>
  bool publish(const std::string &directory, quern_publish_options options, Visit &&visit) const {
    detail::Visitor<quern_packed_package, std::remove_reference_t<Visit>> visitor(visit);
    options.visit = visitor.call;
    options.user = &visitor;
    int32_t published = 0;
    visitor.check(quern_registry_publish(path_.c_str(), directory.c_str(), &options, &keys_, &published));
    return published != 0;
  }
  void yank(const std::string &id, int32_t version, int32_t build, bool yanked) const {
    check(quern_registry_yank(path_.c_str(), id.c_str(), version, build, yanked ? 1 : 0, &keys_));
  }
  void revoke(const std::string &id, int32_t version, int32_t build, const std::string &reason) const {
    check(quern_registry_revoke(path_.c_str(), id.c_str(), version, build, reason.c_str(), &keys_));
  }
  void renew() const { check(quern_registry_renew(path_.c_str(), &keys_)); }
  void rotate(const quern_next_root &next) const { check(quern_registry_rotate(path_.c_str(), &next, &keys_)); }

 private:
  std::string path_;
  quern_registry_keys keys_;
};

// visit(const quern_registry_contents &), once.
template <typename Visit>
void read_registry(const std::string &path, Visit &&visit) {
  detail::Visitor<quern_registry_contents, std::remove_reference_t<Visit>> visitor(visit);
  visitor.check(quern_registry_read(path.c_str(), visitor.call, &visitor));
}

}  // namespace host
}  // namespace quern

#endif  // QUERN_QUERN_HPP

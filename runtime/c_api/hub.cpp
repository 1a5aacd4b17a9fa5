// The C ABI: status, hub, devices and their memory.
#include "runtime/c_api/border.hpp"
#include "runtime/compile/compiler.hpp"
#include "runtime/version.hpp"

using namespace quern;

struct HubStrings {
  std::string cache_dir, cache_state, nvrtc_path, nvrtc_version, nvrtc_missing, driver_version;
};

quern_hub::~quern_hub() = default;

const char *quern_status_name(quern_status status) {
  switch (status) {
#define QUERN_CASE(name) \
  case name:             \
    return #name;
    QUERN_CASE(QUERN_OK)
    QUERN_CASE(QUERN_INVALID_ARGUMENT)
    QUERN_CASE(QUERN_UNSUPPORTED)
    QUERN_CASE(QUERN_BUFFER_TOO_SMALL)
    QUERN_CASE(QUERN_CUDA_UNAVAILABLE)
    QUERN_CASE(QUERN_NVRTC_UNAVAILABLE)
    QUERN_CASE(QUERN_CUDA_ERROR)
    QUERN_CASE(QUERN_OUT_OF_MEMORY)
    QUERN_CASE(QUERN_JIT_FORBIDDEN)
    QUERN_CASE(QUERN_COMPILE_FAILED)
    QUERN_CASE(QUERN_BAD_MANIFEST)
    QUERN_CASE(QUERN_NOT_FOUND)
    QUERN_CASE(QUERN_LIMIT_EXCEEDED)
    QUERN_CASE(QUERN_IO_ERROR)
    QUERN_CASE(QUERN_CORRUPT)
    QUERN_CASE(QUERN_NETWORK_ERROR)
    QUERN_CASE(QUERN_OFFLINE)
    QUERN_CASE(QUERN_UNTRUSTED)
    QUERN_CASE(QUERN_CANCELLED)
    QUERN_CASE(QUERN_OUTDATED)
    QUERN_CASE(QUERN_LOCK_MISMATCH)
    QUERN_CASE(QUERN_INTERNAL)
#undef QUERN_CASE
    case QUERN_STATUS_MAX_ENUM:
      break;
  }
  return "QUERN_UNKNOWN";
}

const char *quern_last_error(void) { return last_error(); }
const char *quern_last_error_log(void) { return last_error_log(); }
const char *quern_version(void) { return kVersionText; }

quern_status quern_hub_open(const quern_hub_options *options, quern_hub **hub) {
  return guard([&] {
    need(hub, "hub");
    quern_hub_options read = QUERN_HUB_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    auto handle = std::make_unique<quern_hub>();
    handle->hub = std::make_shared<Hub>(resolve_settings(read, read_environment()));
    *hub = handle.release();
  });
}

void quern_hub_close(quern_hub *hub) { delete hub; }

quern_status quern_hub_get_info(quern_hub *hub, quern_hub_info *info) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    const std::lock_guard lock(hub->info_mutex);
    if (hub->strings == nullptr) {
      auto strings = std::make_unique<HubStrings>();
      strings->cache_dir = opened.cache().directory().string();
      strings->cache_state = opened.cache().state();
      Nvrtc &nvrtc = opened.store().nvrtc();
      strings->nvrtc_missing = nvrtc.missing();
      if (strings->nvrtc_missing.empty()) {
        strings->nvrtc_path = nvrtc.path();
        try {
          strings->nvrtc_version = opened.store().build();
        } catch (const Error &error) {  // found and broken
          strings->nvrtc_missing = error.what();
        }
      }
      if (const cu::Api *driver = cu::driver()) {
        strings->driver_version = text(driver->version / 1000, ".", driver->version % 1000 / 10);
      }
      hub->strings = std::move(strings);
    }
    quern_hub_info out = QUERN_HUB_INFO_INIT;
    out.version = kVersionText;
    out.cache_dir = hub->strings->cache_dir.c_str();
    out.cache_state = hub->strings->cache_state.c_str();
    out.kernel_path = opened.settings().kernel_path.c_str();
    out.nvrtc_path = hub->strings->nvrtc_path.c_str();
    out.nvrtc_version = hub->strings->nvrtc_version.c_str();
    out.nvrtc_missing = hub->strings->nvrtc_missing.c_str();
    out.driver_version = hub->strings->driver_version.c_str();
    out.driver_missing = cu::driver_missing();
    if (const cu::Api *driver = cu::driver()) {
      int count = 0;
      driver->device_count(&count);
      out.cuda_device_count = count;
    }
    out.jit_allowed = opened.settings().jit_allowed ? 1 : 0;
    const std::shared_ptr<const Catalog> catalog = opened.catalog();
    out.packages = static_cast<int32_t>(catalog->packages().size());
    out.packages_refused = static_cast<int32_t>(catalog->refused().size());
    const HubSettings &settings = opened.settings();
    out.config_file = settings.files.config.c_str();
    out.trust_file = settings.files.trust.c_str();
    out.lock_file = settings.lock_file.c_str();
    out.registries = static_cast<int32_t>(settings.configuration.registries.size());
    out.offline = settings.offline ? 1 : 0;
    out.sealed = settings.seal_keys.empty() ? 0 : 1;
    write_struct(info, out, "info");
  });
}

quern_status quern_hub_get_stats(const quern_hub *hub, quern_hub_stats *stats) {
  return guard([&] {
    const Hub &opened = *need(hub, "hub").hub;
    const StoreStats &store = opened.store().stats();
    quern_hub_stats out = QUERN_HUB_STATS_INIT;
    out.memory_hits = opened.memory_hits();
    out.disk_hits = store.disk_hits;
    out.compiles = store.compiles;
    out.compile_ms = store.compile_ms;
    out.corrupt = opened.cache().corrupt_seen();
    out.writes = store.writes;
    out.evicted = opened.cache().evicted();
    write_struct(stats, out, "stats");
  });
}

quern_status quern_device_open(quern_hub *hub, const char *name, quern_device **device) {
  return guard([&] {
    need(device, "device");
    const std::shared_ptr<Hub> &opened = need(hub, "hub").hub;
    auto handle = std::make_unique<quern_device>();
    handle->device = Device::open(opened, name == nullptr ? "auto" : name);
    *device = handle.release();
  });
}

void quern_device_close(quern_device *device) { delete device; }

quern_status quern_device_get_info(const quern_device *device, quern_device_info *info) {
  return guard([&] {
    const Device &opened = *need(device, "device").device;
    quern_device_info out = QUERN_DEVICE_INFO_INIT;
    out.kind = opened.kind();
    out.name = opened.name().c_str();
    out.model = opened.model().c_str();
    out.arch = opened.arch().c_str();
    out.capability_major = opened.facts().capability / 10;
    out.capability_minor = opened.facts().capability % 10;
    out.sm_count = opened.facts().sm_count;
    out.memory_bytes = opened.memory_bytes();
    out.shared_memory_bytes = opened.facts().shared_memory;
    out.l2_bytes = opened.l2_bytes();
    write_struct(info, out, "info");
  });
}

quern_status quern_device_allocate(quern_device *device, size_t bytes, void **memory) {
  return guard([&] {
    need(memory, "memory");
    *memory = need(device, "device").device->allocate(bytes);
  });
}

quern_status quern_device_release(quern_device *device, void *memory) {
  return guard([&] { need(device, "device").device->release(memory); });
}

quern_status quern_device_copy(quern_device *device, void *dst, const void *src, size_t bytes, quern_stream stream) {
  return guard([&] {
    Device &opened = *need(device, "device").device;
    if (bytes > 0) {
      check_pointer("dst", dst, 1);
      check_pointer("src", src, 1);
    }
    opened.copy(dst, src, bytes, stream);
  });
}

quern_status quern_device_synchronize(quern_device *device, quern_stream stream) {
  return guard([&] { need(device, "device").device->synchronize(stream); });
}

// The C ABI: kernels that a host launches itself.
#include "runtime/c_api/border.hpp"
#include "runtime/plan/loaded_kernel.hpp"

using namespace quern;

struct quern_kernel {
  LoadedKernel kernel;
};

quern_status quern_kernel_load(quern_device *device, const quern_kernel_desc *desc, quern_kernel **kernel) {
  return guard([&] {
    const auto &opened = need(device, "device").device;
    need(kernel, "kernel");
    const quern_kernel_desc read = read_struct(desc, "desc");
    const auto string_or = [](const char *given) { return given == nullptr ? "" : given; };
    *kernel = new quern_kernel{LoadedKernel(opened, &need(read.kernel, "desc.kernel"), string_or(read.options),
                                            string_or(read.target), read.shared_bytes)};
  });
}

void quern_kernel_close(quern_kernel *kernel) { delete kernel; }

quern_status quern_kernel_get_info(const quern_kernel *kernel, quern_loaded_kernel_info *info) {
  return guard([&] {
    const LoadedKernel &loaded = need(kernel, "kernel").kernel;
    quern_loaded_kernel_info out = QUERN_LOADED_KERNEL_INFO_INIT;
    out.kernel = loaded.name().c_str();
    out.entry = loaded.entry().c_str();
    out.target = loaded.target().c_str();
    out.digest = loaded.digest().c_str();
    out.origin = loaded.origin().c_str();
    out.registers = loaded.registers();
    out.spill_bytes = loaded.spill_bytes();
    out.static_shared_bytes = loaded.static_shared_bytes();
    out.parameter_count = static_cast<int32_t>(loaded.parameter_bytes().size());
    out.parameter_bytes = loaded.parameter_bytes().data();
    out.trust = trust_name(loaded.trust());
    write_struct(info, out, "info");
  });
}

quern_status quern_kernel_launch(const quern_kernel *kernel, const quern_launch *launch, quern_stream stream) {
  return guard([&] { need(kernel, "kernel").kernel.launch(read_struct(launch, "launch"), stream); });
}

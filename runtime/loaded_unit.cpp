#include "runtime/loaded_unit.hpp"

#include "runtime/base/error.hpp"
#include "runtime/compiler.hpp"

namespace quern {

LoadedUnit load_unit(Device &device, const Variant &variant, const Target &target,
                     const std::function<CompileUnit(const Target &)> &unit_for, const KernelStore::Code *code) {
  Hub &hub = device.hub();
  const CompileUnit unit = unit_for(target);
  if (device.kind() == QUERN_DEVICE_TARGET) {
    if (code == nullptr) hub.store().get(unit);
    return {nullptr, target};
  }
  const CurrentContext context(device);
  try {
    return {hub.module(unit, code), target};
  } catch (const Error &error) {
    // A GPU newer than this NVRTC runs older PTX, unless the kernel is made for exact architectures.
    const bool can_use_ptx = error.status() == QUERN_UNSUPPORTED && variant.archs.empty() && !target.ptx;
    const int capability = can_use_ptx ? newest_ptx_capability(hub.store().nvrtc(), target.capability) : 0;
    if (capability < variant.least_capability) throw;
    const Target older{capability, false, true};
    return {hub.module(unit_for(older)), older};
  }
}

Target choose_target(const Device &device, const std::string &asked) {
  if (asked.empty()) return native_target(device.facts().capability);
  const Target target = parse_target(asked);
  if (target.capability > device.facts().capability) {
    fail(QUERN_INVALID_ARGUMENT, "target ", asked, " is newer than the device's ", device.arch(),
         "; name an older one");
  }
  return target;
}

}  // namespace quern

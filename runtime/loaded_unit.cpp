#include "runtime/loaded_unit.hpp"

#include "runtime/base/error.hpp"
#include "runtime/compiler.hpp"

namespace quern {

namespace {

// A GPU newer than this NVRTC runs older PTX, unless the kernel is made for exact architectures.
template <typename Make>
auto or_older_ptx(Device &device, const Variant &variant, const Target &target, const Make &make) {
  try {
    return make(target);
  } catch (const Error &error) {
    const bool can_use_ptx = error.status() == QUERN_UNSUPPORTED && variant.archs.empty() && !target.ptx &&
                             device.kind() != QUERN_DEVICE_TARGET;
    const int capability = can_use_ptx ? newest_ptx_capability(device.hub().store().nvrtc(), target.capability) : 0;
    if (capability < variant.least_capability) throw;
    return make(Target{capability, false, true});
  }
}

}  // namespace

LoadedUnit load_unit(Device &device, const Variant &variant, const Target &target,
                     const std::function<CompileUnit(const Target &)> &unit_for, const KernelStore::Code *code) {
  Hub &hub = device.hub();
  if (device.kind() == QUERN_DEVICE_TARGET) {
    if (code == nullptr) hub.store().get(unit_for(target));
    return {nullptr, target};
  }
  const CurrentContext context(device);
  return or_older_ptx(device, variant, target, [&](const Target &chosen) {
    return LoadedUnit{hub.module(unit_for(chosen), chosen == target ? code : nullptr), chosen};
  });
}

UnitCode obtain_code(Device &device, const Variant &variant, const Target &target,
                     const std::function<CompileUnit(const Target &)> &unit_for) {
  return or_older_ptx(device, variant, target, [&](const Target &chosen) {
    return UnitCode{device.hub().store().get(unit_for(chosen)), chosen};
  });
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

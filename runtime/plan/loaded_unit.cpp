#include "runtime/plan/loaded_unit.hpp"

#include "runtime/base/error.hpp"
#include "runtime/compile/compiler.hpp"

namespace quern {

namespace {

// A GPU newer than this NVRTC runs older PTX, unless the kernel is made for exact architectures.
template <typename Make>
auto or_older_ptx(Device &device, const Variant &variant, const CompileUnit &unit, const UnitFor &unit_for,
                  const Make &make) {
  const Target &target = unit->target;
  try {
    return make(unit);
  } catch (const Error &error) {
    const bool can_use_ptx = error.status() == QUERN_UNSUPPORTED && variant.archs.empty() && !target.ptx &&
                             device.kind() != QUERN_DEVICE_TARGET;
    const int capability = can_use_ptx ? newest_ptx_capability(device.hub().store().nvrtc(), target.capability) : 0;
    if (capability < variant.least_capability) throw;
    return make(unit_for(Target{capability, false, true}));
  }
}

}  // namespace

LoadedUnit load_unit(Device &device, const Variant &variant, const CompileUnit &unit, const UnitFor &unit_for,
                     const KernelStore::Code *code) {
  Hub &hub = device.hub();
  if (device.kind() == QUERN_DEVICE_TARGET) {
    if (code == nullptr) hub.store().get(unit);
    return {nullptr, unit->target};
  }
  const CurrentContext context(device);
  return or_older_ptx(device, variant, unit, unit_for, [&](const CompileUnit &chosen) {
    return LoadedUnit{hub.module(chosen, &chosen == &unit ? code : nullptr), chosen->target};
  });
}

UnitCode obtain_code(Device &device, const Variant &variant, const CompileUnit &unit, const UnitFor &unit_for) {
  return or_older_ptx(device, variant, unit, unit_for, [&](const CompileUnit &chosen) {
    return UnitCode{chosen, device.hub().store().get(chosen)};
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

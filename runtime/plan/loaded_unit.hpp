// A variant's code on a device: compiled or found, and loaded where there is hardware.
#pragma once

#include <functional>

#include "runtime/hub/device.hpp"

namespace quern {

struct LoadedUnit {
  std::shared_ptr<const Module> module;  // null on an architecture without hardware
  Target target;                         // what it was compiled for: on a GPU newer than NVRTC older PTX
};

// Makes the variant's unit for another target.
using UnitFor = std::function<CompileUnit(const Target &)>;

// `code` is the unit's, if it is at hand.
LoadedUnit load_unit(Device &device, const Variant &variant, const CompileUnit &unit, const UnitFor &unit_for,
                     const KernelStore::Code *code);

// The unit's code, for kernels whose facts are wanted too; then to be given to load_unit(), so that nothing is compiled
// or read twice.
struct UnitCode {
  CompileUnit unit;
  KernelStore::Code code;
};
UnitCode obtain_code(Device &device, const Variant &variant, const CompileUnit &unit, const UnitFor &unit_for);

// The target that a descriptor names, checked against the device; its own for "".
Target choose_target(const Device &device, const std::string &asked);

}  // namespace quern

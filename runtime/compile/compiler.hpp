// Source to machine code by NVRTC. Needs no GPU. Headers reach the compiler from memory only.
#pragma once

#include <string>
#include <vector>

#include "runtime/compile/compile_child.hpp"
#include "runtime/compile/compile_log.hpp"
#include "runtime/compile/compile_unit.hpp"
#include "runtime/compile/nvrtc_api.hpp"

namespace quern {

struct Compiled {
  std::vector<uint8_t> code;
  std::string warnings;  // what the compiler and ptxas said beyond the resource report
  int milliseconds = 0;
  ResourceReport resources;             // unknown for PTX
  uint32_t confinement = kNotConfined;  // of the child that compiled it
};

// Throws QUERN_COMPILE_FAILED with the log, or QUERN_BAD_MANIFEST if the entry is missing or does not take the
// operation's parameter block.
Compiled compile(Nvrtc &nvrtc, const CompileUnit &unit);

// The same in a process apart, for sources that are not built in; throws what CompileChild::run() throws as well.
Compiled compile_apart(Nvrtc &nvrtc, const CompileUnit &unit, const CompileChild &child);

// "13.0.88-36424714": version and build, which nvrtcVersion() does not tell; from the header of a compiled empty unit.
std::string nvrtc_build(Nvrtc &nvrtc);

// Whether this NVRTC can compile for the target, and the newest capability for which it gives PTX that a device runs.
bool nvrtc_supports(Nvrtc &nvrtc, const Target &target);
int newest_ptx_capability(Nvrtc &nvrtc, int device_capability);  // 0 if none

}  // namespace quern

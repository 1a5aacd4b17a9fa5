// Source to machine code by NVRTC. Needs no GPU. Headers reach the compiler from memory only.
#pragma once

#include <string>
#include <vector>

#include "runtime/compile_unit.hpp"
#include "runtime/nvrtc_api.hpp"

namespace quern {

struct Compiled {
  std::vector<uint8_t> code;
  std::string warnings;  // what the compiler and ptxas said beyond the resource report
  int milliseconds = 0;
  int registers = -1;  // -1: unknown, as for PTX
  int spill_bytes = -1;
  int shared_bytes = -1;
};

// Throws QUERN_COMPILE_FAILED with the log, or QUERN_BAD_MANIFEST if the entry is missing or does not take the
// operation's parameter block.
Compiled compile(Nvrtc &nvrtc, const CompileUnit &unit);

// "13.0.88-36424714": version and build, which nvrtcVersion() does not tell; from the header of a compiled empty unit.
std::string nvrtc_build(Nvrtc &nvrtc);

// Whether this NVRTC can compile for the target, and the newest capability for which it gives PTX that a device runs.
bool nvrtc_supports(Nvrtc &nvrtc, const Target &target);
int newest_ptx_capability(Nvrtc &nvrtc, int device_capability);  // 0 if none

}  // namespace quern

// Registers moved between the warpgroups of a CTA (sm_90a; PTX ISA, "setmaxnreg"): who copies gives some back, and who
// multiplies takes them. By all warps of a warpgroup.
#pragma once

namespace quern {

template <int kRegisters>
__device__ __forceinline__ void give_registers_back() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace quern

// One compile by NVRTC, from memory to memory. Shared by the library and by the child that compiles for it.
#pragma once

#include "runtime/compile/compile_job.hpp"
#include "runtime/compile/nvrtc_api.hpp"

namespace quern {

// Compiled or refused, with the log. Throws QUERN_COMPILE_FAILED if NVRTC does not even begin.
CompileAnswer run_nvrtc(const NvrtcApi &api, const CompileJob &job);

}  // namespace quern

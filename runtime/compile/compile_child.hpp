// Compiling what nobody vouches for: in quern-cc, a process that can neither open a file nor outlive its limits. A
// compiler reads any file that a source includes, prints its lines, and runs as long as a source makes it.
#pragma once

#include <chrono>
#include <string>

#include "runtime/base/environment.hpp"
#include "runtime/compile/compile_job.hpp"

namespace quern {

struct CompileLimits {
  std::chrono::milliseconds wall{60000};
  uint64_t cpu_seconds = 60;
  uint64_t memory_bytes = uint64_t{4} << 30;
  uint32_t confinement = kFullyConfined;  // tests ask for less
};

class CompileChild {
 public:
  // Throws QUERN_INVALID_ARGUMENT for a value of QUERN_CC that is none.
  explicit CompileChild(const Environment &environment, CompileLimits limits = {});

  // The host would rather compile everything itself (QUERN_CC=inproc).
  bool in_process() const { return in_process_; }

  // Compiled or refused. `what` names the kernel in messages: QUERN_LIMIT_EXCEEDED where time or memory ran out,
  // QUERN_COMPILE_FAILED where the compiler crashed, QUERN_NVRTC_UNAVAILABLE where quern-cc is not found or cannot open
  // NVRTC. Waits its turn: only as many children run at once as there are cores, at most 8. Thread-safe.
  CompileAnswer run(const std::string &nvrtc_path, const CompileJob &job, const std::string &what) const;

 private:
  bool in_process_;
  CompileLimits limits_;
  std::string program_;  // "" if not found
  std::string tried_;
};

}  // namespace quern

// One run of the compiler as values: what goes in and what comes out, in this process or from another.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace quern {

struct CompileJob {
  std::string name;
  std::string text;
  std::vector<std::pair<std::string, std::string>> headers;  // include name and text
  std::vector<std::string> options;
  bool ptx = false;  // what is wanted: PTX, else a cubin
};

enum class CompileOutcome : uint32_t {
  kCompiled = 0,
  kRefused = 1,      // the source is wrong; the log says why
  kOutOfTime = 2,    // of processor time
  kOutOfMemory = 3,  // of address space
  kCrashed = 4,      // `log` names the signal
  kUnavailable = 5,  // no compiler; `log` says why
};

// What kept a compiling child from the rest of the machine.
enum Confinement : uint32_t {
  kNotConfined = 0,
  kLandlock = 1,     // no file can be opened
  kSystemCalls = 2,  // no system call that a compiler does not need
  kFullyConfined = kLandlock | kSystemCalls,
};

struct CompileAnswer {
  CompileOutcome outcome = CompileOutcome::kRefused;
  uint32_t confinement = kNotConfined;
  std::string log;
  std::vector<uint8_t> code;
};

}  // namespace quern

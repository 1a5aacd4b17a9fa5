// What the stand-in for NVRTC makes of a source, so that tests know the right bytes.
#pragma once

#include <cstdint>
#include <string>

// Deterministic, about 20 KB, and different for each source and each build of the compiler.
inline std::string fake_ptx(const std::string &source, const std::string &build = "36424714") {
  std::string ptx = "// Compiler Build ID: CL-" + build +
                    "\n// Cuda compilation tools, release 13.0, V13.0.88\n"
                    ".visible .entry k(\n\t.param .u64 k_param_0\n)\n{\n\tret;\n}\n// ";
  uint64_t state = 1469598103934665603u;
  for (const char c : source + build) state = (state ^ static_cast<uint8_t>(c)) * 1099511628211u;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    ptx += static_cast<char>('a' + (state >> 33) % 26);
  }
  return ptx + "\n";
}

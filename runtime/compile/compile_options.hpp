// Which of NVRTC's options a source that is not trusted may be compiled with. Others read files, write them, or make it
// differ from run to run what comes out.
#pragma once

#include <string>
#include <vector>

namespace quern {

inline constexpr size_t kMostOptions = 128;

// The first option that is not allowed; "" if all are. Allowed are an architecture, C++17, -D of an identifier and an
// integer, ptxas's report, and not looking beside the source.
std::string refused_option(const std::vector<std::string> &options);

}  // namespace quern

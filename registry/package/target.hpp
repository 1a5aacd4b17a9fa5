// What code is compiled for: an architecture, "sm_90a", as machine code, or "compute_80" as PTX that the driver
// finishes.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct Target {
  int capability = 0;     // 90 for 9.0, 120 for 12.0
  bool specific = false;  // the "a" set: runs on exactly this capability and may use all of its instructions
  bool ptx = false;

  std::string name() const;
  auto operator<=>(const Target &) const = default;
};

// "sm_90a", "sm_90" (both give sm_90a: a device is compiled for with all its instructions), "compute_80". Throws
// QUERN_INVALID_ARGUMENT.
Target parse_target(std::string_view text);

// The target of machine code for a device of this capability.
Target native_target(int capability);

// "9.0" to 90. Throws QUERN_BAD_MANIFEST with `path` in front.
int parse_capability(std::string_view text, const std::string &path);
std::string capability_name(int capability);  // 90 to "9.0"

// Every architecture that `all` means, and what is assumed of it where there is no device to ask.
std::vector<Target> known_targets();
int64_t shared_memory_of(int capability);  // per block
int sm_count_of(int capability);

}  // namespace quern

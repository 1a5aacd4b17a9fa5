#include "registry/package/target.hpp"

#include <charconv>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

// CUDA C++ Programming Guide, "Technical specifications per compute capability": most shared memory a block may have;
// and the multiprocessors of a common GPU, so that what is chosen without hardware is what would be chosen with it.
struct KnownArch {
  int capability;
  int64_t shared_memory;
  int sm_count;
};
constexpr KnownArch kKnown[] = {{75, 64 << 10, 72},    {80, 163 << 10, 108},  {86, 99 << 10, 84},
                                {87, 163 << 10, 16},   {89, 99 << 10, 142},   {90, 227 << 10, 132},
                                {100, 227 << 10, 148}, {103, 227 << 10, 148}, {110, 227 << 10, 20},
                                {120, 99 << 10, 188},  {121, 99 << 10, 48}};

// The "a" sets begin with Hopper; earlier architectures have one set only.
bool has_specific_set(int capability) { return capability >= 90; }

}  // namespace

std::string Target::name() const { return text(ptx ? "compute_" : "sm_", capability, specific ? "a" : ""); }

Target native_target(int capability) { return {capability, has_specific_set(capability), false}; }

Target parse_target(std::string_view name) {
  const std::string_view original = name;
  Target target;
  target.ptx = name.substr(0, 8) == "compute_";
  if (target.ptx || name.substr(0, 3) == "sm_") name.remove_prefix(target.ptx ? 8 : 3);
  const char *end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, target.capability);
  const bool suffixed = rest + 1 == end && *rest == 'a';
  if (error != std::errc() || name.size() == original.size() || (rest != end && !suffixed) || target.capability < 75 ||
      target.capability > 999) {
    fail(QUERN_INVALID_ARGUMENT, "\"", original,
         "\" is no architecture; write sm_75 to sm_121a, or compute_75 and up for PTX");
  }
  if (target.ptx) {
    target.specific = suffixed;
    return target;
  }
  return native_target(target.capability);
}

int parse_capability(std::string_view name, const std::string &path) {
  int major = 0, minor = 0;
  const char *end = name.data() + name.size();
  const auto first = std::from_chars(name.data(), end, major);
  bool good = first.ec == std::errc() && first.ptr != end && *first.ptr == '.';
  if (good) {
    const auto second = std::from_chars(first.ptr + 1, end, minor);
    good = second.ec == std::errc() && second.ptr == end && minor >= 0 && minor <= 9 && major >= 7 && major <= 99;
  }
  if (!good) fail(QUERN_BAD_MANIFEST, path, " is \"", name, "\"; write a capability such as \"9.0\"");
  return major * 10 + minor;
}

std::string capability_name(int capability) { return text(capability / 10, ".", capability % 10); }

std::vector<Target> known_targets() {
  std::vector<Target> targets;
  for (const KnownArch &arch : kKnown) targets.push_back(native_target(arch.capability));
  return targets;
}

int sm_count_of(int capability) {
  int count = kKnown[0].sm_count;
  for (const KnownArch &arch : kKnown) {
    if (arch.capability <= capability) count = arch.sm_count;
  }
  return count;
}

int64_t shared_memory_of(int capability) {
  int64_t bytes = kKnown[0].shared_memory;
  for (const KnownArch &arch : kKnown) {
    if (arch.capability <= capability) bytes = arch.shared_memory;
  }
  return bytes;
}

}  // namespace quern

#include <cstddef>

#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/compile/child/confinement.hpp"

namespace quern {
namespace {

// The kernel's, declared here since its header may be older than the kernel (uapi/linux/landlock.h).
constexpr long kCreateRuleset = 444, kRestrictSelf = 446;
constexpr unsigned kAskVersion = 1;
struct RulesetAttributes {
  uint64_t files, network, scopes;
};

}  // namespace

bool deny_files() {
  const long version = ::syscall(kCreateRuleset, nullptr, 0, kAskVersion);
  if (version < 1) return false;
  const int file_rights = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13;
  RulesetAttributes attributes{(uint64_t{1} << file_rights) - 1, 3, 3};  // all, and none of it granted
  const size_t size = version >= 6   ? sizeof attributes
                      : version >= 4 ? offsetof(RulesetAttributes, scopes)
                                     : offsetof(RulesetAttributes, network);
  const long ruleset = ::syscall(kCreateRuleset, &attributes, size, 0);
  if (ruleset < 0) return false;
  const bool restricted = ::syscall(kRestrictSelf, ruleset, 0) == 0;
  ::close(static_cast<int>(ruleset));
  return restricted;
}

}  // namespace quern

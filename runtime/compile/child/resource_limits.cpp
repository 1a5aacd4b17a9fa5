#include <sys/resource.h>

#include "runtime/compile/child/confinement.hpp"

namespace quern {
namespace {

void set(int resource, uint64_t soft, uint64_t hard) {
  struct rlimit limit {};
  if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) return;
  limit.rlim_max = hard < limit.rlim_max ? hard : limit.rlim_max;
  limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
}

}  // namespace

void limit_resources(uint64_t cpu_seconds, uint64_t memory_bytes) {
  set(RLIMIT_CORE, 0, 0);
  set(RLIMIT_FSIZE, 0, 0);
  set(RLIMIT_NPROC, 0, 0);
  set(RLIMIT_MEMLOCK, 0, 0);
  set(RLIMIT_AS, memory_bytes, memory_bytes);
  // The soft one sends a signal, upon which the child still says why it ends; the hard one kills.
  set(RLIMIT_CPU, cpu_seconds, cpu_seconds + 2);
}

}  // namespace quern

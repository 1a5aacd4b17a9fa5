#include <cerrno>
#include <cstddef>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/compile/child/confinement.hpp"

namespace quern {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;
#endif

constexpr uint32_t kCompute[] = {
    __NR_read,
    __NR_write,
    __NR_readv,
    __NR_writev,
    __NR_pread64,
    __NR_close,
    __NR_lseek,
    __NR_fstat,
    __NR_munmap,
    __NR_mremap,
    __NR_madvise,
    __NR_brk,
    __NR_futex,
    __NR_exit,
    __NR_exit_group,
    __NR_rt_sigaction,
    __NR_rt_sigprocmask,
    __NR_rt_sigreturn,
    __NR_sigaltstack,
    __NR_restart_syscall,
    __NR_clock_gettime,
    __NR_clock_getres,
    __NR_gettimeofday,
    __NR_times,
    __NR_getcpu,
    __NR_getrusage,
    __NR_getrlimit,
    __NR_sysinfo,
    __NR_uname,
    __NR_sched_yield,
    __NR_sched_getaffinity,
    __NR_nanosleep,
    __NR_clock_nanosleep,
    __NR_getrandom,
    __NR_getpid,
    __NR_gettid,
    __NR_getppid,
    __NR_getuid,
    __NR_geteuid,
    __NR_getgid,
    __NR_getegid,
    __NR_set_robust_list,
    __NR_membarrier,
    __NR_getcwd,
#ifdef __NR_rseq
    __NR_rseq,
#endif
#ifdef __NR_time
    __NR_time,
#endif
};

// By what files are asked for: there are none.
constexpr uint32_t kFiles[] = {
    __NR_openat,     __NR_newfstatat, __NR_faccessat, __NR_readlinkat, __NR_statfs,
#ifdef __NR_statx
    __NR_statx,
#endif
#ifdef __NR_openat2
    __NR_openat2,
#endif
#ifdef __NR_faccessat2
    __NR_faccessat2,
#endif
#ifdef __NR_open
    __NR_open,       __NR_stat,       __NR_lstat,     __NR_access,     __NR_readlink,
#endif
};

class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
    answer(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
  }
  void on(uint32_t call, uint32_t action) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    answer(action);
  }
  // Allowed only if the masked low half of an argument has this value.
  void allow_if(uint32_t call, int argument, uint32_t mask, uint32_t value) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 5));
    load(low_half(argument));
    code_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    answer(SECCOMP_RET_ALLOW);
    answer(kRefuse);
  }
  void allow_if_null(uint32_t call, int argument) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 6));
    load(low_half(argument));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3));
    load(low_half(argument) + sizeof(uint32_t));
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1));
    answer(SECCOMP_RET_ALLOW);
    answer(kRefuse);
  }
  bool install() {
    answer(kRefuse);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
  }

  static constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;

 private:
  static constexpr size_t low_half(int argument) {  // both processors above are little-endian
    return offsetof(seccomp_data, args) + sizeof(uint64_t) * static_cast<size_t>(argument);
  }
  void load(size_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset))); }
  void answer(uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }

  std::vector<sock_filter> code_;
};

}  // namespace

bool deny_system_calls() {
  if (kArchitecture == 0) return false;
  Filter filter;
  for (const uint32_t call : kCompute) filter.on(call, SECCOMP_RET_ALLOW);
  for (const uint32_t call : kFiles) filter.on(call, SECCOMP_RET_ERRNO | ENOENT);
  filter.allow_if(__NR_mmap, 2, PROT_EXEC, 0);
  filter.allow_if(__NR_mprotect, 2, PROT_EXEC, 0);
  // abort() and raise(), which name their own process; limits may be asked for, not set.
  filter.allow_if(__NR_tgkill, 0, UINT32_MAX, static_cast<uint32_t>(::getpid()));
  filter.allow_if_null(__NR_prlimit64, 2);
  return filter.install();
}

}  // namespace quern

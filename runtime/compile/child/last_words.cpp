#include "runtime/compile/child/last_words.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/compile/wire.hpp"

namespace quern {
namespace {

constexpr size_t kStackBytes = 64 << 10;

// Encoded beforehand: where they are needed nothing can be allocated.
struct LastWords {
  std::string out_of_time, out_of_memory, crashed;
};
LastWords *words = nullptr;
std::atomic<bool> armed{false};

[[noreturn]] void end_with(const std::string &message) {
  if (armed.exchange(false)) write_answer(message);
  ::_exit(0);
}

// A compiler that maps memory by itself crashes where there is none: so when a quarter of the limit is not to be had,
// it was that.
bool is_memory_gone() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  return ::mmap(nullptr, limit.rlim_cur / 4, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

void on_signal(int signal) {
  if (signal == SIGXCPU) end_with(words->out_of_time);
  end_with(is_memory_gone() ? words->out_of_memory : words->crashed);
}

}  // namespace

bool write_answer(std::string_view message) {
  while (!message.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, message.data(), message.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    message.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

void prepare_last_words(uint32_t confinement) {
  words = new LastWords{encode(CompileAnswer{CompileOutcome::kOutOfTime, confinement, "", {}}),
                        encode(CompileAnswer{CompileOutcome::kOutOfMemory, confinement, "", {}}),
                        encode(CompileAnswer{CompileOutcome::kCrashed, confinement, "", {}})};
  // A stack of its own: a compiler that recursed too deeply has none left.
  stack_t stack{};
  stack.ss_sp = std::malloc(kStackBytes);
  stack.ss_size = kStackBytes;
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (const int signal : {SIGXCPU, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigaction(signal, &action, nullptr);
  armed = true;
}

void forget_last_words() { armed = false; }

// Called by the allocation functions below.
void *allocated(void *memory, size_t size) {
  if (memory == nullptr && size > 0 && armed) end_with(words->out_of_memory);
  return memory;
}

}  // namespace quern

// The compiler crashes or gives up in ways of its own when memory ends, so the program's own functions, which come
// before the C library's for every library in the process, tell it first.
extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) { return quern::allocated(__libc_malloc(size), size); }
void *calloc(size_t count, size_t size) { return quern::allocated(__libc_calloc(count, size), count * size); }
void *realloc(void *memory, size_t size) { return quern::allocated(__libc_realloc(memory, size), size); }
int posix_memalign(void **memory, size_t alignment, size_t size) {
  *memory = quern::allocated(__libc_memalign(alignment, size), size);
  return *memory == nullptr && size > 0 ? ENOMEM : 0;
}
}

// quern-cc: compiles one kernel that nobody vouches for. It is started by the library, reads its orders and opens
// NVRTC; then it shuts itself in; only then does it read the source. What it says back is code or a log.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/shared_library.hpp"
#include "runtime/compile/child/confinement.hpp"
#include "runtime/compile/child/last_words.hpp"
#include "runtime/compile/compile_options.hpp"
#include "runtime/compile/nvrtc_program.hpp"
#include "runtime/compile/wire.hpp"

using namespace quern;

namespace {

constexpr size_t kLargestLog = 4 << 20;

void close_all_but_standard() {
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, 3u, ~0u, 0u) == 0) return;
#endif
  for (int fd = 3, end = static_cast<int>(::sysconf(_SC_OPEN_MAX)); fd < end; ++fd) ::close(fd);
}

bool read_exactly(char *data, size_t size) {
  while (size > 0) {
    const ssize_t got = ::read(STDIN_FILENO, data, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

std::optional<std::string> read_message() {
  char head[kMessageHead];
  if (!read_exactly(head, sizeof head)) return std::nullopt;
  const std::optional<uint64_t> size = body_size({head, sizeof head});
  if (!size) return std::nullopt;
  std::string body(*size, '\0');
  if (!read_exactly(body.data(), body.size())) return std::nullopt;
  return body;
}

// Where it is not beside NVRTC, the loader's own search may know it; later, no file can be opened.
void open_builtins(const NvrtcApi &api) {
  int major = 0, minor = 0;
  std::string ignored;
  if (api.version(&major, &minor) == 0) {
    SharedLibrary::open(text("libnvrtc-builtins.so.", major, ".", minor), ignored);
  }
}

int say(const CompileAnswer &answer) { return write_answer(encode(answer)) ? 0 : 1; }

int unavailable(const std::string &why) { return say({CompileOutcome::kUnavailable, kNotConfined, why, {}}); }

uint32_t shut_in(uint32_t wanted) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  uint32_t done = kNotConfined;
  if ((wanted & kLandlock) != 0 && deny_files()) done |= kLandlock;
  if ((wanted & kSystemCalls) != 0 && deny_system_calls()) done |= kSystemCalls;
  return done;
}

int compile_one() {
  const std::optional<std::string> first = read_message();
  const std::optional<ChildOrders> orders = first ? decode_orders(*first) : std::nullopt;
  if (!orders) return 2;
  if (static_cast<uint64_t>(::getppid()) != orders->parent) return 2;  // it died before the death signal was asked for
  limit_resources(orders->cpu_seconds, orders->memory_bytes);
  Nvrtc nvrtc(orders->nvrtc_path, Environment());
  if (const std::string missing = nvrtc.missing(); !missing.empty()) return unavailable(missing);
  const NvrtcApi &api = nvrtc.need();
  open_builtins(api);

  const uint32_t confinement = shut_in(orders->confinement);
  const std::optional<std::string> second = read_message();
  const std::optional<CompileJob> job = second ? decode_job(*second) : std::nullopt;
  if (!job) return 2;
  if (const std::string option = refused_option(job->options); !option.empty()) {
    return say({CompileOutcome::kRefused, confinement, "error: the option is not allowed: " + option, {}});
  }
  prepare_last_words(confinement);
  CompileAnswer answer;
  try {
    answer = run_nvrtc(api, *job);
  } catch (const Error &error) {
    answer = {CompileOutcome::kRefused, confinement, text("error: ", error.what()), {}};
  }
  answer.confinement = confinement;
  if (answer.log.size() > kLargestLog) answer.log.resize(kLargestLog);
  const std::string message = encode(answer);
  forget_last_words();
  return write_answer(message) ? 0 : 1;
}

}  // namespace

int main(int count, char **) {
  if (count != 1) {
    std::fputs("quern-cc is started by the Quern library; it has no options\n", stderr);
    return 2;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  close_all_but_standard();
  if (::chdir("/") != 0) return 2;
  int status = 2;
  try {
    status = compile_one();
  } catch (...) {  // out of memory before the source was read
  }
  ::_exit(status);  // nothing of a compiler that was fed this source runs once more
}

#include "runtime/compile/compile_child.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/process_local.hpp"
#include "runtime/compile/child_process.hpp"
#include "runtime/compile/compile_options.hpp"
#include "runtime/compile/wire.hpp"

namespace quern {
namespace {

constexpr size_t kLargestJob = 32 << 20;
constexpr int kMostChildren = 8;

// How many children run at once in this process: each may take the whole of the memory limit.
struct Turns {
  std::mutex mutex;
  std::condition_variable freed;
  int free = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 2, kMostChildren);
};

class Turn {
 public:
  Turn() : turns_(all().get()) {
    std::unique_lock lock(turns_.mutex);
    turns_.freed.wait(lock, [&] { return turns_.free > 0; });
    --turns_.free;
  }
  ~Turn() {
    const std::lock_guard lock(turns_.mutex);
    ++turns_.free;
    turns_.freed.notify_one();
  }
  Turn(const Turn &) = delete;
  Turn &operator=(const Turn &) = delete;

 private:
  static ProcessLocal<Turns> &all() {
    static ProcessLocal<Turns> turns;
    return turns;
  }
  Turns &turns_;
};

std::string directory_of_this_library() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void *>(&directory_of_this_library), &info) == 0) return {};
  std::error_code failed;
  const std::filesystem::path file = std::filesystem::canonical(info.dli_fname, failed);
  return failed ? std::string() : file.parent_path().string();
}

bool is_program(const std::string &path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

size_t size_of(const CompileJob &job) {
  size_t size = job.text.size();
  for (const auto &[name, text] : job.headers) size += name.size() + text.size();
  return size;
}

std::string memory_text(uint64_t bytes) { return text(bytes >> 20, " MiB"); }

[[noreturn]] void out_of(const std::string &what, const std::string &limit) {
  fail(QUERN_LIMIT_EXCEEDED, "compiling ", what, " took more than ", limit,
       "; the package is at fault: remove it, or tell its author");
}

// A child that ended without an answer.
[[noreturn]] void explain(const ChildEnd &end, const std::string &what, const std::string &program) {
  if (!end.status || (WIFSIGNALED(*end.status) && WTERMSIG(*end.status) == SIGKILL)) {
    fail(QUERN_LIMIT_EXCEEDED, "the process that compiled ", what,
         " was killed, as the system does when memory runs out; try again with fewer jobs, or remove the package");
  }
  if (WIFSIGNALED(*end.status)) {
    fail(QUERN_COMPILE_FAILED, "the process that compiled ", what, " ended by signal ", WTERMSIG(*end.status),
         "; try again, or remove the package");
  }
  fail(QUERN_NVRTC_UNAVAILABLE, program, " does not answer for ", what, " (exit code ", WEXITSTATUS(*end.status),
       "); install the one that comes with this library, or set QUERN_CC_PATH to it");
}

}  // namespace

CompileChild::CompileChild(const Environment &environment, CompileLimits limits) : limits_(limits) {
  if (!environment.compile_child.empty() && environment.compile_child != "child" &&
      environment.compile_child != "inproc") {
    fail(QUERN_INVALID_ARGUMENT, "QUERN_CC is \"", environment.compile_child, "\"; set it to child or inproc");
  }
  in_process_ = environment.compile_child == "inproc";
  std::vector<std::string> candidates = {environment.compile_child_path};
  if (environment.compile_child_path.empty()) {
    const std::string here = directory_of_this_library();
    candidates.clear();
    if (!here.empty()) candidates = {here + "/" QUERN_CC_FROM_LIBRARY, here + "/../bin/quern-cc"};  // or as built
  }
  for (const std::string &candidate : candidates) {
    if (program_.empty() && is_program(candidate)) program_ = candidate;
    tried_ += (tried_.empty() ? "" : ", ") + candidate;
  }
}

CompileAnswer CompileChild::run(const std::string &nvrtc_path, const CompileJob &job, const std::string &what) const {
  if (program_.empty()) {
    fail(QUERN_NVRTC_UNAVAILABLE, what, " is not built in and is compiled by quern-cc, which is not there: tried ",
         tried_, "; install it, set QUERN_CC_PATH to it, or allow compiling in this process with QUERN_CC=inproc");
  }
  if (const std::string option = refused_option(job.options); !option.empty()) {
    fail(QUERN_BAD_MANIFEST, what, " asks for the compiler's option ", option,
         ", which is not allowed; use defines of integers");
  }
  if (const size_t size = size_of(job); size > kLargestJob) {
    fail(QUERN_LIMIT_EXCEEDED, what, " has ", memory_text(size), " of sources; at most ", memory_text(kLargestJob),
         " are compiled: make them smaller");
  }
  const Turn turn;
  ChildOrders orders;
  orders.parent = static_cast<uint64_t>(::getpid());
  orders.cpu_seconds = limits_.cpu_seconds;
  orders.memory_bytes = limits_.memory_bytes;
  orders.confinement = limits_.confinement;
  orders.nvrtc_path = nvrtc_path;
  std::string reason;
  const std::optional<ChildEnd> end =
      run_child(program_, encode(orders) + encode(job), kMessageHead + kLargestMessage, limits_.wall, reason);
  if (!end) fail(QUERN_NVRTC_UNAVAILABLE, "cannot start ", program_, " for ", what, ": ", reason, "; reinstall it");
  if (end->timed_out) out_of(what, text(limits_.wall.count(), " ms"));
  if (end->too_much) out_of(what, memory_text(kLargestMessage) + " of code and log");

  const std::string_view output = end->output;
  const std::optional<uint64_t> size = body_size(output);
  if (!size) explain(*end, what, program_);
  const std::optional<CompileAnswer> answer = decode_answer(output.substr(kMessageHead));
  if (!answer || output.size() != kMessageHead + *size) explain(*end, what, program_);
  switch (answer->outcome) {
    case CompileOutcome::kOutOfTime:
      out_of(what, text(limits_.cpu_seconds, " s of processor time"));
    case CompileOutcome::kOutOfMemory:
      out_of(what, memory_text(limits_.memory_bytes) + " of memory");
    case CompileOutcome::kCrashed:
      fail(QUERN_COMPILE_FAILED, "the compiler crashed over ", what, "; simplify the source, or remove the package");
    case CompileOutcome::kUnavailable:
      fail(QUERN_NVRTC_UNAVAILABLE, "quern-cc cannot compile ", what, ": ", answer->log);
    case CompileOutcome::kCompiled:
    case CompileOutcome::kRefused:
      break;
  }
  return *answer;
}

}  // namespace quern

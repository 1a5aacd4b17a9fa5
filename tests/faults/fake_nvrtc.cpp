// A stand-in for libnvrtc that compiles nothing: it answers with bytes that its source determines, after
// FAKE_NVRTC_DELAY_MS, and appends a line to the file FAKE_NVRTC_LOG as each compile begins. A library file called
// libfake_nvrtc.<build>.so is of that build.
#include "faults/fake_nvrtc.hpp"

#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

struct _nvrtcProgram {
  std::string source;
};

namespace {

std::string own_ptx(const _nvrtcProgram &program) {
  Dl_info info;
  if (::dladdr(reinterpret_cast<void *>(&own_ptx), &info) == 0) std::abort();
  const std::string file = info.dli_fname, prefix = "libfake_nvrtc.";
  const size_t begin = file.rfind(prefix) + prefix.size(), end = file.rfind(".so");
  return end > begin ? fake_ptx(program.source, file.substr(begin, end - begin)) : fake_ptx(program.source);
}

}  // namespace

#define FAKE extern "C" __attribute__((visibility("default")))

FAKE int nvrtcVersion(int *major, int *minor) {
  *major = 13;
  *minor = 0;
  return 0;
}
FAKE const char *nvrtcGetErrorString(int) { return "as the test asked"; }
FAKE int nvrtcGetNumSupportedArchs(int *count) {
  *count = 2;
  return 0;
}
FAKE int nvrtcGetSupportedArchs(int *archs) {
  archs[0] = 80;
  archs[1] = 90;
  return 0;
}
FAKE int nvrtcCreateProgram(_nvrtcProgram **program, const char *source, const char *, int, const char *const *,
                            const char *const *) {
  *program = new _nvrtcProgram{source};
  return 0;
}
FAKE int nvrtcDestroyProgram(_nvrtcProgram **program) {
  delete *program;
  *program = nullptr;
  return 0;
}
FAKE int nvrtcCompileProgram(_nvrtcProgram *program, int, const char *const *) {
  if (program->source.empty()) return 0;  // only asked for the build
  if (const char *log = std::getenv("FAKE_NVRTC_LOG")) {
    const int fd = ::open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string line = program->source + "\n";
    if (fd < 0 || ::write(fd, line.data(), line.size()) < 0) std::abort();
    ::close(fd);
  }
  if (const char *delay = std::getenv("FAKE_NVRTC_DELAY_MS")) {
    const long milliseconds = std::atol(delay);
    const struct timespec pause { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    ::nanosleep(&pause, nullptr);
  }
  return 0;
}
FAKE int nvrtcGetPTXSize(_nvrtcProgram *program, size_t *bytes) {
  *bytes = own_ptx(*program).size();
  return 0;
}
FAKE int nvrtcGetPTX(_nvrtcProgram *program, char *code) {
  const std::string ptx = own_ptx(*program);
  std::memcpy(code, ptx.data(), ptx.size());
  return 0;
}
FAKE int nvrtcGetCUBINSize(_nvrtcProgram *program, size_t *bytes) { return nvrtcGetPTXSize(program, bytes); }
FAKE int nvrtcGetCUBIN(_nvrtcProgram *program, char *code) { return nvrtcGetPTX(program, code); }
FAKE int nvrtcGetProgramLogSize(_nvrtcProgram *, size_t *bytes) {
  *bytes = 1;
  return 0;
}
FAKE int nvrtcGetProgramLog(_nvrtcProgram *, char *text) {
  *text = '\0';
  return 0;
}

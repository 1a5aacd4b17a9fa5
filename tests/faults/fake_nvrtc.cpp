// A stand-in for libnvrtc that compiles nothing: it answers with bytes that its source determines, after
// FAKE_NVRTC_DELAY_MS, and appends a line to the file FAKE_NVRTC_LOG as each compile begins.
#include "faults/fake_nvrtc.hpp"

#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

struct _nvrtcProgram {
  std::string source;
};

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
  *bytes = fake_ptx(program->source).size();
  return 0;
}
FAKE int nvrtcGetPTX(_nvrtcProgram *program, char *code) {
  const std::string ptx = fake_ptx(program->source);
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

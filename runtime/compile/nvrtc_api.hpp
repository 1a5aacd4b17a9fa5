// NVRTC, found and opened at run time. Finding it reads no library, so that a plan whose kernels are on disk never pays
// for opening 110 MB.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/environment.hpp"

namespace quern {

using NvrtcProgram = struct _nvrtcProgram *;

#define QUERN_NVRTC_FUNCTIONS(X)                                                                          \
  X(version, nvrtcVersion, int, (int *major, int *minor))                                                 \
  X(error_string, nvrtcGetErrorString, const char *, (int result))                                        \
  X(arch_count, nvrtcGetNumSupportedArchs, int, (int *count))                                             \
  X(archs, nvrtcGetSupportedArchs, int, (int *archs))                                                     \
  X(create, nvrtcCreateProgram, int,                                                                      \
    (NvrtcProgram * program, const char *source, const char *name, int headers, const char *const *texts, \
     const char *const *names))                                                                           \
  X(destroy, nvrtcDestroyProgram, int, (NvrtcProgram * program))                                          \
  X(compile, nvrtcCompileProgram, int, (NvrtcProgram program, int count, const char *const *options))     \
  X(cubin_size, nvrtcGetCUBINSize, int, (NvrtcProgram program, size_t * bytes))                           \
  X(cubin, nvrtcGetCUBIN, int, (NvrtcProgram program, char *code))                                        \
  X(ptx_size, nvrtcGetPTXSize, int, (NvrtcProgram program, size_t * bytes))                               \
  X(ptx, nvrtcGetPTX, int, (NvrtcProgram program, char *code))                                            \
  X(log_size, nvrtcGetProgramLogSize, int, (NvrtcProgram program, size_t * bytes))                        \
  X(log, nvrtcGetProgramLog, int, (NvrtcProgram program, char *text))

struct NvrtcApi {
#define QUERN_MEMBER(name, symbol, result, parameters) result(*name) parameters;
  QUERN_NVRTC_FUNCTIONS(QUERN_MEMBER)
#undef QUERN_MEMBER
};

class Nvrtc {
 public:
  // `path` is the host's own choice; if not empty, nothing else is tried.
  Nvrtc(std::string path, const Environment &environment);

  // What tells one build of the library from another without opening it: device, inode, size and time of the file that
  // would be opened. Nothing if only the loader can find it.
  std::optional<std::string> file_identity() const;

  // Opens it at the first call. Throws QUERN_NVRTC_UNAVAILABLE with every place tried. Thread-safe.
  const NvrtcApi &need();
  std::string path();     // of the opened library
  std::string missing();  // "" if it opens, else why not

 private:
  std::vector<std::string> candidates() const;
  void open();

  std::string chosen_;
  std::vector<std::string> directories_;
  std::once_flag once_;
  NvrtcApi api_{};
  std::string path_;
  std::string missing_;
};

}  // namespace quern

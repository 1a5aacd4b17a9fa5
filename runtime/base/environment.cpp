#include "runtime/base/environment.hpp"

#include <cstdlib>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

std::string variable(const char *name) {
  const char *value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

Environment read_environment() {
  Environment env;
  env.cache_dir = variable("QUERN_CACHE_DIR");
  env.cache_mode = variable("QUERN_CACHE_MODE");
  env.kernel_path = variable("QUERN_KERNEL_PATH");
  env.kernel_force = variable("QUERN_KERNEL_FORCE");
  env.offline = variable("QUERN_OFFLINE");
  env.jit = variable("QUERN_JIT");
  env.nvrtc_path = variable("QUERN_NVRTC_PATH");
  env.driver_path = variable("QUERN_DRIVER_PATH");
  env.log = variable("QUERN_LOG");
  env.threads = variable("QUERN_THREADS");
  env.compile_child = variable("QUERN_CC");
  env.compile_child_path = variable("QUERN_CC_PATH");
  env.xdg_cache_home = variable("XDG_CACHE_HOME");
  env.home = variable("HOME");
  env.cuda_home = variable("CUDA_HOME");
  env.cuda_path = variable("CUDA_PATH");
  env.library_path = variable("LD_LIBRARY_PATH");
  return env;
}

bool parse_bool(const char *variable, const std::string &value) {
  if (value.empty() || value == "0" || value == "false" || value == "off") return false;
  if (value == "1" || value == "true" || value == "on") return true;
  fail(QUERN_INVALID_ARGUMENT, variable, " is \"", value, "\"; set it to 1 or 0");
}

}  // namespace quern

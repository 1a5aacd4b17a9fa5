#include "runtime/base/error.hpp"

namespace quern {
namespace {

struct LastError {
  std::string message;
  std::string log;
};

LastError &this_thread() {
  thread_local LastError error;
  return error;
}

}  // namespace

void set_last_error(const char *message, const char *log) noexcept {
  try {
    LastError &error = this_thread();
    error.message = message;
    error.log = log;
    for (char &c : error.message) {
      if (c == '\n' || c == '\r') c = ' ';  // one line, whatever a library below put into it
    }
  } catch (...) {  // out of memory: an older message stays
  }
}

const char *last_error() noexcept { return this_thread().message.c_str(); }
const char *last_error_log() noexcept { return this_thread().log.c_str(); }

}  // namespace quern

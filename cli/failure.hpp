// How a verb fails: an exception that carries the exit code, caught once in main. The text is one line: the fact, then
// the fix.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "cli/exit_code.hpp"

namespace quern::cli {

class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string &message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

// The same for SIGINT: nothing is printed.
struct Interrupted {};

template <typename... Parts>
std::string text(const Parts &...parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <typename... Parts>
[[noreturn]] void fail(ExitCode code, const Parts &...parts) {
  throw Failure(code, text(parts...));
}

}  // namespace quern::cli

#include "cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace quern::cli {
namespace {

bool can_rewrite_lines() {
  const char *term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term && std::string_view(term) != "dumb";
}

size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

}  // namespace

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(can_rewrite_lines()) {}

void Progress::step(const std::string &line) {
  if (quiet_) return;
  if (terminal_) {
    rewrite(line);
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void Progress::move(const std::string &line) {
  if (!quiet_ && terminal_) rewrite(line);
}

void Progress::clear() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
  shown_ = false;
}

void Progress::rewrite(const std::string &line) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::milliseconds(100);
  // A line that wraps could not be rewritten.
  std::fprintf(stderr, "\r\x1b[K%s", line.substr(0, terminal_columns() - 1).c_str());
  shown_ = true;
}

}  // namespace quern::cli

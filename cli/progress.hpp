// Progress of long work on stderr: one line rewritten at most ten times a second on a terminal, else one line per step.
#pragma once

#include <chrono>
#include <string>

namespace quern::cli {

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress() { clear(); }
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  // A step has begun or ended.
  void step(const std::string &line);
  // Something moved within a step; shown on a terminal only.
  void move(const std::string &line);
  // Take the line off the terminal, before other output.
  void clear();

 private:
  void rewrite(const std::string &line);

  bool quiet_;
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace quern::cli

// A program run for one question and one answer, from any thread of a host whose signals, descriptors and forks are its
// own business.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace quern {

struct ChildEnd {
  std::string output;
  std::optional<int> status;  // as waitpid() tells it; nothing where the host lets the system reap
  bool timed_out = false;     // it was killed
  bool too_much = false;      // it was killed, since it said more than `most_output`
};

// Starts `program` without arguments and environment, in a process group of its own, with one socket as its standard
// input and output; gives it `input`; and waits until it has ended, which it has when this returns or throws, leaving
// no zombie and no descriptor. Nothing if it cannot be started: then `reason` says why.
std::optional<ChildEnd> run_child(const std::string &program, std::string_view input, size_t most_output,
                                  std::chrono::milliseconds patience, std::string &reason);

}  // namespace quern

// What a compiler's log says, read without regular expressions: the log of a source that is not trusted may hold a line
// of any length, on which those run out of stack.
#pragma once

#include <string>

namespace quern {

struct ResourceReport {
  int registers = -1;  // -1: ptxas did not say
  int spill_bytes = -1;
  int shared_bytes = -1;
};

// The line to show as the reason, cut to a readable length.
std::string first_error(const std::string &log);

// The sums over all kernels of the log, as ptxas reports them under -v.
ResourceReport resources_in(const std::string &log);

// The log without ptxas's report on resources: what is left is for the kernel's author.
std::string warnings_in(const std::string &log);

// For the eyes of anybody: at most `limit` bytes, without control characters, and without `directory`, where the
// compiler lies on this host.
std::string sanitized_log(std::string log, const std::string &directory, size_t limit = 256 << 10);

}  // namespace quern

// How quern-cc says why it ends, when it ends in the middle: out of time, out of memory, or by a crash of the compiler.
#pragma once

#include <cstdint>
#include <string_view>

namespace quern {

// Writes all of it to standard output; false if nobody reads. Safe in a signal handler.
bool write_answer(std::string_view message);

// From here on a signal or a failed allocation ends the process with an answer that says so.
void prepare_last_words(uint32_t confinement);

// The answer is being written: two would be none.
void forget_last_words();

}  // namespace quern

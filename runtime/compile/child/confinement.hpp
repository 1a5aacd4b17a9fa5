// How quern-cc shuts itself in before it reads a line of a source: from then on it can compute, and answer.
#pragma once

#include <cstdint>

namespace quern {

// Of the process; a limit that cannot be set is left as it is.
void limit_resources(uint64_t cpu_seconds, uint64_t memory_bytes);

// No file can be opened, made or removed, no TCP connected (Landlock). False if the kernel has it not.
bool deny_files();

// Nothing but what a compiler needs: memory, time, its two open descriptors, its own signals. What asks for a file
// finds none. No executable memory, no thread, no process, no socket. False if the kernel or the processor has it not.
bool deny_system_calls();

}  // namespace quern

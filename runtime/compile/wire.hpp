// What the library and its compiling child say to each other: two messages there, settings and job, and one back. Both
// ends are of one build of Quern on one machine, so numbers are as the machine has them; a mark at the head of each
// message tells a child of another build.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/compile/compile_job.hpp"

namespace quern {

struct ChildOrders {
  uint64_t parent = 0;        // process id: without it nobody waits for the answer
  uint64_t cpu_seconds = 0;   // of processor time
  uint64_t memory_bytes = 0;  // of address space
  uint32_t confinement = kFullyConfined;
  std::string nvrtc_path;
};

inline constexpr uint64_t kLargestMessage = 96 << 20;
inline constexpr size_t kMessageHead = 16;  // mark, then the size of what follows

std::string encode(const ChildOrders &orders);
std::string encode(const CompileJob &job);
std::string encode(const CompileAnswer &answer);

// The size of the body behind a head; nothing if it is no head of ours or the size is absurd.
std::optional<uint64_t> body_size(std::string_view head);

// From a body, strictly: nothing if it ends early, goes on, or holds a number that has no meaning.
std::optional<ChildOrders> decode_orders(std::string_view body);
std::optional<CompileJob> decode_job(std::string_view body);
std::optional<CompileAnswer> decode_answer(std::string_view body);

}  // namespace quern

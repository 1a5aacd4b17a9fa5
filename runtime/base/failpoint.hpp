// Faults on demand. In the tests' own build QUERN_FAIL makes the nth call at a named point fail, kill the process, come
// up short, or take its time; in any other build a point is the constant 0 and costs nothing.
//
//   QUERN_FAIL=point:nth:what[,...]    point: a name below, or * for all but alloc
//                                      nth: 1, 2, ...; 0 is every call, 3+ is the third and all behind it
//                                      what: an errno as a number, kill, short, skip (say that it is done), or
//                                      delay (50 ms)
//   points: open read write sync rename unlink lock mkdir stat   (system_call.cpp)
//           sqlite_open sqlite_exec sqlite_prepare sqlite_step   (cache_index.cpp)
//           curl_init curl_setopt curl_slist curl_perform        (http.cpp)
//           nvrtc_create nvrtc_compile                           (nvrtc_program.cpp)   alloc (the fault tests' operator
//           new)
#pragma once

#include <cstdint>

#ifdef QUERN_FAILPOINTS

namespace quern {

inline constexpr int kComesUpShort = -1, kSkipped = -2;

// 0: go on. Positive: the errno to fail with. kComesUpShort: move fewer bytes than asked.
// kSkipped: do nothing and succeed. Allocates nothing.
int failpoint(const char *name) noexcept;
void failpoint_arm(const char *rules) noexcept;  // as QUERN_FAIL, instead of it
bool failpoint_was_hit() noexcept;               // whether any rule but skip has struck
int64_t failpoints_passed() noexcept;            // calls that * counts

}  // namespace quern

#define QUERN_FAILPOINT(name) ::quern::failpoint(name)
#else
#define QUERN_FAILPOINT(name) 0
#endif

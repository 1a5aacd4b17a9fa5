// How far a package is trusted.
#pragma once

namespace quern {

// From less to more. Built-in and local packages are never judged: where they lie decides.
enum class Trust { kRefused, kLocal, kLocked, kSigned, kBuiltIn };
const char *trust_name(Trust trust);

}  // namespace quern

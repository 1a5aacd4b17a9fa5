// What the program's exit codes mean: the one table behind --help, the documentation and the tests.
#pragma once

#include <iterator>

#include <quern/quern.h>

namespace quern::cli {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNothingMatched = 3,
  kNoGpu = 4,
  kNetwork = 5,
  kVerificationFailed = 6,
  kInterrupted = 130,
};

struct ExitCodeMeaning {
  ExitCode code;
  const char *meaning;
};

inline constexpr ExitCodeMeaning kExitCodes[] = {
    {kDone, "done"},
    {kFailed, "failed"},
    {kUsage, "wrong use: an unknown option, a missing or invalid argument"},
    {kNothingMatched, "nothing matched: no such kernel, entry or tensor, or no kernel accepts the problem"},
    {kNoGpu, "no GPU or no driver"},
    {kNetwork, "the network failed or is forbidden"},
    {kVerificationFailed, "bytes do not match their hash, or nobody trusted signed them"},
    {kInterrupted, "interrupted"},
};

constexpr ExitCode exit_code(quern_status status) {
  switch (status) {
    case QUERN_OK:
      return kDone;
    case QUERN_INVALID_ARGUMENT:
      return kUsage;
    case QUERN_UNSUPPORTED:
    case QUERN_NOT_FOUND:
      return kNothingMatched;
    case QUERN_CUDA_UNAVAILABLE:
      return kNoGpu;
    case QUERN_NETWORK_ERROR:
    case QUERN_OFFLINE:
      return kNetwork;
    case QUERN_CORRUPT:
    case QUERN_UNTRUSTED:
    case QUERN_OUTDATED:
    case QUERN_LOCK_MISMATCH:
      return kVerificationFailed;
    case QUERN_CANCELLED:
      return kInterrupted;
    default:
      return kFailed;
  }
}

}  // namespace quern::cli

// For tests that are nothing without NVRTC: its absence fails them, unless QUERN_NO_NVRTC=1 says that it is known.
#pragma once

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

// To be called in SetUp() with why NVRTC is not there, "" if it is.
inline void require_nvrtc(const std::string &missing) {
  if (missing.empty()) return;
  const char *known = std::getenv("QUERN_NO_NVRTC");
  if (known != nullptr && std::string(known) == "1") GTEST_SKIP() << missing;
  FAIL() << missing << " (QUERN_NO_NVRTC=1 skips this test)";
}

// Entries of a cache as tests make them.
#pragma once

#include <string>

#include "registry/cache/cache_entry.hpp"

// An entry whose request is `digit` 64 times over.
inline quern::CacheEntry make_entry(char digit, const std::string &nvrtc = "13.0.88-1", size_t code_bytes = 1000) {
  quern::CacheEntry entry;
  entry.request = std::string(64, digit);
  entry.nvrtc = nvrtc;
  entry.kernel = "you/test:one";
  entry.digest = std::string(64, 'b');
  entry.target = "sm_90a";
  entry.types = "x_dtype=bf16";
  entry.entry = "test_gemm";
  entry.created = 1700000000;
  entry.code = std::vector<uint8_t>(code_bytes, static_cast<uint8_t>(digit));
  return entry;
}

inline std::string file_of(const quern::CacheEntry &entry) { return entry.request + "." + entry.nvrtc + ".qkc"; }

// A compiled unit as it lies on disk: a self-describing file, so that the index can be rebuilt from the files alone.
//
//   "QKC1"  u32 format  u32 header bytes  header (JSON)  u64 code bytes  code  SHA-256 of all before
//
// On disk: integers are little-endian; the magic, the format and the header's keys are never reused for something else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct CacheEntry {
  std::string request;  // what was asked for: digest of source, headers, target and options; 64 hex digits
  std::string nvrtc;    // the build that compiled it, "13.0.88-36424714"
  std::string kernel;   // "quern/mxfp4-gemm:mma_sm80"
  std::string digest;   // of the package
  std::string target;   // "sm_90a"
  std::string types;    // "x_dtype=bf16"
  std::string entry;    // the kernel's symbol
  int64_t created = 0;  // seconds since 1970
  int compile_ms = 0;
  int registers = -1;
  int spill_bytes = -1;
  int shared_bytes = -1;
  std::vector<uint8_t> code;  // cubin, or PTX
};

inline constexpr size_t kMaxEntryBytes = 64 << 20;
inline constexpr std::string_view kEntrySuffix = ".qkc";

// "<request>.<nvrtc build>.qkc", by which an entry is found.
std::string entry_file_name(const std::string &request, const std::string &nvrtc);

// Whether it can be such a name, and the build in it, with or without folders before it.
bool is_entry_file_name(std::string_view name);
std::string_view build_in(std::string_view entry_file);
// "jit/ab/<file>", where it lies in a cache.
std::string entry_path(const std::string &file);

std::vector<uint8_t> encode_entry(const CacheEntry &entry);

// Nothing if the bytes are not exactly what encode_entry() wrote. The code keeps their memory.
std::optional<CacheEntry> decode_entry(std::vector<uint8_t> bytes);
// For bytes whose hash was found right by other means: theirs at the end is passed over.
std::optional<CacheEntry> decode_verified_entry(std::vector<uint8_t> bytes);

}  // namespace quern

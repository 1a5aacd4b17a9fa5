// SHA-256 over libcrypto; digests are written as 64 lower-case hex digits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace quern {

using Digest = std::array<uint8_t, 32>;

// The name that git gives a file of these bytes: SHA-1, good against damage alone. "" where libcrypto has none.
std::string git_blob_id(std::span<const uint8_t> bytes);

Digest sha256(std::span<const uint8_t> bytes);
std::string hex(const Digest &digest);
bool is_hex_digest(std::string_view text);

inline std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

// The digest of bytes that arrive in pieces.
class ByteHash {
 public:
  ByteHash();
  ~ByteHash();
  ByteHash(const ByteHash &) = delete;
  ByteHash &operator=(const ByteHash &) = delete;
  void add(std::span<const uint8_t> bytes);
  void restart();
  Digest finish();  // restart() before more is added

 private:
  void *context_;
};

// Hash of several fields. Each is preceded by its length, so that no two lists of fields collide.
class FieldHash {
 public:
  FieldHash();
  ~FieldHash();
  FieldHash(const FieldHash &) = delete;
  FieldHash &operator=(const FieldHash &) = delete;
  void add(std::string_view field);
  void add(uint32_t number);
  Digest finish();

 private:
  void update(const void *data, size_t size);
  void *context_;
};

}  // namespace quern

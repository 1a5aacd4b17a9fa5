// Ed25519: keys, what is signed, and the files that hold signatures. The only user of libcrypto's signing.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

using Signature = std::array<uint8_t, 64>;

class PublicKey {
 public:
  // 64 lower-case hex digits of a point that only its owner can sign for: not of small order, not spelled in a second
  // way. Nothing for any other text.
  static std::optional<PublicKey> parse(std::string_view hex_digits);
  explicit PublicKey(const std::array<uint8_t, 32> &bytes) : bytes_(bytes) {}

  const std::array<uint8_t, 32> &bytes() const { return bytes_; }
  std::string text() const;
  std::string id() const;  // sha256 of the 32 bytes
  friend bool operator==(const PublicKey &, const PublicKey &) = default;

 private:
  std::array<uint8_t, 32> bytes_;
};

class SecretKey {
 public:
  static SecretKey generate();
  static SecretKey from_seed(const std::array<uint8_t, 32> &seed);
  // PKCS#8 PEM, as save() and `openssl genpkey -algorithm ed25519` write it. Throws QUERN_NOT_FOUND,
  // QUERN_INVALID_ARGUMENT; a file that others than its owner may read or write is refused.
  static SecretKey load(const std::filesystem::path &path);

  // A new file that only its owner may read. Throws QUERN_IO_ERROR; never writes over a file.
  void save(const std::filesystem::path &path) const;
  PublicKey public_key() const;
  Signature sign(std::string_view message) const;

 private:
  explicit SecretKey(void *key);
  std::shared_ptr<void> key_;  // EVP_PKEY
};

// Strict: scalars out of range and points spelled in a second way are refused, so nobody can make a second signature
// from a first.
bool verify(const PublicKey &key, std::string_view message, const Signature &signature);

// What a file is signed as: a signature for one role says nothing in another. On disk: never rename.
enum class Role { kRoot, kTimestamp, kSnapshot, kManifest, kSeal };
std::string role_name(Role role);

// "quern-signed-v1\n", the role, "\n", and the file's bytes as they are.
std::string signed_message(Role role, std::string_view file);

// A line of a .sig file.
struct KeySignature {
  std::string key_id;
  Signature signature;
};
inline constexpr size_t kMaxSignatures = 16;
inline constexpr size_t kMaxSignatureBytes = kMaxSignatures * (64 + 1 + 128 + 1);

// 1 to 16 lines "<key id> <128 hex digits>\n" and nothing else; nothing for any other text.
std::optional<std::vector<KeySignature>> parse_signatures(std::string_view file);
std::string write_signatures(const std::vector<KeySignature> &signatures);

// The .sig file of `file`, by each of the keys.
std::string sign_file(Role role, std::string_view file, const std::vector<SecretKey> &keys);

}  // namespace quern

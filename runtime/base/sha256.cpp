#include "runtime/base/sha256.hpp"

#include <openssl/evp.h>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

void check(int ok) {
  if (ok != 1) fail(QUERN_INTERNAL, "libcrypto refused a SHA-256 operation; check the installation of libcrypto");
}

std::string hex_digits(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace

Digest sha256(std::span<const uint8_t> bytes) {
  Digest digest;
  check(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr));
  return digest;
}

std::string git_blob_id(std::span<const uint8_t> bytes) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX *)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (context == nullptr) throw std::bad_alloc();
  const std::string head = "blob " + std::to_string(bytes.size()) + '\0';
  std::array<uint8_t, 20> id{};
  const bool known = EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1 &&
                     EVP_DigestUpdate(context.get(), head.data(), head.size()) == 1 &&
                     EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
                     EVP_DigestFinal_ex(context.get(), id.data(), nullptr) == 1;
  return known ? hex_digits(id) : "";
}

std::string hex(const Digest &digest) { return hex_digits(digest); }

bool is_hex_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

ByteHash::ByteHash() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) throw std::bad_alloc();
  restart();
}

ByteHash::~ByteHash() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX *>(context_)); }

void ByteHash::restart() { check(EVP_DigestInit_ex(static_cast<EVP_MD_CTX *>(context_), EVP_sha256(), nullptr)); }

void ByteHash::add(std::span<const uint8_t> bytes) {
  check(EVP_DigestUpdate(static_cast<EVP_MD_CTX *>(context_), bytes.data(), bytes.size()));
}

Digest ByteHash::finish() {
  Digest digest;
  check(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX *>(context_), digest.data(), nullptr));
  return digest;
}

FieldHash::FieldHash() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) throw std::bad_alloc();
  check(EVP_DigestInit_ex(static_cast<EVP_MD_CTX *>(context_), EVP_sha256(), nullptr));
}

FieldHash::~FieldHash() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX *>(context_)); }

void FieldHash::update(const void *data, size_t size) {
  check(EVP_DigestUpdate(static_cast<EVP_MD_CTX *>(context_), data, size));
}

void FieldHash::add(uint32_t number) {
  const uint8_t bytes[4] = {static_cast<uint8_t>(number), static_cast<uint8_t>(number >> 8),
                            static_cast<uint8_t>(number >> 16), static_cast<uint8_t>(number >> 24)};
  update(bytes, sizeof bytes);
}

void FieldHash::add(std::string_view field) {
  add(static_cast<uint32_t>(field.size()));
  update(field.data(), field.size());
}

Digest FieldHash::finish() {
  Digest digest;
  check(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX *>(context_), digest.data(), nullptr));
  return digest;
}

}  // namespace quern

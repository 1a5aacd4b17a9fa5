#include "registry/fetch/credential.hpp"

#include <cstdint>

#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"

namespace quern {
namespace {

constexpr size_t kMaxSecret = 8192;

std::string base64(std::string_view text) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < text.size(); i += 3) {
    const size_t count = std::min<size_t>(3, text.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(text[i + j]) : 0U);
    for (size_t j = 0; j < 4; ++j) out += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

}  // namespace

Credential make_credential(std::string_view secret, const Url &server, const std::string &what) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = secret.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  secret = secret.substr(begin, secret.find_last_not_of(kSpace) - begin + 1);
  for (const char c : secret) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fail(QUERN_INVALID_ARGUMENT, what, " holds a line break or control character; it is one token, or user:password");
    }
  }
  const bool is_basic = secret.find(':') != std::string_view::npos;
  return {server.origin(),
          is_basic ? "Authorization: Basic " + base64(secret) : "Authorization: Bearer " + std::string(secret)};
}

Credential read_credential(const std::filesystem::path &file, const Url &server) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(file, error);
  const auto secret = error ? std::nullopt : read_text(target, kMaxSecret);
  if (!secret) {
    fail(QUERN_IO_ERROR, "the token file ", file.string(), " cannot be read, or is larger than ", kMaxSecret,
         " bytes; check its path and permissions");
  }
  return make_credential(*secret, server, "the token file " + file.string());
}

}  // namespace quern

#include "registry/format/package_request.hpp"

#include <charconv>

#include "registry/format/package_path.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr std::string_view kDigestPrefix = "sha256:";

}  // namespace

std::string PackageRequest::text() const {
  return digest.empty() ? quern::text(id, "@", version) : quern::text(id, "@", kDigestPrefix, digest);
}

PackageRequest parse_package_request(std::string_view text) {
  const size_t at = text.rfind('@');
  PackageRequest request;
  request.id = text.substr(0, at);
  const std::string_view wanted = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  bool good = is_package_id(request.id);
  if (wanted.starts_with(kDigestPrefix)) {
    request.digest = wanted.substr(kDigestPrefix.size());
    good = good && is_hex_digest(request.digest);
  } else {
    const auto [rest, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), request.version);
    good = good && error == std::errc() && rest == wanted.data() + wanted.size() && request.version >= 1;
  }
  if (!good) {
    fail(QUERN_INVALID_ARGUMENT, "\"", text, "\" names no package; write owner/name@1 or owner/name@sha256:<digest>");
  }
  return request;
}

}  // namespace quern

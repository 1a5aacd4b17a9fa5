#include "registry/fetch/url.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>

#include <arpa/inet.h>

#include "registry/format/plain_text.hpp"
#include "runtime/base/error.hpp"

namespace quern {
namespace {

constexpr size_t kMaxUrl = 8192;  // signed addresses of content networks run to some thousands

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool is_unreserved(char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

[[noreturn]] void refuse(std::string_view url, const char *why) {
  // What follows a question mark may be secret, and what stands before an @ is.
  const bool has_user = url.find('@') != std::string_view::npos;
  fail(QUERN_INVALID_ARGUMENT, "the address ", has_user ? "(hidden)" : plain_text(url.substr(0, url.find('?'))), " ",
       why);
}

int default_port(std::string_view scheme) { return scheme == "https" ? 443 : scheme == "http" ? 80 : 0; }

Reach reach_of_v4(uint32_t address) {
  const auto within = [&](uint32_t network, int bits) { return (address ^ network) >> (32 - bits) == 0; };
  if (within(0x7f000000, 8) || address == 0) return Reach::kLoopback;
  const bool is_private = within(0x0a000000, 8) || within(0xac100000, 12) || within(0xc0a80000, 16) ||
                          within(0xa9fe0000, 16) || within(0x64400000, 10) || within(0, 8);
  return is_private ? Reach::kPrivate : Reach::kPublic;
}

Reach reach_of_v6(const in6_addr &address) {
  const uint8_t *bytes = address.s6_addr;
  if (IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address)) return Reach::kLoopback;
  const uint32_t last = static_cast<uint32_t>(bytes[12]) << 24 | static_cast<uint32_t>(bytes[13]) << 16 |
                        static_cast<uint32_t>(bytes[14]) << 8 | bytes[15];
  if (IN6_IS_ADDR_V4MAPPED(&address) || IN6_IS_ADDR_V4COMPAT(&address)) return reach_of_v4(last);
  const bool is_private = (bytes[0] & 0xfe) == 0xfc || (bytes[0] == 0xfe && (bytes[1] & 0x80) != 0);
  return is_private ? Reach::kPrivate : Reach::kPublic;
}

Reach reach_of(const std::string &host, std::string_view url) {
  if (host.front() == '[') {
    in6_addr v6{};
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6) != 1) refuse(url, "has no valid host");
    return reach_of_v6(v6);
  }
  if (host == "localhost" || host.ends_with(".localhost")) return Reach::kLoopback;
  const std::string last = host.substr(host.rfind('.') + 1);
  const bool looks_numeric =
      std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; }) || last.starts_with("0x");
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return reach_of_v4(ntohl(v4.s_addr));
  if (looks_numeric) refuse(url, "writes an IPv4 address in an unusual way; write four numbers with points between");
  return Reach::kName;
}

// "host[:port]" into its parts.
void read_authority(std::string_view authority, std::string_view url, Url &out) {
  if (authority.find('@') != std::string_view::npos) {
    refuse(url, "holds a user name; put it into the registry's token_file");
  }
  size_t end = authority.find(':');
  if (!authority.empty() && authority.front() == '[') {
    end = authority.find(']');
    if (end == std::string_view::npos) refuse(url, "has no valid host");
    ++end;
  }
  out.host = authority.substr(0, end);
  for (char &c : out.host) {
    if (!is_alnum(c) && c != '-' && c != '.' && c != '_' &&
        (out.host.front() != '[' || (c != ':' && c != '[' && c != ']'))) {
      refuse(url, "has no valid host");
    }
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const bool empty_label =
      out.host.empty() || out.host.front() == '.' || out.host.back() == '.' || out.host.find("..") != std::string::npos;
  if (empty_label || out.host.size() > 255) refuse(url, "has no valid host");
  out.port = default_port(out.scheme);
  if (end < authority.size()) {
    const std::string_view digits = authority.substr(end + 1);
    const bool plain = authority[end] == ':' && !digits.empty() && digits.size() <= 5 &&
                       digits.find_first_not_of("0123456789") == std::string_view::npos;
    out.port = plain ? std::stoi(std::string(digits)) : 0;
    if (out.port < 1 || out.port > 65535) refuse(url, "has no valid port");
  }
  out.reach = reach_of(out.host, url);
}

bool is_escape(std::string_view text, size_t at) {
  return at + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[at + 1])) != 0 &&
         std::isxdigit(static_cast<unsigned char>(text[at + 2])) != 0;
}

// The path on disk that a file URL names; a space in it may be escaped or not.
std::string unescaped(std::string_view path, std::string_view url) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && !is_escape(path, i)) refuse(url, "has a % that escapes nothing; write %25");
    const bool escape = path[i] == '%';
    out += escape ? static_cast<char>(std::stoi(std::string(path.substr(i + 1, 2)), nullptr, 16)) : path[i];
    if (static_cast<unsigned char>(out.back()) < 0x20) refuse(url, "holds a control character");
    if (escape) i += 2;
  }
  return out;
}

void check_path(std::string_view path, std::string_view url) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%') {
      if (!is_escape(path, i)) refuse(url, "has a % that escapes nothing; write %25");
    } else if (!is_unreserved(path[i]) && std::string_view("!$&'()*+,;=:@/?").find(path[i]) == std::string_view::npos) {
      refuse(url, "holds a character that must be escaped, or a fragment");
    }
  }
}

}  // namespace

std::string Url::origin() const {
  return port == default_port(scheme) ? scheme + "://" + host : scheme + "://" + host + ":" + std::to_string(port);
}
std::string Url::text() const { return scheme == "file" ? "file://" + path : origin() + path; }
std::string Url::shown() const { return scheme == "file" ? text() : origin() + path.substr(0, path.find('?')); }

Url parse_url(std::string_view text) {
  if (text.size() > kMaxUrl) refuse(text, "is longer than 8192 bytes");
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) refuse(text, "has no scheme; write https://...");
  Url url;
  url.scheme = text.substr(0, colon);
  for (char &c : url.scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string_view rest = text.substr(colon + 3);
  if (url.scheme == "file") {
    if (rest.empty() || rest.front() != '/') refuse(text, "names no absolute path; write file:///path");
    url.path = unescaped(rest, text);
    return url;
  }
  if (url.scheme != "https" && url.scheme != "http" && url.scheme != "hf") {
    refuse(text, "has an unknown scheme; write https://, file:// or hf://");
  }
  const size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  url.path = rest.substr(slash);
  if (url.path.empty() || url.path.front() != '/') url.path.insert(0, 1, '/');
  check_path(url.path, text);
  if (url.scheme == "hf") {  // no server of its own: hf://owner/name
    url.host = rest.substr(0, slash);
    return url;
  }
  read_authority(rest.substr(0, slash), text, url);
  return url;
}

std::string percent_encoded(std::string_view segment) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : segment) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_unreserved(c)) {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

Url below(const Url &base, std::string_view path) {
  if (base.path.find('?') != std::string::npos && base.scheme != "file") {
    fail(QUERN_INVALID_ARGUMENT, "the address ", base.shown(), " has a query; a registry's base has none");
  }
  Url url = base;
  while (!url.path.empty() && url.path.back() == '/') url.path.pop_back();
  size_t begin = 0;
  for (;;) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment.empty() || segment == "." || segment == ".." || segment.find('\0') != std::string_view::npos) {
      fail(QUERN_INVALID_ARGUMENT, "\"", plain_text(path), "\" is no path in a registry; write names with / between");
    }
    url.path += "/" + (base.scheme == "file" ? std::string(segment) : percent_encoded(segment));
    if (end == path.size()) return url;
    begin = end + 1;
  }
}

bool may_be_asked(const Url &url, bool allow_http) {
  return url.scheme == "https" || (url.scheme == "http" && (allow_http || url.reach == Reach::kLoopback));
}

std::string redirect_refusal(const Url &from, const Url &to, bool allow_http) {
  if (to.scheme != from.scheme) return "redirects from " + from.scheme + " to " + to.scheme;
  if (!may_be_asked(to, allow_http)) return "redirects to plain http";
  const bool is_near = to.reach == Reach::kLoopback || to.reach == Reach::kPrivate;
  if (is_near && from.reach != to.reach) return "redirects to the private address " + to.host;
  return {};
}

}  // namespace quern

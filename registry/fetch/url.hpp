// Addresses of servers: a strict reader, and the rules about which may be asked and which may point to which.
#pragma once

#include <string>
#include <string_view>

namespace quern {

// How far an address reaches, as far as its spelling tells: a name may resolve to anything.
enum class Reach { kName, kLoopback, kPrivate, kPublic };

struct Url {
  std::string scheme;  // http, https, file or hf
  std::string host;    // lower case; an IPv6 address keeps its brackets
  int port = 0;        // of the scheme, if none is written
  std::string path;    // begins with "/", with the query if there is one; of a file URL: the path on disk
  Reach reach = Reach::kName;

  // scheme://host[:port], what a token is bound to.
  std::string origin() const;
  std::string text() const;
  // For messages: without the query, which may hold a signature that grants access.
  std::string shown() const;
};

// Throws QUERN_INVALID_ARGUMENT for what is not plainly a URL of these schemes: a user name, a fragment, a backslash,
// characters that must be escaped, an IPv4 address in disguise (0x7f.1, 2130706433, 127.1).
Url parse_url(std::string_view text);

// The address of `path`, segments with "/" between, below a base without a query. Throws QUERN_INVALID_ARGUMENT for an
// absolute path or one with an empty, "." or ".." segment. What is not plain in a segment is escaped.
Url below(const Url &base, std::string_view path);
// Every byte but letters, digits and "-._~" as %XX, as one segment needs it.
std::string percent_encoded(std::string_view segment);

// https, or http where bytes do not leave the machine or the user has allowed it.
bool may_be_asked(const Url &url, bool allow_http);
// The reason why `from` may not redirect to `to`; "" if it may. A redirect keeps its scheme, and does not lead from
// elsewhere to an address of this machine or its local network.
std::string redirect_refusal(const Url &from, const Url &to, bool allow_http);

}  // namespace quern

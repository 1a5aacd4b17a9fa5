// What proves to a server who asks. It is bound to the server it was made for and goes to no other.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "registry/fetch/url.hpp"

namespace quern {

struct Credential {
  std::string origin;  // scheme://host:port; empty: there is none
  std::string header;  // "Authorization: ..."
};

// A secret with a colon is user:password and is sent as Basic, any other is a token and is sent as Bearer; no token has
// a colon (RFC 6750). White space around it is dropped; an empty one makes no credential. Throws
// QUERN_INVALID_ARGUMENT, naming `what` but not the secret, for one that cannot stand in a header.
Credential make_credential(std::string_view secret, const Url &server, const std::string &what);

// The same from a file, which may be a link, as secrets mounted into a container are. Throws QUERN_IO_ERROR.
Credential read_credential(const std::filesystem::path &file, const Url &server);

}  // namespace quern

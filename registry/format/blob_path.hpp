// Where a blob lies, in a registry and in a cache alike.
#pragma once

#include <string>

namespace quern {

// "blobs/ab/abcd...", by its SHA-256.
inline std::string blob_path(const std::string &sha256) { return "blobs/" + sha256.substr(0, 2) + "/" + sha256; }

}  // namespace quern

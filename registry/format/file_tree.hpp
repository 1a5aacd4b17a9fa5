// Files below a directory that is not trusted: no name leads out of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/directory.hpp"

namespace quern {

// The regular file at `path`, names with "/" between, below `base`. No link below the base is followed, wherever it
// leads; the base itself may be one. Nothing if the file does not exist. Throws QUERN_INVALID_ARGUMENT for a path with
// empty, "." or ".." names, QUERN_CORRUPT for what is larger than `limit`, QUERN_IO_ERROR for all else.
std::optional<std::string> read_below(const std::filesystem::path &base, std::string_view path, size_t limit);

// The files below a folder, "" for all, with their paths, down `depth` folders more; what is there at the end of them
// counts as a file. Follows no link.
std::vector<std::string> list_files(const Directory &directory, const std::string &folder, int depth);

}  // namespace quern

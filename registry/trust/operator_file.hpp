// Files by which the operator of a machine decides: config.json, trust.json. Whoever can write them decides what runs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace quern {

// Nothing if there is no such file. Follows links, as a mounted configuration is often one. Throws QUERN_IO_ERROR if it
// cannot be read or is larger than `limit`, and QUERN_UNTRUSTED if another user owns it or everybody may write it.
std::optional<std::string> read_operator_file(const std::filesystem::path &path, size_t limit);

}  // namespace quern

// A JSON object of strings and integers, read and written without a tree: nlohmann's tree asks for memory while it is
// destroyed, and where there is none that ends the process.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace quern {

using FlatJson = std::map<std::string, std::variant<std::string, int64_t>>;

std::string write_flat_json(const FlatJson &object);

// Nothing where it is not JSON, not one object, or holds a value of another kind.
std::optional<FlatJson> read_flat_json(std::string_view document);

}  // namespace quern

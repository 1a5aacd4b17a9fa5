// What reaches stdout: one text or one JSON object, in one piece, at the end.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace quern::cli {

using Json = nlohmann::ordered_json;

// Throws Failure if stdout cannot take it.
void print(const std::string &text);

// The object with "schema": 1 in front, indented, in valid UTF-8 whatever the names in it.
void print_json(const Json &object);

}  // namespace quern::cli

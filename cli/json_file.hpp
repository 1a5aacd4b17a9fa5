// JSON files that come with a checkpoint: read without trust in their size or depth, written whole.
#pragma once

#include <string>

#include "cli/output.hpp"

namespace quern::cli {

// Throws Failure: one line that names the file.
Json read_json_file(const std::string &path);
void write_json_file(const std::string &path, const Json &json);

}  // namespace quern::cli

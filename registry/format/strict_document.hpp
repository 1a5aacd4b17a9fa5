// JSON files of one object with "schema": 1, read strictly; what is wrong with one becomes an error that names the
// file.
#pragma once

#include <string>
#include <string_view>

#include "registry/format/utc_time.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {

// read(JsonObject &) gives the result. Everything wrong is thrown as `status`, whatever `read` throws it as.
template <typename Read>
auto read_document(std::string_view document, const std::string &what, quern_status status, size_t limit, Read read) {
  std::string where = what + ": ";
  try {
    const Json json = parse_strict(document, "not a document", limit);
    JsonObject root(json, "");
    if (const int64_t schema = root.need_integer("schema", 0, INT32_MAX); schema != 1) {
      fail(status, "schema is ", schema, "; this Quern reads schema 1");
    }
    auto result = read(root);
    root.finish();
    return result;
  } catch (const Error &error) {
    throw Error(status, where + error.what());
  }
}

inline std::string need_digest(JsonObject &object, const std::string &key) {
  std::string digest = object.need_string(key);
  if (!is_hex_digest(digest)) fail(QUERN_BAD_MANIFEST, object.path(key), " is not 64 lower-case hex digits");
  return digest;
}

inline int64_t need_time(JsonObject &object, const std::string &key) {
  const auto time = parse_utc_time(object.need_string(key));
  if (!time) fail(QUERN_BAD_MANIFEST, object.path(key), " is no time such as \"2026-11-22T08:00:00Z\"");
  return *time;
}

}  // namespace quern

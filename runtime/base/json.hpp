// Strict JSON: no duplicate keys, bounded depth and size, integers only, unknown keys refused; every message names the
// path of the field.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "runtime/base/error.hpp"
#include "runtime/base/json_value.hpp"

namespace quern {

inline constexpr size_t kMaxJsonBytes = 256 * 1024;

// Throws QUERN_BAD_MANIFEST with `what` in front.
Json parse_strict(std::string_view document, const std::string &what, size_t limit = kMaxJsonBytes);

// One JSON object, field by field. finish() refuses the keys that nobody asked for, except those that begin with "x-".
class JsonObject {
 public:
  JsonObject(const Json &value, std::string path);

  const Json *find(const std::string &key);
  const Json &need(const std::string &key);
  std::string need_string(const std::string &key);
  std::string string_or(const std::string &key, const std::string &fallback);
  int64_t need_integer(const std::string &key, int64_t least, int64_t most);
  int64_t integer_or(const std::string &key, int64_t fallback, int64_t least, int64_t most);
  bool boolean_or(const std::string &key, bool fallback);
  const Json::Object &members() const { return value_.as<Json::Object>(); }
  const Json::Array &need_array(const std::string &key, size_t least, size_t most);
  void finish() const;

  std::string path(const std::string &key) const { return path_.empty() ? key : path_ + "." + key; }

 private:
  const Json &value_;
  std::string path_;
  std::set<std::string> seen_;
};

// Checks of a value at a path; they throw QUERN_BAD_MANIFEST.
const std::string &as_string(const Json &value, const std::string &path);
int64_t as_integer(const Json &value, const std::string &path, int64_t least, int64_t most);

}  // namespace quern

#include "runtime/base/json.hpp"

#include <vector>

namespace quern {
namespace {

constexpr int kMaxDepth = 32;

}  // namespace

Json parse_strict(std::string_view document, const std::string &what, size_t limit) {
  if (document.size() > limit) {
    fail(QUERN_BAD_MANIFEST, what, ": ", document.size(), " bytes; at most ", limit, " are allowed");
  }
  // The parser would take a zero byte for the end of the document and pass over whatever stands behind it.
  if (document.find('\0') != std::string_view::npos) fail(QUERN_BAD_MANIFEST, what, ": holds a zero byte; remove it");
  std::vector<std::set<std::string>> keys;  // of the objects now open
  const auto watch = [&](int depth, Json::parse_event_t event, Json &parsed) {
    if (depth > kMaxDepth) fail(QUERN_BAD_MANIFEST, what, ": nested deeper than ", kMaxDepth, " levels");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      fail(QUERN_BAD_MANIFEST, what, ": key ", parsed.dump(), " appears twice; remove one");
    }
    return true;
  };
  try {
    return Json::parse(document.begin(), document.end(), watch);
  } catch (const Json::exception &error) {
    fail(QUERN_BAD_MANIFEST, what, ": not JSON: ", error.what());
  }
}

JsonObject::JsonObject(const Json &value, std::string path) : value_(value), path_(std::move(path)) {
  if (!value.is_object()) {
    fail(QUERN_BAD_MANIFEST, path_.empty() ? "the document" : path_, " is not an object; write {...}");
  }
}

const Json *JsonObject::find(const std::string &key) {
  seen_.insert(key);
  const auto found = value_.find(key);
  return found == value_.end() ? nullptr : &*found;
}

const Json &JsonObject::need(const std::string &key) {
  const Json *value = find(key);
  if (value == nullptr) fail(QUERN_BAD_MANIFEST, path(key), " is missing; add it");
  return *value;
}

std::string JsonObject::need_string(const std::string &key) { return as_string(need(key), path(key)); }

std::string JsonObject::string_or(const std::string &key, const std::string &fallback) {
  const Json *value = find(key);
  return value == nullptr ? fallback : as_string(*value, path(key));
}

int64_t JsonObject::need_integer(const std::string &key, int64_t least, int64_t most) {
  return as_integer(need(key), path(key), least, most);
}

int64_t JsonObject::integer_or(const std::string &key, int64_t fallback, int64_t least, int64_t most) {
  const Json *value = find(key);
  return value == nullptr ? fallback : as_integer(*value, path(key), least, most);
}

bool JsonObject::boolean_or(const std::string &key, bool fallback) {
  const Json *value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) fail(QUERN_BAD_MANIFEST, path(key), " is ", value->dump(), "; write true or false");
  return value->get<bool>();
}

const Json &JsonObject::need_array(const std::string &key, size_t least, size_t most) {
  const Json &value = need(key);
  if (!value.is_array() || value.size() < least || value.size() > most) {
    fail(QUERN_BAD_MANIFEST, path(key), " is not a list of ", least, " to ", most, " items");
  }
  return value;
}

void JsonObject::finish() const {
  for (const auto &[key, value] : value_.items()) {
    if (seen_.count(key) == 0 && key.rfind("x-", 0) != 0) {
      fail(QUERN_BAD_MANIFEST, path(key), " is not a known key; remove it, or begin it with x-");
    }
  }
}

std::string as_string(const Json &value, const std::string &path) {
  if (!value.is_string()) fail(QUERN_BAD_MANIFEST, path, " is not a string");
  return value.get<std::string>();
}

int64_t as_integer(const Json &value, const std::string &path, int64_t least, int64_t most) {
  const bool fits = value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX);
  if (!fits || value.get<int64_t>() < least || value.get<int64_t>() > most) {
    fail(QUERN_BAD_MANIFEST, path, " is ", value.dump(), "; write an integer from ", least, " to ", most);
  }
  return value.get<int64_t>();
}

}  // namespace quern

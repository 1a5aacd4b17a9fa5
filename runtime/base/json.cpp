#include "runtime/base/json.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace quern {
namespace {

using Parser = nlohmann::json;

constexpr size_t kMaxDepth = 32;

class TreeBuilder : public nlohmann::json_sax<Parser> {
 public:
  Json root;
  std::string problem;

  bool null() override { return keep(nullptr); }
  bool boolean(bool truth) override { return keep(truth); }
  bool number_integer(int64_t number) override { return keep(number); }
  bool number_unsigned(uint64_t number) override {
    if (number > static_cast<uint64_t>(INT64_MAX)) return keep(Json::Number{std::to_string(number)});
    return keep(static_cast<int64_t>(number));
  }
  bool number_float(double, const std::string &text) override { return keep(Json::Number{text}); }
  bool string(std::string &text) override { return keep(std::move(text)); }
  bool binary(Parser::binary_t &) override { return false; }

  bool start_object(size_t) override { return open(Json::Object()); }
  bool start_array(size_t) override { return open(Json::Array()); }
  bool key(std::string &name) override {
    open_.back().key = std::move(name);
    return true;
  }
  bool end_array() override { return close(); }
  bool end_object() override {
    Json::Object &members = std::get<Json::Object>(open_.back().value);
    std::sort(members.begin(), members.end(), [](const auto &a, const auto &b) { return a.key < b.key; });
    const auto twice =
        std::adjacent_find(members.begin(), members.end(), [](const auto &a, const auto &b) { return a.key == b.key; });
    if (twice == members.end()) return close();
    problem = "key " + Parser(twice->key).dump() + " appears twice; remove one";
    return false;
  }

  bool parse_error(size_t, const std::string &, const nlohmann::detail::exception &error) override {
    problem = text("not JSON: ", error.what());
    return false;
  }

 private:
  struct Container {
    Json::Value value;
    std::string key;  // of the member that comes
  };

  bool open(Json::Value container) {
    if (open_.size() == kMaxDepth) {
      problem = text("nested deeper than ", kMaxDepth, " levels");
      return false;
    }
    open_.push_back({std::move(container), {}});
    return true;
  }
  bool close() {
    Json::Value whole = std::move(open_.back().value);
    open_.pop_back();
    return keep(std::move(whole));
  }
  bool keep(Json::Value value) {
    Json json(std::move(value));
    if (open_.empty()) {
      root = std::move(json);
    } else if (auto *items = std::get_if<Json::Array>(&open_.back().value)) {
      items->push_back(std::move(json));
    } else {
      std::get<Json::Object>(open_.back().value).push_back({std::move(open_.back().key), std::move(json)});
    }
    return true;
  }

  std::vector<Container> open_;
};

}  // namespace

Json parse_strict(std::string_view document, const std::string &what, size_t limit) {
  if (document.size() > limit) {
    fail(QUERN_BAD_MANIFEST, what, ": ", document.size(), " bytes; at most ", limit, " are allowed");
  }
  // The parser would take a zero byte for the end of the document and pass over whatever stands behind it.
  if (document.find('\0') != std::string_view::npos) fail(QUERN_BAD_MANIFEST, what, ": holds a zero byte; remove it");
  TreeBuilder builder;
  if (!Parser::sax_parse(document.begin(), document.end(), &builder)) {
    fail(QUERN_BAD_MANIFEST, what, ": ", builder.problem);
  }
  return std::move(builder.root);
}

JsonObject::JsonObject(const Json &value, std::string path) : value_(value), path_(std::move(path)) {
  if (!value.is<Json::Object>()) {
    fail(QUERN_BAD_MANIFEST, path_.empty() ? "the document" : path_, " is not an object; write {...}");
  }
}

const Json *JsonObject::find(const std::string &key) {
  seen_.insert(key);
  return value_.find(key);
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
  if (!value->is<bool>()) fail(QUERN_BAD_MANIFEST, path(key), " is ", value->dump(), "; write true or false");
  return value->as<bool>();
}

const Json::Array &JsonObject::need_array(const std::string &key, size_t least, size_t most) {
  const Json &value = need(key);
  const auto *items = std::get_if<Json::Array>(&value.value());
  if (items == nullptr || items->size() < least || items->size() > most) {
    fail(QUERN_BAD_MANIFEST, path(key), " is not a list of ", least, " to ", most, " items");
  }
  return *items;
}

void JsonObject::finish() const {
  for (const auto &[key, value] : members()) {
    if (seen_.count(key) == 0 && key.rfind("x-", 0) != 0) {
      fail(QUERN_BAD_MANIFEST, path(key), " is not a known key; remove it, or begin it with x-");
    }
  }
}

const std::string &as_string(const Json &value, const std::string &path) {
  if (!value.is<std::string>()) fail(QUERN_BAD_MANIFEST, path, " is not a string");
  return value.as<std::string>();
}

int64_t as_integer(const Json &value, const std::string &path, int64_t least, int64_t most) {
  const int64_t *number = std::get_if<int64_t>(&value.value());
  if (number == nullptr || *number < least || *number > most) {
    fail(QUERN_BAD_MANIFEST, path, " is ", value.dump(), "; write an integer from ", least, " to ", most);
  }
  return *number;
}

}  // namespace quern

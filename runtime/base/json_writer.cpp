#include "runtime/base/json_writer.hpp"

#include <nlohmann/json.hpp>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

std::string quoted(std::string_view text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception &) {
    fail(QUERN_INVALID_ARGUMENT, "text is not UTF-8 and cannot be written as JSON; correct it");
  }
}

}  // namespace

void JsonWriter::key(std::string_view name) {
  next();
  out_ += quoted(name) + (indent_ == 0 ? ":" : ": ");
  after_key_ = true;
}

void JsonWriter::value(std::string_view text) { scalar(quoted(text)); }

void JsonWriter::value(const std::set<std::string> &items) {
  begin_array();
  for (const std::string &item : items) value(item);
  end_array();
}

void JsonWriter::value(const std::map<std::string, std::string> &members) {
  begin_object();
  for (const auto &[name, held] : members) member(name, held);
  end_object();
}

void JsonWriter::value(const Json &json) {
  if (json.is<Json::Object>()) {
    begin_object();
    for (const auto &[name, held] : json.as<Json::Object>()) member(name, held);
    end_object();
  } else if (json.is<Json::Array>()) {
    begin_array();
    for (const Json &item : json.as<Json::Array>()) value(item);
    end_array();
  } else if (json.is<std::string>()) {
    value(json.as<std::string>());
  } else if (json.is<bool>()) {
    value(json.as<bool>());
  } else if (json.is<int64_t>()) {
    value(json.as<int64_t>());
  } else {
    scalar(json.is<Json::Number>() ? json.as<Json::Number>().text : "null");
  }
}

void JsonWriter::begin(char bracket) {
  next();
  out_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonWriter::end(char bracket) {
  --depth_;
  if (!first_) new_line();
  out_ += bracket;
  first_ = false;
}

void JsonWriter::scalar(std::string_view text) {
  next();
  out_ += text;
}

// Room for a key, or for a value that has none.
void JsonWriter::next() {
  if (!std::exchange(after_key_, false) && depth_ > 0) {
    if (!first_) out_ += ',';
    new_line();
  }
  first_ = false;
}

void JsonWriter::new_line() {
  if (indent_ > 0) out_.append("\n").append(depth_ * indent_, ' ');
}

}  // namespace quern

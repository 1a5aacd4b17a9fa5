// Writes JSON from front to back, without a tree; keys stay in the order they are given.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "runtime/base/json_value.hpp"

namespace quern {

class JsonWriter {
 public:
  explicit JsonWriter(size_t indent = 0) : indent_(indent) {}  // 0: on one line

  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }
  void begin_object(std::string_view name) {
    key(name);
    begin_object();
  }
  void begin_array(std::string_view name) {
    key(name);
    begin_array();
  }

  void key(std::string_view name);
  // Throws QUERN_INVALID_ARGUMENT where text is not UTF-8.
  void value(std::string_view text);
  void value(const char *text) { value(std::string_view(text)); }
  void value(bool truth) { scalar(truth ? "true" : "false"); }
  void value(std::integral auto number) { scalar(std::to_string(number)); }
  void value(const std::set<std::string> &items);
  void value(const std::map<std::string, std::string> &members);
  void value(const Json &json);

  void member(std::string_view name, const auto &held) {
    key(name);
    value(held);
  }

  std::string take() { return std::move(out_); }
  // Of a file that is one object: ends that object and the line.
  std::string finish() {
    end_object();
    return take() + "\n";
  }

 private:
  void begin(char bracket);
  void end(char bracket);
  void scalar(std::string_view text);
  void next();
  void new_line();

  std::string out_;
  size_t indent_;
  size_t depth_ = 0;
  bool first_ = true;  // of its object or list
  bool after_key_ = false;
};

}  // namespace quern

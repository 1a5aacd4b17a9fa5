#include "registry/format/flat_json.hpp"

#include <nlohmann/json.hpp>

namespace quern {
namespace {

using Json = nlohmann::json;

// Every event but those of a flat object ends the reading.
class FlatReader : public nlohmann::json_sax<Json> {
 public:
  FlatJson object;

  bool start_object(size_t) override { return !std::exchange(inside_, true); }
  bool end_object() override { return true; }
  bool key(std::string &name) override {
    key_ = std::move(name);
    return true;
  }
  bool string(std::string &value) override { return keep(std::move(value)); }
  bool number_integer(int64_t value) override { return keep(value); }
  bool number_unsigned(uint64_t value) override {
    return value <= static_cast<uint64_t>(INT64_MAX) && keep(static_cast<int64_t>(value));
  }

  bool null() override { return false; }
  bool boolean(bool) override { return false; }
  bool number_float(double, const std::string &) override { return false; }
  bool binary(Json::binary_t &) override { return false; }
  bool start_array(size_t) override { return false; }
  bool end_array() override { return false; }
  bool parse_error(size_t, const std::string &, const nlohmann::detail::exception &) override { return false; }

 private:
  template <typename Value>
  bool keep(Value value) {
    return inside_ && object.emplace(std::move(key_), std::move(value)).second;
  }

  std::string key_;
  bool inside_ = false;
};

}  // namespace

std::string write_flat_json(const FlatJson &object) {
  std::string out;
  for (const auto &[key, value] : object) {
    out += out.empty() ? "{" : ",";
    out += Json(key).dump() + ":" + std::visit([](const auto &held) { return Json(held).dump(); }, value);
  }
  return out + (out.empty() ? "{}" : "}");
}

std::optional<FlatJson> read_flat_json(std::string_view document) {
  FlatReader reader;
  if (!Json::sax_parse(document.begin(), document.end(), &reader)) return std::nullopt;
  return std::move(reader.object);
}

}  // namespace quern

#include "cli/safetensors_header.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "cli/printable.hpp"

namespace quern::safetensors {
namespace {

using nlohmann::json;

constexpr size_t kMaxRank = 64;  // more than any framework has

// Receives the parser's events and knows at each which values the format allows there. No tree is built, so a header of
// a million opening brackets costs nothing.
class HeaderEvents : public nlohmann::json_sax<json> {
 public:
  explicit HeaderEvents(Header &header) : header_(header) {}

  bool start_object(size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && key_ == "__metadata__") {
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      place_ = Place::kTensor;
      tensor_ = Tensor{key_, Dtype::kU8, {}, 0, 0};
      has_dtype_ = has_shape_ = has_offsets_ = false;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) finish_tensor();
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }

  bool key(string_t &name) override {
    key_ = name;
    if (place_ == Place::kTop && !names_.insert(name).second) refuse("'", printable(name), "' occurs twice");
    if (place_ == Place::kMetadata && header_.metadata.contains(name)) {
      refuse("__metadata__ has '", printable(name), "' twice");
    }
    if (place_ == Place::kTensor && name != "dtype" && name != "shape" && name != "data_offsets") {
      refuse(where(), "unknown key '", printable(name), "'");
    }
    return true;
  }

  bool string(string_t &value) override {
    if (place_ == Place::kMetadata) {
      header_.metadata.emplace(key_, value);
    } else if (place_ == Place::kTensor && key_ == "dtype") {
      once(has_dtype_);
      const auto dtype = find_dtype(value);
      if (!dtype) refuse(where(), "dtype '", printable(value), "' is unknown");
      tensor_.dtype = *dtype;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_array(size_t) override {
    if (place_ == Place::kTensor && key_ == "shape") {
      once(has_shape_);
      place_ = Place::kShape;
    } else if (place_ == Place::kTensor && key_ == "data_offsets") {
      once(has_offsets_);
      place_ = Place::kOffsets;
      offsets_.clear();
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kOffsets) {
      if (offsets_.size() != 2) refuse(where(), "data_offsets has ", offsets_.size(), " numbers, not 2");
      tensor_.begin = offsets_[0];
      tensor_.end = offsets_[1];
    }
    place_ = Place::kTensor;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (value > static_cast<uint64_t>(INT64_MAX)) refuse(where(), "a dimension of ", value, " is too large");
      if (tensor_.shape.size() == kMaxRank) refuse(where(), "more than ", kMaxRank, " dimensions");
      tensor_.shape.push_back(static_cast<int64_t>(value));
    } else if (place_ == Place::kOffsets) {
      if (offsets_.size() == 2) refuse(where(), "data_offsets has more than 2 numbers");
      offsets_.push_back(value);
    } else {
      unexpected("a number");
    }
    return true;
  }

  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t &) override { return unexpected("a number that is no integer"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool null() override { return unexpected("null"); }
  bool binary(binary_t &) override { return unexpected("binary data"); }

  bool parse_error(size_t position, const std::string &, const json::exception &) override {
    refuse("the header is not valid JSON at its byte ", position);
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  template <typename... Parts>
  [[noreturn]] static void refuse(const Parts &...parts) {
    std::string message;
    const auto append = [&](const auto &part) {
      if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>) {
        message += std::to_string(part);
      } else {
        message += part;
      }
    };
    (append(parts), ...);
    throw FormatError(message);
  }

  std::string where() const { return "tensor '" + printable(tensor_.name) + "': "; }

  bool unexpected(const char *what) const {
    if (place_ == Place::kStart) refuse("the header is ", what, ", not an object");
    if (place_ == Place::kMetadata) refuse("__metadata__ holds ", what, " for '", printable(key_), "', not a string");
    if (place_ == Place::kTop) refuse("'", printable(key_), "' is ", what, ", not an object");
    refuse(where(), printable(key_), " holds ", what);
  }

  void once(bool &seen) const {
    if (seen) refuse(where(), printable(key_), " occurs twice");
    seen = true;
  }

  void finish_tensor() {
    if (!has_dtype_) refuse(where(), "dtype is missing");
    if (!has_shape_) refuse(where(), "shape is missing");
    if (!has_offsets_) refuse(where(), "data_offsets is missing");
    header_.tensors.push_back(std::move(tensor_));
  }

  Header &header_;
  Place place_ = Place::kStart;
  std::string key_;
  std::set<std::string> names_;
  Tensor tensor_{};
  std::vector<uint64_t> offsets_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
};

}  // namespace

void parse_header_text(std::string_view text, Header &header) {
  HeaderEvents events(header);
  json::sax_parse(text.begin(), text.end(), &events);
}

}  // namespace quern::safetensors

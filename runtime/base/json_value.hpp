// A JSON value to read from. Destroying or moving one asks for no memory, so that running out of it stays an exception.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace quern {

struct JsonMember;

class Json {
 public:
  // A number that is no int64_t, as it was written.
  struct Number {
    std::string text;
    bool operator==(const Number &) const = default;
  };
  using Array = std::vector<Json>;
  using Object = std::vector<JsonMember>;  // sorted by key
  using Value = std::variant<std::nullptr_t, bool, int64_t, Number, std::string, Array, Object>;

  Json() noexcept;
  explicit Json(Value value) noexcept;
  Json(const Json &);
  Json(Json &&) noexcept;
  Json &operator=(const Json &);
  Json &operator=(Json &&) noexcept;
  ~Json();

  template <typename Kind>
  bool is() const {
    return std::holds_alternative<Kind>(value_);
  }
  bool is_number() const { return is<int64_t>() || is<Number>(); }

  // Throws std::bad_variant_access where it is of another kind.
  template <typename Kind>
  const Kind &as() const & {
    return std::get<Kind>(value_);
  }
  template <typename Kind>
  const Kind &as() && = delete;  // it would outlive its value
  const Value &value() const { return value_; }

  // Of an object; nullptr where there is no such key, or it is no object.
  const Json *find(std::string_view key) const;
  void erase(std::string_view key);
  void merge_patch(const Json &patch);  // RFC 7396

  std::string dump() const;

  friend bool operator==(const Json &, const Json &);

 private:
  Value value_;
};

struct JsonMember {
  std::string key;
  Json value;
  bool operator==(const JsonMember &) const = default;
};

}  // namespace quern

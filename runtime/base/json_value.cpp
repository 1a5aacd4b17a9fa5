#include "runtime/base/json_value.hpp"

#include <algorithm>

#include "runtime/base/json_writer.hpp"

namespace quern {
namespace {

template <typename Members>
auto find_place(Members &members, std::string_view key) {
  return std::lower_bound(members.begin(), members.end(), key, [](const JsonMember &member, std::string_view wanted) {
    return std::string_view(member.key).compare(wanted) < 0;
  });
}

}  // namespace

Json::Json() noexcept = default;
Json::Json(Value value) noexcept : value_(std::move(value)) {}
Json::Json(const Json &) = default;
Json::Json(Json &&) noexcept = default;
Json &Json::operator=(const Json &) = default;
Json &Json::operator=(Json &&) noexcept = default;
Json::~Json() = default;

bool operator==(const Json &a, const Json &b) { return a.value_ == b.value_; }

const Json *Json::find(std::string_view key) const {
  const Object *members = std::get_if<Object>(&value_);
  if (members == nullptr) return nullptr;
  const auto place = find_place(*members, key);
  return place != members->end() && place->key == key ? &place->value : nullptr;
}

void Json::erase(std::string_view key) {
  Object *members = std::get_if<Object>(&value_);
  if (members == nullptr) return;
  const auto place = find_place(*members, key);
  if (place != members->end() && place->key == key) members->erase(place);
}

void Json::merge_patch(const Json &patch) {
  if (!patch.is<Object>()) {
    *this = patch;
    return;
  }
  if (!is<Object>()) value_ = Object();
  Object &members = std::get<Object>(value_);
  for (const auto &[key, value] : patch.as<Object>()) {
    auto place = find_place(members, key);
    const bool known = place != members.end() && place->key == key;
    if (value.is<std::nullptr_t>()) {
      if (known) members.erase(place);
      continue;
    }
    if (!known) place = members.insert(place, JsonMember{key, Json()});
    place->value.merge_patch(value);
  }
}

std::string Json::dump() const {
  JsonWriter writer;
  writer.value(*this);
  return writer.take();
}

}  // namespace quern

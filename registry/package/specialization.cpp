#include "registry/package/specialization.hpp"

#include <algorithm>

#include "runtime/base/json.hpp"

namespace quern {
namespace {

constexpr size_t kMostAlternatives = 16;

bool contains(const std::vector<int64_t> &values, int64_t value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Whether a problem that is accepted and has these values of the options can fit.
bool can_fit(const FieldValues &where, const std::vector<size_t> &options, const Specialization &values,
             const std::vector<Constraint> &accepts) {
  return std::all_of(where.begin(), where.end(), [&](const auto &condition) {
    const auto option = std::find(options.begin(), options.end(), condition.first);
    if (option == options.end()) return contains(accepts[condition.first].one_of, condition.second);
    return values[static_cast<size_t>(option - options.begin())] == condition.second;
  });
}

// A kind's name stands beside those of options, and in capitals it is a macro.
bool is_kind_name(const std::string &name, const Operation &operation) {
  const auto is_small = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), is_small) &&
         operation.find(name) < 0;
}

ProblemKind read_kind(const Json &value, const std::string &path, const Operation &operation,
                      const std::vector<Constraint> &accepts) {
  JsonObject object(value, path);
  ProblemKind kind;
  kind.name = object.need_string("name");
  if (!is_kind_name(kind.name, operation)) {
    fail(QUERN_BAD_MANIFEST, object.path("name"), " is \"", kind.name,
         "\"; write small letters, digits and _, and no field of ", operation.name);
  }
  for (const Json &item : object.need_array("where", 1, kMostAlternatives)) {
    const std::string at = text(object.path("where"), "[", kind.where.size(), "]");
    FieldValues where = read_field_values(item, at, operation);
    if (where.empty()) fail(QUERN_BAD_MANIFEST, at, " has no option, so that all problems would be of the kind");
    for (const auto &[index, wanted] : where) {
      const Field &field = operation.fields[index];
      if (field.kind != FieldKind::kOption) fail(QUERN_BAD_MANIFEST, at, ".", field.name, " is no option");
      if (!contains(accepts[index].one_of, wanted)) {
        fail(QUERN_BAD_MANIFEST, at, ".", field.name, " is ", value_name(field, wanted), ", which accepts refuses");
      }
    }
    kind.where.push_back(std::move(where));
  }
  object.finish();
  return kind;
}

}  // namespace

Field Specialized::field(size_t place, const Operation &operation) const {
  if (place < options.size()) return operation.fields[options[place]];
  return {kinds[place - options.size()].name, FieldKind::kOption, kNoYes};
}

bool Specialized::accepts(size_t place, int64_t value, const std::vector<Constraint> &accepted) const {
  return place >= options.size() || contains(accepted[options[place]].one_of, value);
}

Specialization Specialized::of(const std::array<int64_t, kMaxFields> &problem) const {
  Specialization values;
  for (const size_t option : options) values.push_back(problem[option]);
  for (const ProblemKind &kind : kinds) {
    const bool included = std::any_of(kind.where.begin(), kind.where.end(),
                                      [&](const FieldValues &where) { return fits(where, problem); });
    values.push_back(included ? 1 : 0);
  }
  return values;
}

std::vector<Specialization> Specialized::all(const std::vector<Constraint> &accepts) const {
  std::vector<Specialization> found(1);
  const auto widen = [&](const auto &choices_of) {
    std::vector<Specialization> wider;
    for (const Specialization &values : found) {
      for (const int64_t choice : choices_of(values)) {
        wider.push_back(values);
        wider.back().push_back(choice);
      }
    }
    found = std::move(wider);
  };
  for (const size_t option : options) {
    widen([&](const Specialization &) { return accepts[option].one_of; });
  }
  for (const ProblemKind &kind : kinds) {
    widen([&](const Specialization &values) {
      const bool possible = std::any_of(kind.where.begin(), kind.where.end(), [&](const FieldValues &where) {
        return can_fit(where, options, values, accepts);
      });
      return possible ? std::vector<int64_t>{0, 1} : std::vector<int64_t>{0};
    });
  }
  return found;
}

Specialized read_specialized(JsonObject &variant, const Operation &operation, const std::vector<Constraint> &accepts) {
  Specialized specialized;
  if (variant.find("specialize") == nullptr) return specialized;
  const std::string path = variant.path("specialize");
  const auto refuse_twice = [&](bool known, const std::string &name) {
    if (known) fail(QUERN_BAD_MANIFEST, path, ": \"", name, "\" appears twice");
  };
  for (const Json &item : variant.need_array("specialize", 0, kMaxFields)) {
    if (item.is<Json::Object>()) {
      ProblemKind kind = read_kind(item, text(path, "[", specialized.size(), "]"), operation, accepts);
      refuse_twice(std::any_of(specialized.kinds.begin(), specialized.kinds.end(),
                               [&](const ProblemKind &known) { return known.name == kind.name; }),
                   kind.name);
      specialized.kinds.push_back(std::move(kind));
      continue;
    }
    const std::string &name = as_string(item, path);
    const int index = operation.find(name);
    if (index < 0 || operation.fields[static_cast<size_t>(index)].kind != FieldKind::kOption) {
      fail(QUERN_BAD_MANIFEST, path, ": \"", name, "\" is no option of ", operation.name);
    }
    const auto option = static_cast<size_t>(index);
    refuse_twice(std::find(specialized.options.begin(), specialized.options.end(), option) != specialized.options.end(),
                 name);
    specialized.options.push_back(option);
  }
  return specialized;
}

}  // namespace quern

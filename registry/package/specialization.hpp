// What the source of a variant is compiled anew for: values of the problem's options, and kinds of problems.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "registry/package/constraint.hpp"
#include "registry/package/field_values.hpp"

namespace quern {

class JsonObject;

// Problems for which less code does: those that fit one of `where`.
struct ProblemKind {
  std::string name;
  std::vector<FieldValues> where;
};

// One compile: the value of each option, then for each kind 1, or 0 for code that serves all problems.
using Specialization = std::vector<int64_t>;

struct Specialized {
  std::vector<size_t> options;  // of the operation
  std::vector<ProblemKind> kinds;

  size_t size() const { return options.size() + kinds.size(); }
  // The option at this place of a Specialization; a kind is one that is "no" or "yes".
  Field field(size_t place, const Operation &operation) const;
  bool accepts(size_t place, int64_t value, const std::vector<Constraint> &accepted) const;

  // The compile that serves the problem.
  Specialization of(const std::array<int64_t, kMaxFields> &problem) const;
  // All that problems which are accepted can ask for.
  std::vector<Specialization> all(const std::vector<Constraint> &accepts) const;
};

// "specialize" of a variant. Throws QUERN_BAD_MANIFEST.
Specialized read_specialized(JsonObject &variant, const Operation &operation, const std::vector<Constraint> &accepts);

}  // namespace quern

// kernel.json read into structures. A pure function of its text: no files, no environment; it is fuzzed.
#pragma once

#include <array>
#include <climits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/package/constraint.hpp"
#include "registry/package/expression.hpp"
#include "registry/package/measurement.hpp"
#include "registry/package/operation.hpp"
#include "registry/package/specialization.hpp"
#include "registry/package/target.hpp"

namespace quern {

// A TMA descriptor that the kernel takes after its parameter block.
struct TensorMapRequest {
  size_t operand;                           // of the operation
  std::array<uint32_t, kTensorRank> box{};  // elements, the innermost first
  uint32_t swizzle = 0;                     // bytes: 0, 32, 64 or 128
};

struct Launch {
  std::array<Expression, 3> grid;
  std::array<uint32_t, 3> block{1, 1, 1};
  std::array<uint32_t, 3> cluster{1, 1, 1};
  Expression shared_bytes;
  bool dependent = false;  // reads nothing but weights before griddepcontrol.wait, so it may start early
  std::vector<TensorMapRequest> tensor_maps;
};

struct Variant {
  std::string name;
  std::string unit;   // the source file
  std::string entry;  // an extern "C" kernel
  int least_capability = 75;
  int most_capability = INT_MAX;
  std::vector<Target> archs;  // if not empty: exactly these, and the range is theirs
  int priority = 0;
  std::vector<Constraint> accepts;  // one for each field of the operation, in its order
  Specialized specialize;
  std::vector<std::pair<std::string, int64_t>> defines;
  Launch launch;
  Expression workspace_bytes;
  std::optional<Expression> cost;  // of a run, in nanoseconds: the least serves, of equal priorities

  std::string archs_text() const;  // "7.5 and up", "sm_90a"
};

struct ManifestFile {
  std::string path;
  std::string sha256;  // "" if the manifest does not say
  int64_t size = -1;   // bytes; -1 if the manifest does not say
};

struct Manifest {
  std::string id;
  int version = 0;
  int build = 0;
  std::string summary;
  const Operation *operation = nullptr;
  std::vector<ManifestFile> files;
  std::vector<Variant> variants;
  std::vector<Measurement> measured;
  std::string text;
};

// Slots that launch expressions are evaluated over: the fields of the problem, then the SM count.
inline constexpr size_t kSlots = kMaxFields + 1;
inline constexpr size_t kSmCountSlot = kMaxFields;

// Throws QUERN_BAD_MANIFEST; `what` names the file in messages.
Manifest parse_manifest(std::string_view document, const std::string &what);

}  // namespace quern

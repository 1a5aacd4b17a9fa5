#include "registry/package/manifest.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "registry/format/package_path.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr int64_t kLargest = INT64_C(1) << 40;

bool is_identifier(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= 128 && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

std::vector<ManifestFile> read_files(JsonObject &root) {
  std::vector<ManifestFile> files;
  PackagePaths paths;
  for (const Json &item : root.need_array("files", 1, kMaxPackageFiles)) {
    const std::string path = text("files[", files.size(), "]");
    ManifestFile file;
    if (item.is<std::string>()) {
      file.path = item.as<std::string>();
    } else {
      JsonObject object(item, path);
      file.path = object.need_string("path");
      file.sha256 = object.string_or("sha256", "");
      file.size = object.integer_or("size", -1, 0, kMaxPackageFileBytes);
      object.finish();
      if (!file.sha256.empty() && !is_hex_digest(file.sha256)) {
        fail(QUERN_BAD_MANIFEST, path, ".sha256 is not 64 lower-case hex digits");
      }
      if (file.size >= 0 && file.sha256.empty()) {
        fail(QUERN_BAD_MANIFEST, path, ".size stands without sha256; give both, or neither");
      }
    }
    if (const std::string problem = paths.add(file.path); !problem.empty()) {
      fail(QUERN_BAD_MANIFEST, path, problem);
    }
    files.push_back(std::move(file));
  }
  return files;
}

Constraint read_constraint(const Json &value, const Field &field, size_t index, bool is_run_size,
                           const std::string &path) {
  Constraint constraint;
  constraint.field = index;
  if (field.kind == FieldKind::kOption) {
    const auto *names = std::get_if<Json::Array>(&value.value());
    if (names == nullptr || names->empty()) fail(QUERN_BAD_MANIFEST, path, " is not a list of names");
    for (const Json &item : *names) {
      const std::string &name = as_string(item, path);
      const auto known = std::find_if(field.values.begin(), field.values.end(),
                                      [&](const FieldValue &candidate) { return candidate.name == name; });
      if (known == field.values.end()) fail(QUERN_BAD_MANIFEST, path, ": \"", name, "\" is no value of ", field.name);
      constraint.one_of.push_back(known->value);
    }
    return constraint;
  }
  JsonObject object(value, path);
  constraint.least = object.integer_or("min", 0, 0, kLargest);
  constraint.most = object.integer_or("max", INT64_MAX, 0, INT64_MAX);
  constraint.multiple_of = object.integer_or("multiple_of", 1, 1, kLargest);
  object.finish();
  if (constraint.least > constraint.most) fail(QUERN_BAD_MANIFEST, path, ".min is above max");
  if (is_run_size && constraint.multiple_of != 1) {
    fail(QUERN_BAD_MANIFEST, path, ".multiple_of is not for ", field.name,
         ", which changes from run to run; use min and max");
  }
  return constraint;
}

// One constraint for each field: as written, or that the kernel knows nothing of it.
std::vector<Constraint> read_accepts(JsonObject &object, const Operation &operation) {
  const std::string path = object.path("accepts");
  JsonObject accepts(object.need("accepts"), path);
  std::vector<Constraint> constraints;
  for (size_t i = 0; i < operation.fields.size(); ++i) {
    const Field &field = operation.fields[i];
    const std::string name(field.name);
    const Json *value = accepts.find(name);
    if (value != nullptr) {
      constraints.push_back(read_constraint(*value, field, i, i == operation.run_size, path + "." + name));
    } else {
      Constraint open;
      open.field = i;
      if (field.kind == FieldKind::kOption) open.one_of = {0};
      constraints.push_back(open);
    }
  }
  accepts.finish();
  return constraints;
}

std::vector<std::pair<std::string, int64_t>> read_numbers(JsonObject &object, const char *key) {
  std::vector<std::pair<std::string, int64_t>> defines;
  const Json *value = object.find(key);
  if (value == nullptr) return defines;
  const JsonObject checked(*value, object.path(key));
  for (const auto &[name, item] : checked.members()) {
    const std::string path = checked.path(name);
    if (!is_identifier(name) || name.rfind("QUERN_", 0) == 0 || name.rfind("__", 0) == 0) {
      fail(QUERN_BAD_MANIFEST, path, ": write an identifier that does not begin with QUERN_ or __");
    }
    defines.emplace_back(name, as_integer(item, path, -kLargest, kLargest));
  }
  if (defines.size() > 64) fail(QUERN_BAD_MANIFEST, object.path(key), " has more than 64 names");
  return defines;
}

std::array<uint32_t, 3> read_dimensions(const Json &value, const std::string &path, int64_t most_threads) {
  const auto *sizes = std::get_if<Json::Array>(&value.value());
  if (sizes == nullptr || sizes->size() != 3) fail(QUERN_BAD_MANIFEST, path, " is not a list of 3 integers");
  std::array<uint32_t, 3> dimensions{};
  int64_t product = 1;
  for (size_t i = 0; i < 3; ++i) {
    dimensions[i] = static_cast<uint32_t>(as_integer((*sizes)[i], text(path, "[", i, "]"), 1, most_threads));
    product *= dimensions[i];
  }
  if (product > most_threads) fail(QUERN_BAD_MANIFEST, path, " has the product ", product, "; at most ", most_threads);
  return dimensions;
}

// A number that no run changes: an expression over defines alone.
int64_t read_constant(const Json &value, const std::string &path, const Variant &variant) {
  const auto resolve = [&](std::string_view name) -> std::optional<Expression::Meaning> {
    for (const auto &[define, number] : variant.defines) {
      if (define == name) return Expression::Meaning{false, number};
    }
    return std::nullopt;
  };
  return Expression::parse(value, path, resolve).evaluate({});
}

std::vector<TensorMapRequest> read_tensor_maps(JsonObject &launch, const Variant &variant, const Operation &operation) {
  std::vector<TensorMapRequest> maps;
  if (launch.find("tensor_maps") == nullptr) return maps;
  for (const Json &item : launch.need_array("tensor_maps", 1, kMaxTensorMaps)) {
    const std::string path = text(launch.path("tensor_maps"), "[", maps.size(), "]");
    JsonObject object(item, path);
    TensorMapRequest map;
    const std::string operand = object.need_string("operand");
    const int index = operation.find_operand(operand);
    if (index < 0) {
      fail(QUERN_BAD_MANIFEST, path, ".operand is \"", operand, "\", which ", operation.name, " has no tensor for");
    }
    map.operand = static_cast<size_t>(index);
    const TensorOperand &tensor = operation.operands[map.operand];
    const Json::Array &box = object.need_array("box", kTensorRank, kTensorRank);
    for (size_t i = 0; i < box.size(); ++i) {
      const int64_t size = read_constant(box[i], text(path, ".box[", i, "]"), variant);
      if (size < 1 || size > 256) fail(QUERN_BAD_MANIFEST, path, ".box[", i, "] is ", size, "; it must be 1 to 256");
      map.box[i] = static_cast<uint32_t>(size);
    }
    const int64_t swizzle = object.integer_or("swizzle", 0, 0, 128);
    if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128) {
      fail(QUERN_BAD_MANIFEST, path, ".swizzle is ", swizzle, "; it must be 0, 32, 64 or 128");
    }
    const int64_t row = int64_t{map.box[0]} * tensor.element_bytes;
    if (row % 16 != 0 || (swizzle != 0 && row > swizzle)) {
      fail(QUERN_BAD_MANIFEST, path, ".box[0] has ", row, " bytes; TMA needs a multiple of 16 and at most the swizzle");
    }
    map.swizzle = static_cast<uint32_t>(swizzle);
    object.finish();
    maps.push_back(map);
  }
  return maps;
}

Launch read_launch(JsonObject &object, const Expression::Resolver &resolve, const Variant &variant,
                   const Operation &operation) {
  Launch launch;
  JsonObject fields(object.need("launch"), object.path("launch"));
  const Json::Array &grid = fields.need_array("grid", 3, 3);
  for (size_t i = 0; i < 3; ++i) {
    launch.grid[i] = Expression::parse(grid[i], text(fields.path("grid"), "[", i, "]"), resolve);
  }
  launch.block = read_dimensions(fields.need("block"), fields.path("block"), 1024);
  if (const Json *cluster = fields.find("cluster")) {
    launch.cluster = read_dimensions(*cluster, fields.path("cluster"), 16);
  }
  const Json *shared = fields.find("shared_bytes");
  launch.shared_bytes =
      shared == nullptr ? Expression::constant(0) : Expression::parse(*shared, fields.path("shared_bytes"), resolve);
  launch.dependent = fields.boolean_or("dependent", false);
  launch.tensor_maps = read_tensor_maps(fields, variant, operation);
  fields.finish();
  return launch;
}

void read_archs(JsonObject &object, Variant &variant) {
  const Json *range = object.find("capability");
  const Json *archs = object.find("archs");
  if ((range == nullptr) == (archs == nullptr)) {
    fail(QUERN_BAD_MANIFEST, object.path("capability"),
         ": give either capability {\"min\": \"8.0\"} or archs [\"sm_90a\"]");
  }
  if (range != nullptr) {
    JsonObject fields(*range, object.path("capability"));
    variant.least_capability = parse_capability(fields.need_string("min"), fields.path("min"));
    const std::string most = fields.string_or("max", "");
    if (!most.empty()) variant.most_capability = parse_capability(most, fields.path("max"));
    fields.finish();
    if (variant.least_capability > variant.most_capability) {
      fail(QUERN_BAD_MANIFEST, object.path("capability"), ".min is above max");
    }
    return;
  }
  for (const Json &item : object.need_array("archs", 1, 32)) {
    try {
      variant.archs.push_back(parse_target(as_string(item, object.path("archs"))));
    } catch (const Error &error) {
      fail(QUERN_BAD_MANIFEST, object.path("archs"), ": ", error.what());
    }
    if (variant.archs.back().ptx) fail(QUERN_BAD_MANIFEST, object.path("archs"), ": write sm_, not compute_");
  }
  const auto [least, most] = std::minmax_element(variant.archs.begin(), variant.archs.end());
  variant.least_capability = least->capability;
  variant.most_capability = most->capability;
}

Variant read_variant(const Json &value, const std::string &path, const Manifest &manifest) {
  const Operation &operation = *manifest.operation;
  JsonObject object(value, path);
  Variant variant;
  variant.name = object.need_string("name");
  if (!is_identifier(variant.name)) fail(QUERN_BAD_MANIFEST, object.path("name"), " is not an identifier");
  variant.unit = object.need_string("unit");
  if (std::none_of(manifest.files.begin(), manifest.files.end(),
                   [&](const ManifestFile &file) { return file.path == variant.unit; })) {
    fail(QUERN_BAD_MANIFEST, object.path("unit"), ": ", variant.unit, " is not among files; list it");
  }
  variant.entry = object.need_string("entry");
  if (!is_identifier(variant.entry)) fail(QUERN_BAD_MANIFEST, object.path("entry"), " is not an identifier");
  read_archs(object, variant);
  variant.defines = read_numbers(object, "defines");
  if (operation.is_hosts_own()) {
    object.finish();
    return variant;
  }
  variant.priority = static_cast<int>(object.integer_or("priority", 0, -1000000, 1000000));
  variant.accepts = read_accepts(object, operation);
  variant.specialize = read_specialized(object, operation, variant.accepts);
  const auto constants = read_numbers(object, "constants");
  for (const auto &[name, number] : constants) {
    const auto same = [&, &wanted = name](const auto &define) { return define.first == wanted; };
    if (std::any_of(variant.defines.begin(), variant.defines.end(), same)) {
      fail(QUERN_BAD_MANIFEST, object.path("constants"), ".", name, " is a define too; remove one");
    }
  }

  std::map<std::string, Expression, std::less<>> terms;
  const auto resolve = [&](std::string_view name) -> std::optional<Expression::Meaning> {
    if (name == "sm_count") return Expression::Meaning{true, kSmCountSlot};
    if (const int field = operation.find(name); field >= 0) return Expression::Meaning{true, field};
    for (const auto &[define, number] : variant.defines) {
      if (define == name) return Expression::Meaning{false, number};
    }
    for (const auto &[constant, number] : constants) {
      if (constant == name) return Expression::Meaning{false, number};
    }
    if (const auto term = terms.find(name); term != terms.end()) return Expression::Meaning{false, 0, &term->second};
    return std::nullopt;
  };
  if (object.find("terms") != nullptr) {
    for (const Json &term : object.need_array("terms", 1, 32)) {
      const std::string at = text(object.path("terms"), "[", terms.size(), "]");
      const auto *pair = std::get_if<Json::Array>(&term.value());
      if (pair == nullptr || pair->size() != 2) fail(QUERN_BAD_MANIFEST, at, " is not [name, expression]");
      const std::string &name = as_string((*pair)[0], at);
      if (!is_identifier(name) || resolve(name)) {
        fail(QUERN_BAD_MANIFEST, at, ": \"", name, "\" is no identifier, or already has a meaning");
      }
      terms.emplace(name, Expression::parse((*pair)[1], at, resolve));
    }
  }
  variant.launch = read_launch(object, resolve, variant, operation);
  const Json *workspace = object.find("workspace_bytes");
  variant.workspace_bytes = workspace == nullptr
                                ? Expression::constant(0)
                                : Expression::parse(*workspace, object.path("workspace_bytes"), resolve);
  if (const Json *cost = object.find("cost")) variant.cost = Expression::parse(*cost, object.path("cost"), resolve);
  object.finish();
  return variant;
}

// A variant as it is written may stand for several: each of its `instances` is the variant with some members replaced
// (RFC 7396, JSON merge patch).
std::vector<Json> expand_variant(const Json &value, const std::string &path) {
  const Json *instances = value.find("instances");
  if (instances == nullptr) return {value};
  Json shared = value;
  shared.erase("instances");
  const auto *list = std::get_if<Json::Array>(&instances->value());
  if (list == nullptr || list->empty()) fail(QUERN_BAD_MANIFEST, path, ".instances is not a list of objects");
  std::vector<Json> expanded;
  for (const Json &instance : *list) {
    if (!instance.is<Json::Object>()) fail(QUERN_BAD_MANIFEST, path, ".instances is not a list of objects");
    expanded.push_back(shared);
    expanded.back().merge_patch(instance);
  }
  return expanded;
}

// Shapes for self-tests: objects of sizes. Their use is the caller's; here they are only checked.
void check_test(const Json *test, const Operation &operation) {
  if (test == nullptr) return;
  JsonObject object(*test, "test");
  size_t index = 0;
  for (const Json &shape : object.need_array("shapes", 0, 64)) {
    const std::string path = text("test.shapes[", index++, "]");
    JsonObject sizes(shape, path);
    for (const Field &field : operation.fields) {
      if (field.kind == FieldKind::kSize) sizes.need_integer(std::string(field.name), 1, kLargest);
    }
    sizes.finish();
  }
  object.finish();
}

}  // namespace

std::string Variant::archs_text() const {
  if (archs.empty()) {
    return capability_name(least_capability) +
           (most_capability == INT_MAX ? " and up" : " to " + capability_name(most_capability));
  }
  std::string names;
  for (const Target &target : archs) names += (names.empty() ? "" : ", ") + target.name();
  return names;
}

Manifest parse_manifest(std::string_view document, const std::string &what) {
  const Json json = parse_strict(document, what);
  try {
    JsonObject root(json, "");
    Manifest manifest;
    manifest.text = document;
    if (const int64_t schema = root.need_integer("schema", 1, INT32_MAX); schema != 1) {
      fail(QUERN_BAD_MANIFEST, "schema is ", schema, "; this Quern reads schema 1");
    }
    manifest.id = root.need_string("id");
    if (!is_package_id(manifest.id)) fail(QUERN_BAD_MANIFEST, "id is \"", manifest.id, "\"; write owner/name");
    manifest.version = static_cast<int>(root.need_integer("version", 1, INT32_MAX));
    manifest.build = static_cast<int>(root.integer_or("build", 1, 1, INT32_MAX));
    manifest.summary = root.string_or("summary", "");
    root.string_or("license", "");
    root.string_or("upstream", "");
    const std::string operation = root.need_string("operation");
    manifest.operation = find_operation(operation);
    if (manifest.operation == nullptr) fail(QUERN_BAD_MANIFEST, "operation is \"", operation, "\", which is not known");
    if (const int64_t params = root.need_integer("params", 1, INT32_MAX);
        params != manifest.operation->params_version) {
      fail(QUERN_BAD_MANIFEST, "params is ", params, "; this Quern passes version ", manifest.operation->params_version,
           " of ", operation);
    }
    manifest.files = read_files(root);
    std::set<std::string> names;
    size_t index = 0;
    for (const Json &item : root.need_array("variants", 1, 256)) {
      const std::string path = text("variants[", index++, "]");
      for (const Json &variant : expand_variant(item, path)) {
        manifest.variants.push_back(read_variant(variant, path, manifest));
        if (!names.insert(manifest.variants.back().name).second) {
          fail(QUERN_BAD_MANIFEST, "variant ", manifest.variants.back().name, " appears twice");
        }
      }
    }
    if (manifest.variants.size() > 256) fail(QUERN_BAD_MANIFEST, "variants has more than 256 with all instances");
    if (root.find("measured") != nullptr) {
      for (const Json &item : root.need_array("measured", 0, 1024)) {
        const std::string path = text("measured[", manifest.measured.size(), "]");
        manifest.measured.push_back(read_measurement(item, path, *manifest.operation, manifest.id));
        for (const MeasuredStep &step : manifest.measured.back().steps) {
          const size_t colon = step.kernel.find(':');
          if (step.kernel.substr(0, colon) == manifest.id && names.count(step.kernel.substr(colon + 1)) == 0) {
            fail(QUERN_BAD_MANIFEST, path, ".steps names ", step.kernel, ", and no variant is called so");
          }
        }
      }
    }
    check_test(root.find("test"), *manifest.operation);
    root.finish();
    return manifest;
  } catch (const Error &error) {
    throw Error(error.status(), what + ": " + error.what());
  }
}

}  // namespace quern

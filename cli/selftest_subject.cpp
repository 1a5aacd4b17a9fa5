#include "cli/selftest_subject.hpp"

#include <algorithm>

#include "cli/output.hpp"

namespace quern::cli {
namespace {

// Manifests have been checked by the hub; what is not as expected here is simply not there.
int64_t number(const Json &object, const char *key, int64_t otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : otherwise;
}

Json member(const Json &object, const char *key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : Json::object();
}

std::vector<TestShape> read_shapes(const Json &manifest, const char *size) {
  std::vector<TestShape> shapes;
  const Json test = member(manifest, "test");
  const auto listed = test.find("shapes");
  if (listed == test.end() || !listed->is_array()) return shapes;
  for (const Json &shape : *listed) {
    if (!shape.is_object()) continue;
    const TestShape read{number(shape, size, 0), number(shape, "n", 1), number(shape, "k", 0)};
    if (read.size > 0 && read.n > 0 && read.k > 0) shapes.push_back(read);
  }
  return shapes;
}

// "7.5" to "compute_75", "sm_90a" to "compute_90a": the least that the variant claims.
std::string least_target(const Json &variant) {
  const auto archs = variant.find("archs");
  if (archs != variant.end() && archs->is_array() && !archs->empty() && archs->front().is_string()) {
    const auto first = archs->front().get<std::string>();
    return first.starts_with("sm_") ? "compute_" + first.substr(3) : "";
  }
  const Json capability = member(variant, "capability");
  std::string least = capability.value("min", "");
  least.erase(std::remove(least.begin(), least.end(), '.'), least.end());
  return least.empty() ? "" : "compute_" + least;
}

Json find_variant(const Json &manifest, const std::string &name) {
  const auto variants = manifest.find("variants");
  if (variants == manifest.end() || !variants->is_array()) return Json::object();
  for (const Json &variant : *variants) {
    if (!variant.is_object()) continue;
    if (variant.value("name", "") == name) return variant;
    const auto instances = variant.find("instances");
    if (instances == variant.end() || !instances->is_array()) continue;
    for (const Json &instance : *instances) {
      if (!instance.is_object() || instance.value("name", "") != name) continue;
      Json whole = variant;
      whole.merge_patch(instance);
      return whole;
    }
  }
  return Json::object();
}

// Whether a variant lists this value of an option.
bool lists(const Json &accepts, const char *option, const char *value) {
  const auto found = accepts.find(option);
  return found != accepts.end() && found->is_array() && std::find(found->begin(), found->end(), value) != found->end();
}

// For the device itself and for the least that the kernel claims.
void add_both(Subject subject, const std::string &least, std::vector<Subject> &subjects) {
  subjects.push_back(subject);
  subject.target = least;
  if (!least.empty()) subjects.push_back(std::move(subject));
}

void add_subjects(const quern_kernel_info &info, std::vector<Subject> &subjects) {
  const Json manifest = Json::parse(info.manifest, nullptr, false);
  if (!manifest.is_object()) return;
  const Json variant = find_variant(manifest, info.variant);
  const char *size = std::string(info.operation) == "gemm" ? "m" : "rows";
  const Json accepted = member(member(variant, "accepts"), size);

  Subject subject;
  subject.operation = info.operation;
  subject.kernel = std::string(info.package) + ":" + info.variant;
  subject.least = std::max<int64_t>(1, number(accepted, "min", 1));
  subject.most = number(accepted, "max", INT64_MAX);
  subject.force = subject.kernel;
  subject.shapes = read_shapes(manifest, size);
  const Json accepts = member(variant, "accepts");
  subject.batch_invariant = lists(accepts, "batch_invariant", "yes");
  // A kernel takes canonical weights alone unless it says otherwise. One of E4M3 X is a subject of its own.
  const bool halves = lists(accepts, "layout", "mma16_bf16") || lists(accepts, "layout", "mma16_f16");
  const bool fp8 = lists(accepts, "layout", "mma16_e5m2");
  subject.packed = (halves || fp8) && !lists(accepts, "layout", "canonical");
  if (halves || !fp8) add_both(subject, least_target(variant), subjects);
  if (!fp8) return;
  subject.packed = true;
  const auto said = accepts.find("accumulation");
  if (said == accepts.end() || lists(accepts, "accumulation", "promoted")) {
    subject.accumulations.push_back(QUERN_ACCUMULATION_PROMOTED);
  }
  if (lists(accepts, "accumulation", "fast")) subject.accumulations.push_back(QUERN_ACCUMULATION_FAST);
  add_both(subject, least_target(variant), subjects);
}

}  // namespace

std::vector<int64_t> Subject::clip(std::vector<int64_t> wanted) const {
  constexpr int64_t kLargestLimit = 512;  // a limit above costs more to test than it tells
  wanted.push_back(least);
  if (most <= kLargestLimit) wanted.push_back(most);
  std::erase_if(wanted, [&](int64_t size) { return size < least || size > most; });
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  return wanted;
}

std::vector<Subject> find_subjects(const host::Hub &hub, const host::Device &device, const std::string &filter) {
  std::vector<Subject> subjects;
  if (device.info().kind == QUERN_DEVICE_CPU) {
    if (!filter.empty() && filter != "cpu") return subjects;
    for (const char *operation : {"dequantize", "gemm"}) {
      subjects.push_back({operation, "cpu", "", "", 1, INT64_MAX, {}, false, true});
    }
    subjects.push_back({"gemm", "cpu", "", "", 1, INT64_MAX, {}, true, true});
    subjects.push_back({"gemm", "cpu", "", "", 1, INT64_MAX, {}, true, true, {QUERN_ACCUMULATION_PROMOTED}});
    subjects.push_back({"quantize", "cpu", "", "", 1, INT64_MAX, {}, false, true});
    return subjects;
  }
  hub.visit_kernels([&](const quern_kernel_info &info) {
    if (*info.refused) return;
    const std::string kernel = std::string(info.package) + ":" + info.variant;
    const std::string operation = info.operation;
    if (operation != "gemm" && operation != "dequantize" && operation != "quantize") return;
    if (filter.empty() || filter == info.package || filter == kernel) add_subjects(info, subjects);
  });
  std::stable_sort(subjects.begin(), subjects.end(),
                   [](const Subject &a, const Subject &b) { return a.operation < b.operation; });
  return subjects;
}

}  // namespace quern::cli

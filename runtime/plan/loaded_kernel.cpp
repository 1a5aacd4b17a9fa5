#include "runtime/plan/loaded_kernel.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"
#include "runtime/base/split.hpp"
#include "runtime/cuda/code_image.hpp"
#include "runtime/cuda/launch_attributes.hpp"

namespace quern {
namespace {

struct Found {
  std::shared_ptr<const Package> package;
  const Variant *variant;
};

Found find_variant(const Catalog &catalog, const std::string &name) {
  const size_t colon = name.find(':');
  const std::string id = name.substr(0, colon);
  for (const auto &package : catalog.packages()) {
    if (package->manifest.id != id) continue;
    const std::vector<Variant> &variants = package->manifest.variants;
    if (colon == std::string::npos) {
      if (variants.size() > 1) {
        fail(QUERN_INVALID_ARGUMENT, id, " has ", variants.size(), " variants; name one, as in ", id, ":",
             variants.front().name);
      }
      return {package, &variants.front()};
    }
    const auto found = std::find_if(variants.begin(), variants.end(),
                                    [&](const Variant &variant) { return variant.name == name.substr(colon + 1); });
    if (found == variants.end()) {
      fail(QUERN_NOT_FOUND, id, " has no variant ", name.substr(colon + 1), "; quern kernels show ", id, " lists them");
    }
    return {package, &*found};
  }
  fail(QUERN_NOT_FOUND, "no kernel package is called ", id, "; quern kernels list shows all");
}

// Every option that the variant is specialised for needs a value that it accepts.
Specialization read_options(const std::string &options, const Operation &operation, const Variant &variant) {
  const Specialized &specialized = variant.specialize;
  constexpr int64_t kNotGiven = -1;
  Specialization values(specialized.size(), kNotGiven);
  std::vector<std::string> items = split(options, ',');
  if (items.back().empty()) items.pop_back();  // of no options, or behind the last comma
  for (const std::string &item : items) {
    const size_t equals = std::min(item.find('='), item.size());
    size_t place = 0;
    while (place < values.size() && specialized.field(place, operation).name != item.substr(0, equals)) ++place;
    if (place == values.size()) {
      fail(QUERN_INVALID_ARGUMENT, "options: \"", item, "\" is no option that the kernel is compiled for");
    }
    const auto names = specialized.field(place, operation).values;
    const auto value = std::find_if(names.begin(), names.end(), [&](const FieldValue &known) {
      return equals < item.size() && known.name == item.substr(equals + 1);
    });
    if (value == names.end() || !specialized.accepts(place, value->value, variant.accepts)) {
      fail(QUERN_INVALID_ARGUMENT, "options: \"", item, "\" is no value that the kernel accepts");
    }
    values[place] = value->value;
  }
  for (size_t place = 0; place < values.size(); ++place) {
    if (values[place] == kNotGiven) {
      fail(QUERN_INVALID_ARGUMENT, "options lacks ", specialized.field(place, operation).name,
           ", for which the kernel is compiled; name its value");
    }
  }
  return values;
}

std::array<uint32_t, 3> dimensions(const uint32_t (&given)[3]) {
  return {std::max(1u, given[0]), std::max(1u, given[1]), std::max(1u, given[2])};
}

}  // namespace

LoadedKernel::LoadedKernel(std::shared_ptr<Device> device, const std::string &name, const std::string &options,
                           const std::string &target, size_t shared_bytes)
    : device_(std::move(device)), shared_bytes_(shared_bytes) {
  if (device_->kind() == QUERN_DEVICE_CPU) {
    fail(QUERN_UNSUPPORTED, "kernels of packages run on CUDA devices; open cuda:N");
  }
  if (static_cast<int64_t>(shared_bytes) > device_->facts().shared_memory) {
    fail(QUERN_UNSUPPORTED, "shared_bytes is ", shared_bytes, "; a block of ", device_->name(), " has ",
         device_->facts().shared_memory);
  }
  const Found found = find_variant(*device_->hub().catalog(), name);
  package_ = found.package;
  const Package &package = *found.package;
  const Variant &variant = *found.variant;
  name_ = package.kernel_name(variant);
  entry_ = variant.entry;
  const Target wanted = choose_target(*device_, target);
  if (auto reason = refuse_capability(variant, wanted.capability)) fail(QUERN_UNSUPPORTED, name_, ": ", *reason);
  const auto values = read_options(options, *package.manifest.operation, variant);
  const auto unit_for = [&](const Target &chosen) { return make_compile_unit(package, variant, chosen, values); };
  const auto [unit, code] = obtain_code(*device_, variant, unit_for(wanted), unit_for);
  module_ = load_unit(*device_, variant, unit, unit_for, &code).module;
  target_ = unit->target.name();
  parameter_bytes_ = parameter_sizes(code.entry.code, entry_).value_or(std::vector<size_t>{});
  registers_ = code.entry.registers;
  spill_bytes_ = code.entry.spill_bytes;
  static_shared_bytes_ = code.entry.shared_bytes;
  if (module_ != nullptr) {
    const CurrentContext context(*device_);
    module_->prepare(device_->ordinal(), static_cast<int64_t>(shared_bytes_));
  }
}

void LoadedKernel::check(const quern_launch &launch) const {
  if (static_cast<size_t>(std::max(launch.parameter_count, 0)) != parameter_bytes_.size()) {
    fail(QUERN_INVALID_ARGUMENT, "parameter_count is ", launch.parameter_count, "; ", entry_, " takes ",
         parameter_bytes_.size());
  }
  if (!parameter_bytes_.empty() && (launch.parameters == nullptr || launch.parameter_bytes == nullptr)) {
    fail(QUERN_INVALID_ARGUMENT, "parameters or parameter_bytes is NULL; pass where each parameter lies and its size");
  }
  for (size_t i = 0; i < parameter_bytes_.size(); ++i) {
    if (launch.parameters[i] == nullptr) fail(QUERN_INVALID_ARGUMENT, "parameters[", i, "] is NULL; pass its address");
    if (launch.parameter_bytes[i] != parameter_bytes_[i]) {
      fail(QUERN_INVALID_ARGUMENT, "parameter_bytes[", i, "] is ", launch.parameter_bytes[i], "; ", entry_, " takes ",
           parameter_bytes_[i], " there");
    }
  }
  if (launch.shared_bytes > shared_bytes_) {
    fail(QUERN_INVALID_ARGUMENT, "shared_bytes is ", launch.shared_bytes, "; the kernel was loaded for ", shared_bytes_,
         "; load it for more");
  }
  if (launch.overlap < 0 || launch.overlap > 1) {
    fail(QUERN_INVALID_ARGUMENT, "overlap is ", launch.overlap, "; use 0 or 1");
  }
}

void LoadedKernel::launch(const quern_launch &launch, quern_stream stream) const {
  check(launch);
  if (module_ == nullptr) {
    fail(QUERN_CUDA_UNAVAILABLE, device_->name(), " is an architecture without hardware; load on cuda:N to launch");
  }
  const std::array<uint32_t, 3> grid = dimensions(launch.grid), block = dimensions(launch.block);
  LaunchAttributes attributes;
  attributes.add_cluster(dimensions(launch.cluster));
  if (launch.overlap != 0) attributes.add_overlap();
  const cu::LaunchConfig config{grid[0],
                                grid[1],
                                grid[2],
                                block[0],
                                block[1],
                                block[2],
                                static_cast<unsigned int>(launch.shared_bytes),
                                stream,
                                attributes.items,
                                attributes.count};
  const CurrentContext context(*device_);
  cu::check(cu::driver()->launch(&config, module_->function(), const_cast<void **>(launch.parameters), nullptr),
            "launch a kernel");
}

}  // namespace quern

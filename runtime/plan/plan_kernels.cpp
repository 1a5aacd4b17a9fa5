#include "runtime/plan/plan_kernels.hpp"

#include <algorithm>
#include <mutex>
#include <set>

#include "runtime/hub/prefetch.hpp"

namespace quern {

void PlanKernels::obtain(const std::vector<Choice> &choices) {
  std::vector<CompileUnit> missing;
  std::set<std::string> seen;
  for (const Choice &choice : choices) {
    const std::string name = choice.candidate.name();
    if (!seen.insert(name).second) continue;
    auto found = kernels_.find(name);
    if (found == kernels_.end()) {
      found = kernels_.emplace(name, Kernel{unit_of(choice.candidate, target_), std::nullopt, std::nullopt}).first;
      look_up(found->second);
    }
    if (!found->second.loaded && !found->second.code) missing.push_back(found->second.unit);
  }
  if (missing.size() < 2 || !device_.hub().settings().jit_allowed) return;
  // Kernels for many tokens compile longest: first, so that no core waits for one in the end.
  std::ranges::reverse(missing);
  compile_together(missing);
}

void PlanKernels::look_up(Kernel &kernel) {
  Hub &hub = device_.hub();
  if (device_.kind() != QUERN_DEVICE_TARGET) {
    if (auto module = hub.loaded_module(kernel.unit)) kernel.loaded = LoadedUnit{std::move(module), target_};
  }
  if (!kernel.loaded) kernel.code = hub.store().find(kernel.unit);
}

void PlanKernels::compile_together(const std::vector<CompileUnit> &missing) {
  std::mutex mutex;  // guards kernels_
  const auto make = [&](const CompileUnit &unit) {
    KernelStore::Code code = device_.hub().store().get(unit);
    const std::lock_guard lock(mutex);
    return *(kernels_.at(unit->kernel).code = std::move(code));
  };
  for_each_unit(missing, device_.hub().settings().jobs, make, [](const UnitReport &) { return true; });
}

const LoadedUnit &PlanKernels::load(const Candidate &candidate) {
  Kernel &kernel = kernels_.at(candidate.name());
  if (!kernel.loaded) {
    kernel.loaded = load_unit(
        device_, *candidate.variant, kernel.unit, [&](const Target &target) { return unit_of(candidate, target); },
        kernel.code ? &*kernel.code : nullptr);
  }
  return *kernel.loaded;
}

}  // namespace quern

// The kernels that a plan may need: each is made into a unit, looked up and loaded once, however many run sizes and
// however many rounds of dispatch name it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/hub/dispatch.hpp"
#include "runtime/plan/loaded_unit.hpp"

namespace quern {

class PlanKernels {
 public:
  PlanKernels(Device &device, const Target &target, const std::array<int64_t, kMaxFields> &values)
      : device_(device), target_(target), values_(values) {}

  // Looks for what is new among them, in memory, then on disk. What is nowhere is compiled side by side: several
  // kernels take as long as the slowest. Failures come up again, and are dealt with, when each is loaded.
  void obtain(const std::vector<Choice> &choices);

  // One of those. Throws as load_unit() does.
  const LoadedUnit &load(const Candidate &candidate);

 private:
  struct Kernel {
    CompileUnit unit;
    std::optional<KernelStore::Code> code;
    std::optional<LoadedUnit> loaded;
  };
  CompileUnit unit_of(const Candidate &candidate, const Target &target) const {
    const Variant &variant = *candidate.variant;
    return make_compile_unit(*candidate.package, variant, target, variant.specialize.of(values_));
  }
  void look_up(Kernel &kernel);
  void compile_together(const std::vector<CompileUnit> &missing);

  Device &device_;
  const Target target_;
  const std::array<int64_t, kMaxFields> values_;
  std::map<std::string, Kernel> kernels_;  // by name
};

}  // namespace quern

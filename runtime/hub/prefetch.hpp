// Compiling ahead: every unit that plans on given architectures can need.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/hub/hub.hpp"

namespace quern {

struct UnitReport {
  std::string kernel, target, types;
  quern_status status = QUERN_OK;
  std::string message;
  bool from_cache = false;
  std::string entry;  // its file in the cache
  int registers = -1, spill_bytes = -1, shared_bytes = -1, compile_ms = 0;
};

// "sm_80,sm_90a", "all", "native" (the GPUs of this machine). Throws QUERN_INVALID_ARGUMENT or QUERN_CUDA_UNAVAILABLE.
std::vector<Target> parse_targets(const std::string &list);

// Units of the packages, each variant for each target it runs on and each choice of types.
std::vector<CompileUnit> units_of(const std::vector<std::shared_ptr<const Package>> &packages,
                                  const std::vector<Target> &targets);

// Calls `make` for each unit, on `jobs` threads (0: one per core), and `report` with each outcome, one at a time. Goes
// on after failures. `report` returns false to stop; then this throws QUERN_CANCELLED.
void for_each_unit(const std::vector<CompileUnit> &units, int jobs,
                   const std::function<KernelStore::Code(const CompileUnit &)> &make,
                   const std::function<bool(const UnitReport &)> &report);

}  // namespace quern

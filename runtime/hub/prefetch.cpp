#include "runtime/hub/prefetch.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include "runtime/base/error.hpp"
#include "runtime/base/split.hpp"
#include "runtime/cuda/driver_api.hpp"
#include "runtime/hub/dispatch.hpp"

namespace quern {
namespace {

std::vector<Target> native_targets() {
  const cu::Api &api = cu::need_driver();
  int count = 0;
  cu::check(api.device_count(&count), "count the GPUs");
  std::vector<Target> targets;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    cu::Device device = 0;
    int major = 0, minor = 0;
    cu::check(api.device_get(&device, ordinal), "open the GPU");
    cu::check(api.device_attribute(&major, cu::kCapabilityMajor, device), "read a device attribute");
    cu::check(api.device_attribute(&minor, cu::kCapabilityMinor, device), "read a device attribute");
    targets.push_back(native_target(major * 10 + minor));
  }
  if (targets.empty()) fail(QUERN_CUDA_UNAVAILABLE, "there is no GPU here to be native to; name architectures");
  return targets;
}

UnitReport make_report(const CompileUnit &unit, const std::function<KernelStore::Code(const CompileUnit &)> &make) {
  UnitReport report;
  report.kernel = unit->kernel;
  report.target = unit->target.name();
  report.types = unit->types;
  try {
    const KernelStore::Code code = make(unit);
    report.message = code.warnings;
    report.from_cache = code.from_cache;
    report.entry = entry_file_name(code.entry.request, code.entry.nvrtc);
    report.registers = code.entry.registers;
    report.spill_bytes = code.entry.spill_bytes;
    report.shared_bytes = code.entry.shared_bytes;
    report.compile_ms = code.from_cache ? 0 : code.entry.compile_ms;
  } catch (const Error &error) {
    report.status = error.status();
    report.message = error.what();
  } catch (const std::bad_alloc &) {
    report.status = QUERN_OUT_OF_MEMORY;
    report.message = "out of host memory; run fewer jobs";
  }
  return report;
}

}  // namespace

std::vector<Target> parse_targets(const std::string &list) {
  if (list == "all") return known_targets();
  std::vector<Target> targets;
  if (list.empty() || list == "native") {
    targets = native_targets();  // of two GPUs alike twice the same
  } else {
    for (const std::string &item : split(list, ',')) targets.push_back(parse_target(item));
  }
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  return targets;
}

std::vector<CompileUnit> units_of(const std::vector<std::shared_ptr<const Package>> &packages,
                                  const std::vector<Target> &targets) {
  std::vector<CompileUnit> units;
  for (const auto &package : packages) {
    for (const Variant &variant : package->manifest.variants) {
      for (const Target &target : targets) {
        if (refuse_capability(variant, target.capability)) continue;
        for (const Specialization &values : variant.specialize.all(variant.accepts)) {
          units.push_back(make_compile_unit(*package, variant, target, values));
        }
      }
    }
  }
  return units;
}

void for_each_unit(const std::vector<CompileUnit> &units, int jobs,
                   const std::function<KernelStore::Code(const CompileUnit &)> &make,
                   const std::function<bool(const UnitReport &)> &report) {
  if (jobs <= 0) jobs = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  jobs = std::min(jobs, static_cast<int>(units.size()));
  std::atomic<size_t> next{0};
  std::atomic<bool> stopped{false};
  std::mutex mutex;  // one report at a time
  const auto work = [&] {
    for (size_t i = next++; i < units.size() && !stopped; i = next++) {
      const UnitReport done = make_report(units[i], make);
      const std::lock_guard lock(mutex);
      if (!stopped && !report(done)) stopped = true;
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 1; i < jobs; ++i) threads.emplace_back(work);
  work();
  threads.clear();
  if (stopped) fail(QUERN_CANCELLED, "stopped by the callback");
}

}  // namespace quern

#include "cli/bench.hpp"

#include <algorithm>
#include <ctime>
#include <set>

#include "cli/bench_cpu.hpp"
#include "cli/bench_cuda.hpp"
#include "cli/failure.hpp"
#include "cli/quantity.hpp"

namespace quern::cli {

Bench::Bench(const GlobalOptions &global, const std::string &device, int repeat)
    : hub_(open_hub(global)), device_(open_device(hub_, device)), repeat_(repeat), progress_(global.quiet) {
  const quern_device_info info = device_.info();
  if (info.kind == QUERN_DEVICE_TARGET) {
    fail(kUsage, info.name, " is an architecture without hardware; pass --device cuda:N or cpu");
  }
}

BenchClock &Bench::clock() {
  if (clock_ == nullptr) clock_ = on_cuda() ? make_cuda_clock(device_) : make_cpu_clock(device_);
  return *clock_;
}

BenchFacts Bench::facts(const std::string &operation, const std::string &dtype) {
  const quern_device_info info = device_.info();
  BenchFacts facts;
  facts.operation = operation;
  facts.dtype = dtype;
  facts.device = info.name;
  facts.model = info.model;
  facts.arch = info.arch;
  if (on_cuda()) facts.driver = hub_.info().driver_version;
  facts.date = format_time(static_cast<int64_t>(std::time(nullptr)));
  facts.version = quern_version();
  facts.repeat = repeat_;
  facts.rotation_bytes = static_cast<int64_t>(clock().rotation_bytes());
  return facts;
}

ServedSizes::ServedSizes(const host::Plan &plan) {
  plan.explain([&](const quern_candidate &candidate) {
    if (candidate.chosen) ranges_.push_back({candidate.first, candidate.last, candidate.kernel});
  });
}

std::string ServedSizes::kernel(int64_t size) const {
  for (const Range &range : ranges_) {
    if (range.first <= size && size <= range.last) return range.kernel;
  }
  return {};
}

std::vector<int64_t> ServedSizes::select(const std::vector<int64_t> &sizes, const std::string &what,
                                         std::vector<std::string> &notes) const {
  std::vector<int64_t> served;
  std::string others;
  for (const int64_t size : std::set<int64_t>(sizes.begin(), sizes.end())) {
    if (kernel(size).empty()) {
      others += text(others.empty() ? "" : ", ", size);
    } else {
      served.push_back(size);
    }
  }
  if (!others.empty()) notes.push_back(text(what, ": the kernel does not serve M ", others));
  return served;
}

}  // namespace quern::cli

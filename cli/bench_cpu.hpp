// Timing on the CPU: wall clock around as many runs as fill a sample.
#pragma once

#include <memory>

#include <quern/quern.hpp>

#include "cli/bench_timing.hpp"

namespace quern::cli {

std::unique_ptr<BenchClock> make_cpu_clock(const host::Device &device);

}  // namespace quern::cli

// Timing on a GPU: runs captured into a graph, events around its replays. So neither the host's time to launch nor the
// gaps between launches are in the numbers, and what one run leaves in the cache is gone when its copy's turn returns.
#pragma once

#include <memory>

#include <quern/quern.hpp>

#include "cli/bench_timing.hpp"

namespace quern::cli {

// Makes the device's primary context current on this thread for as long as it lives; libquern and cuBLAS use it then.
// Throws Failure.
std::unique_ptr<BenchClock> make_cuda_clock(const host::Device &device);

}  // namespace quern::cli

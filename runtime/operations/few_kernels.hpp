// Which kernels are enough: each kernel that a plan may need is one more to compile, to keep and to load.
#pragma once

#include <string>
#include <vector>

namespace quern {

struct KernelTime {
  std::string kernel;
  double microseconds;
};

// The time to use for each size, one of those measured there: of few kernels altogether, and nowhere more than
// `tolerance` times the fastest. What is measured twice differs by as much, so the fastest by a hair is chance. Every
// size has at least one time.
std::vector<KernelTime> few_kernels(const std::vector<std::vector<KernelTime>> &sizes, double tolerance);

}  // namespace quern

#include "runtime/few_kernels.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace quern {
namespace {

const KernelTime &fastest(const std::vector<KernelTime> &times) {
  return *std::min_element(times.begin(), times.end(),
                           [](const KernelTime &a, const KernelTime &b) { return a.microseconds < b.microseconds; });
}

}  // namespace

// Set cover, greedily: the kernel that is good for most sizes left, the faster one of two that are for as many.
std::vector<KernelTime> few_kernels(const std::vector<std::vector<KernelTime>> &sizes, double tolerance) {
  std::set<std::string> chosen;
  std::vector<bool> served(sizes.size());
  for (;;) {
    struct Merit {
      int sizes = 0;
      double relative = 0;  // sum of its times, each over the fastest
    };
    std::map<std::string, Merit> merits;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (served[i]) continue;
      const double best = fastest(sizes[i]).microseconds;
      for (const KernelTime &time : sizes[i]) {
        if (time.microseconds > tolerance * best) continue;
        Merit &merit = merits[time.kernel];
        ++merit.sizes;
        merit.relative += time.microseconds / best;
      }
    }
    if (merits.empty()) break;
    const auto next = std::max_element(merits.begin(), merits.end(), [](const auto &a, const auto &b) {
      return a.second.sizes != b.second.sizes ? a.second.sizes < b.second.sizes : a.second.relative > b.second.relative;
    });
    chosen.insert(next->first);
    for (size_t i = 0; i < sizes.size(); ++i) {
      for (const KernelTime &time : sizes[i]) {
        if (time.kernel == next->first && time.microseconds <= tolerance * fastest(sizes[i]).microseconds) {
          served[i] = true;
        }
      }
    }
  }
  std::vector<KernelTime> out;
  for (const std::vector<KernelTime> &times : sizes) {
    std::vector<KernelTime> of_chosen;
    for (const KernelTime &time : times) {
      if (chosen.count(time.kernel) != 0) of_chosen.push_back(time);
    }
    out.push_back(fastest(of_chosen));
  }
  return out;
}

}  // namespace quern

#include "runtime/operations/few_kernels.hpp"

#include <algorithm>
#include <iterator>
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
  struct Merit {
    int sizes = 0;
    double relative = 0;  // sum of its times, each over the fastest
  };
  std::set<std::string> chosen;
  const auto is_chosen = [&](const KernelTime &time) { return chosen.count(time.kernel) != 0; };
  for (;;) {
    std::map<std::string, Merit> merits;
    for (const std::vector<KernelTime> &times : sizes) {
      const double best = fastest(times).microseconds;
      std::vector<KernelTime> good;
      std::copy_if(times.begin(), times.end(), std::back_inserter(good),
                   [&](const KernelTime &time) { return time.microseconds <= tolerance * best; });
      if (std::any_of(good.begin(), good.end(), is_chosen)) continue;
      for (const KernelTime &time : good) {
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
  }
  std::vector<KernelTime> out;
  for (const std::vector<KernelTime> &times : sizes) {
    std::vector<KernelTime> of_chosen;
    std::copy_if(times.begin(), times.end(), std::back_inserter(of_chosen), is_chosen);
    out.push_back(fastest(of_chosen));
  }
  return out;
}

}  // namespace quern

// Measures the variants of a GEMM for each range of M, chooses few that are fastest or as good, and keeps the outcome
// in the cache.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/hub/device.hpp"

namespace quern {

struct TuningReport {
  std::string kernel;
  int64_t m = 0;
  double microseconds = 0;  // of a run; 0 if it failed
  std::string failure;      // why it may not win
  bool fastest = false;     // of those measured at this M so far
  bool chosen = false;      // not one more measurement: in the end, what plans will use at this M
  int done = 0, total = 0;
};

// Throws as quern_gemm_tune() says. `report` is called as each measurement is done.
void tune_gemm(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc,
               const std::function<void(const TuningReport &)> &report);

}  // namespace quern

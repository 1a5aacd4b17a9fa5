// `quern tune`: measure the kernels that compete for each shape, and keep in the cache which to use.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "cli/bench_models.hpp"
#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

struct Measured {
  std::string kernel;
  double microseconds;
};

// What came of one shape.
struct Tuned {
  std::map<int64_t, Measured> chosen;  // by M
  std::vector<std::string> failures;
};

std::string number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2f", value);
  return buffer;
}

Tuned tune(const host::Device &device, const quern_gemm_desc &desc, const BenchShape &shape, Progress &progress) {
  Tuned tuned;
  device.tune(desc, [&](const quern_tune_report &report) {
    check_interrupt();
    if (report.chosen) {
      tuned.chosen[report.m] = {report.kernel, report.microseconds};
      return;
    }
    progress.step(text("tune ", shape.size(), " ", report.done, "/", report.total, ": M ", report.m, " ", report.kernel,
                       " ", *report.failure ? report.failure : number(report.microseconds) + " us"));
    if (*report.failure) tuned.failures.push_back(text("M ", report.m, " ", report.kernel, ": ", report.failure));
  });
  return tuned;
}

// As a kernel.json's "measured" has it.
Json table_of(const quern_device_info &info, const BenchShape &shape, const TuneOptions &options, const Tuned &tuned) {
  Json steps = Json::array();
  for (const auto &[m, best] : tuned.chosen) {
    if (!steps.empty() && steps.back()[1] == best.kernel) {
      steps.back()[0] = m;
    } else {
      steps.push_back({m, best.kernel});
    }
  }
  Json where = {{"n", shape.rows}, {"k", shape.k}, {"x_dtype", options.dtype}, {"layout", "mma16_" + options.dtype}};
  if (!options.w4a8.empty()) {
    where["x_dtype"] = "e4m3";
    where["layout"] = "mma16_e5m2";
    where["accumulation"] = options.w4a8;
  }
  return {{"device", info.model}, {"where", where}, {"steps", steps}};
}

}  // namespace

ExitCode run_tune(const GlobalOptions &global, const TuneOptions &options) {
  const std::vector<BenchShape> shapes = bench_shapes(options.models, options.shapes, "gpt-oss-20b");
  const host::Hub hub = open_hub(global);
  const host::Device device = open_device(hub, options.device);
  const quern_device_info info = device.info();
  Progress progress(global.quiet);
  Table table({"shape", ">M", ">us", "kernel"});
  Json measured = Json::array(), times = Json::array(), failures = Json::array();
  for (const BenchShape &shape : shapes) {
    quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
    desc.x_dtype = desc.y_dtype = options.dtype == "f16" ? QUERN_DTYPE_F16 : QUERN_DTYPE_BF16;
    desc.layout = options.dtype == "f16" ? QUERN_LAYOUT_MMA16_F16 : QUERN_LAYOUT_MMA16_BF16;
    if (!options.w4a8.empty()) {
      desc.layout = QUERN_LAYOUT_MMA16_E5M2;
      desc.accumulation = accumulation(options.w4a8);
    }
    desc.m_max = options.m_max;
    desc.n = shape.rows;
    desc.k = shape.k;
    const Tuned tuned = tune(device, desc, shape, progress);
    for (const auto &[m, best] : tuned.chosen) {
      table.add({shape.size(), text(m), number(best.microseconds), best.kernel});
      times.push_back({{"shape", shape.size()}, {"m", m}, {"us", best.microseconds}, {"kernel", best.kernel}});
    }
    for (const std::string &failure : tuned.failures) failures.push_back(shape.size() + " " + failure);
    measured.push_back(table_of(info, shape, options, tuned));
  }
  progress.clear();
  if (global.json) {
    print_json({{"device", info.name},
                {"model", info.model},
                {"measured", measured},
                {"times", times},
                {"failures", failures}});
  } else {
    std::string out = table.text();
    for (const Json &failure : failures) out += "refused: " + failure.get<std::string>() + "\n";
    print(out);
  }
  return failures.empty() ? kDone : kFailed;
}

}  // namespace quern::cli

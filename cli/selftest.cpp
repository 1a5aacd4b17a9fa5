// `quern selftest`: every kernel that this device can run, held to its contract. Refused is not passed, and is said.
#include <chrono>
#include <cstdio>
#include <string>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/quantity.hpp"
#include "cli/selftest_subject.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

std::string result_text(const Outcome &outcome) {
  if (!outcome.failure.empty()) return "FAILED: " + outcome.failure;
  if (outcome.cases == 0) return "refused: " + (outcome.refused.empty() ? "no case fits" : outcome.refused);
  return "passed";
}

const char *result_word(const Outcome &outcome) {
  if (!outcome.failure.empty()) return "failed";
  return outcome.cases == 0 ? "refused" : "passed";
}

std::string ratio_text(const Outcome &outcome) {
  if (outcome.cases == 0) return "";
  if (outcome.worst == 0) return "exact";
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3f", outcome.worst);
  return buffer;
}

}  // namespace

ExitCode run_selftest(const GlobalOptions &global, const SelftestOptions &options) {
  using Clock = std::chrono::steady_clock;
  const host::Hub hub = open_hub(global);
  const host::Device device = open_device(hub, options.device);
  const host::Device cpu = open_device(hub, "cpu");
  const quern_device_info info = device.info();
  if (info.kind == QUERN_DEVICE_TARGET) {
    fail(kUsage, info.name, " is an architecture without hardware; pass --device cuda:N or cpu");
  }
  const std::vector<Subject> subjects = find_subjects(hub, device, options.kernel);
  if (subjects.empty())
    fail(kNothingMatched, "no kernel to test matches '", options.kernel, "'; 'quern kernels list' names them");

  Progress progress(global.quiet);
  Table table({"kernel", "operation", "target", ">cases", ">error/bound", ">time", "result"});
  Json results = Json::array();
  int passed = 0, failed = 0, refused = 0;
  for (const Subject &subject : subjects) {
    const std::string target = !subject.target.empty() ? subject.target : *info.arch ? info.arch : info.name;
    progress.step(text("test ", subject.kernel, " as ", subject.operation, " for ", target));
    const auto start = Clock::now();
    const TestBench bench{device, cpu, options.quick, progress};
    const Outcome outcome = subject.operation == "gemm"       ? test_gemm(bench, subject)
                            : subject.operation == "quantize" ? test_quantize(bench, subject)
                                                              : test_dequantize(bench, subject);
    const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
    ++(!outcome.failure.empty() ? failed : outcome.cases == 0 ? refused : passed);
    table.add({subject.kernel, subject.operation, target, text(outcome.cases), ratio_text(outcome),
               format_milliseconds(ms), result_text(outcome)});
    results.push_back({{"kernel", subject.kernel},
                       {"operation", subject.operation},
                       {"target", target},
                       {"result", result_word(outcome)},
                       {"cases", outcome.cases},
                       {"worst_error_over_bound", outcome.worst},
                       {"ms", ms},
                       {"detail", outcome.failure.empty() ? outcome.refused : outcome.failure}});
  }
  progress.clear();
  if (global.json) {
    print_json({{"device", info.name},
                {"model", info.model},
                {"passed", passed},
                {"failed", failed},
                {"refused", refused},
                {"results", results}});
  } else {
    print(text("device ", info.name, " (", info.model, ")\n") + table.text() +
          text(passed, " passed, ", failed, " failed, ", refused, " refused\n"));
  }
  if (failed > 0) return kFailed;
  return passed > 0 ? kDone : kNothingMatched;
}

}  // namespace quern::cli

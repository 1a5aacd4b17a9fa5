// `quern kernels explain`: which kernel a problem would get, and why not the others. Compiles and runs nothing.
#include <string>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

// Candidates of a device and what is told of them. `Desc` is an operation's descriptor.
template <typename Desc>
ExitCode explain(const GlobalOptions &global, const ExplainOptions &options, const Desc &desc, Json problem) {
  const host::Hub hub = open_hub(global);
  const host::Device device = open_device(hub, options.arch.empty() ? options.device : options.arch);
  Json candidates = Json::array();
  Table table({"", "sizes", "kernel", ">priority", "target", "why not"});
  bool accepted = false;
  device.explain(desc, [&](const quern_candidate &candidate) {
    const bool chosen = candidate.chosen != 0;
    accepted = accepted || chosen;
    table.add({chosen ? "*" : "", chosen ? text(candidate.first, "-", candidate.last) : "", candidate.kernel,
               text(candidate.priority), candidate.target, candidate.reason});
    candidates.push_back({{"kernel", candidate.kernel},
                          {"origin", candidate.origin},
                          {"priority", candidate.priority},
                          {"chosen", chosen},
                          {"first", chosen ? Json(candidate.first) : Json(nullptr)},
                          {"last", chosen ? Json(candidate.last) : Json(nullptr)},
                          {"target", candidate.target},
                          {"reason", candidate.reason}});
  });
  const quern_device_info info = device.info();
  if (global.json) {
    print_json({{"device", info.name},
                {"arch", info.arch},
                {"problem", std::move(problem)},
                {"accepted", accepted},
                {"candidates", std::move(candidates)}});
  } else {
    print(text("device ", info.name, *info.model ? text(" (", info.model, ")") : "", "\n") + table.text() +
          (accepted ? "" : "no kernel accepts the problem\n"));
  }
  return accepted ? kDone : kNothingMatched;
}

}  // namespace

ExitCode run_explain_gemm(const GlobalOptions &global, const ExplainOptions &options) {
  quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
  desc.x_dtype = dtype(options.x_dtype);
  desc.y_dtype = dtype(options.y_dtype);
  desc.bias_dtype = dtype(options.bias_dtype);
  desc.m_max = options.m;
  desc.n = options.n;
  desc.k = options.k;
  desc.scale_zero = decode_policy(options.policy).scale_zero;
  desc.layout = layout(options.layout);
  desc.accumulation = accumulation(options.accumulation);
  return explain(global, options, desc,
                 {{"operation", "gemm"},
                  {"m", options.m},
                  {"n", options.n},
                  {"k", options.k},
                  {"x_dtype", options.x_dtype},
                  {"y_dtype", options.y_dtype},
                  {"bias_dtype", options.bias_dtype},
                  {"layout", options.layout},
                  {"accumulation", options.accumulation},
                  {"policy", options.policy}});
}

ExitCode run_explain_quantize(const GlobalOptions &global, const ExplainOptions &options) {
  quern_quantize_desc desc = QUERN_QUANTIZE_DESC_INIT;
  desc.src_dtype = dtype(options.src_dtype);
  desc.rows_max = options.rows;
  desc.k = options.k;
  return explain(
      global, options, desc,
      {{"operation", "quantize"}, {"rows", options.rows}, {"k", options.k}, {"src_dtype", options.src_dtype}});
}

ExitCode run_explain_dequantize(const GlobalOptions &global, const ExplainOptions &options) {
  quern_dequantize_desc desc = QUERN_DEQUANTIZE_DESC_INIT;
  desc.dst_dtype = dtype(options.dst_dtype);
  desc.rows_max = options.rows;
  desc.k = options.k;
  const quern_decode_policy policy = decode_policy(options.policy);
  desc.policy = &policy;
  return explain(global, options, desc,
                 {{"operation", "dequantize"},
                  {"rows", options.rows},
                  {"k", options.k},
                  {"dst_dtype", options.dst_dtype},
                  {"policy", options.policy}});
}

}  // namespace quern::cli

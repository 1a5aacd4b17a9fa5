// `quern bench dequantize`: MXFP4 to floating point, against a plain copy on the same memory.
#include <algorithm>
#include <string>
#include <vector>

#include "cli/bench_report.hpp"
#include "cli/bench_weights.hpp"
#include "cli/failure.hpp"
#include "cli/float_format.hpp"
#include "cli/interrupt.hpp"
#include "cli/quantity.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

struct DequantizeRequest {
  BenchShape shape;
  std::string dtype;
  host::Plan plan;
};

std::vector<DequantizeRequest> make_requests(Bench &bench, const BenchDequantizeOptions &options) {
  // One expert tensor of gpt-oss-20b, or as much of it as a CPU does in a moment.
  const std::vector<std::string> shapes = !options.shapes.empty()
                                              ? options.shapes
                                              : std::vector<std::string>{bench.on_cuda() ? "184320x2880" : "8192x2880"};
  std::vector<DequantizeRequest> requests;
  for (const std::string &shape_text : shapes) {
    const BenchShape shape = parse_shape(shape_text);
    for (const std::string &dtype_name : options.dtypes) {
      quern_dequantize_desc desc = QUERN_DEQUANTIZE_DESC_INIT;
      desc.dst_dtype = dtype(dtype_name);
      desc.k = shape.k;
      desc.rows_max = shape.rows;
      desc.kernel = options.kernel.empty() ? nullptr : options.kernel.c_str();
      host::Plan plan = host::Plan::dequantize(bench.device(), desc);
      if (ServedSizes(plan).kernel(shape.rows).empty()) {
        fail(kNothingMatched, options.kernel, " does not serve ", shape.rows, " rows; choose another --shape");
      }
      requests.push_back({shape, dtype_name, std::move(plan)});
    }
  }
  return requests;
}

[[noreturn]] void fail_too_large(const Bench &bench, const BenchShape &shape) {
  fail(kFailed, shape.size(), " does not fit in 60% of the memory of ", bench.device().info().name,
       "; choose a smaller --shape");
}

// Weights and results rotate together, so that neither stays in a cache.
ConversionPoint measure(Bench &bench, const DequantizeRequest &request, std::vector<std::string> &notes) {
  const host::Device &device = bench.device();
  const BenchShape &shape = request.shape;
  BenchClock &clock = bench.clock();
  if (dequantize_work(shape.rows, shape.k, 4).bytes > 1e15) fail_too_large(bench, shape);  // might overflow below
  const size_t src_bytes = MxWeights::bytes(shape, QUERN_LAYOUT_CANONICAL);
  const size_t dst_bytes =
      (static_cast<size_t>(shape.rows) * static_cast<size_t>(shape.k) * dtype_bytes(dtype(request.dtype)) + 255) / 256 *
      256;
  const size_t workspace_bytes = request.plan.workspace_bytes(shape.rows);
  const size_t fixed = src_bytes + workspace_bytes, one = src_bytes + dst_bytes;
  const size_t free = bench.budget_bytes() - std::min(bench.budget_bytes(), fixed);
  const size_t copies = rotated_copies(one, clock.rotation_bytes(), free);
  if (copies == 0) fail_too_large(bench, shape);
  if (copies * one < clock.rotation_bytes()) {
    notes.push_back(text(shape.size(), " to ", request.dtype, ": all copies together are ",
                         format_bytes(static_cast<int64_t>(copies * one)), " and may stay in a cache"));
  }
  const RandomWeights random = random_weights(shape.rows, shape.k);
  const CanonicalWeights canonical(device, random, clock.stream());
  const MxWeights weights(device, shape, QUERN_LAYOUT_CANONICAL, random, canonical, copies, clock.stream());
  const host::DeviceMemory dst = device.allocate(copies * dst_bytes), workspace = device.allocate(workspace_bytes);

  const BenchRun run = [&](size_t index, quern_stream stream) {
    quern_gemm_args copy = QUERN_GEMM_ARGS_INIT;
    weights.choose(index, copy);
    quern_dequantize_args args = QUERN_DEQUANTIZE_ARGS_INIT;
    args.rows = shape.rows;
    args.blocks = copy.blocks;
    args.scales = copy.scales;
    args.dst = static_cast<std::byte *>(dst.get()) + index * dst_bytes;
    args.workspace = workspace.get();
    args.workspace_bytes = workspace.bytes();
    request.plan.run(args, stream);
  };
  // The system hands out memory when it is first written.
  for (size_t index = 0; index < copies; ++index) run(index, clock.stream());
  const auto replay = clock.prepare(run, copies);
  const Timing time = time_in_turn({replay.get()}, bench.repeat())[0];
  return {shape,
          request.dtype,
          ServedSizes(request.plan).kernel(shape.rows),
          dequantize_work(shape.rows, shape.k, dtype_bytes(dtype(request.dtype))),
          copies,
          time};
}

}  // namespace

ExitCode run_bench_dequantize(const GlobalOptions &global, const BenchDequantizeOptions &options) {
  Bench bench(global, options.device, options.repeat);
  const std::vector<DequantizeRequest> requests = make_requests(bench, options);
  std::string dtypes;
  for (const std::string &name : options.dtypes) dtypes += (dtypes.empty() ? "to " : ", ") + name;
  BenchFacts facts = bench.facts("dequantize", dtypes);
  bench.progress().step("measure the roofs");
  facts.roofs.bytes = bench.clock().copy_rate(bench.repeat());
  facts.roofs.memory = "copy";
  std::vector<ConversionPoint> points;
  for (const DequantizeRequest &request : requests) {
    check_interrupt();
    bench.progress().step(text("measure ", request.shape.size(), " to ", request.dtype));
    points.push_back(measure(bench, request, facts.notes));
  }
  bench.progress().clear();
  if (global.json) {
    print_json(conversion_json(facts, points, /*to_dtype=*/true));
  } else {
    print(conversion_text(facts, points, /*to_dtype=*/true));
  }
  return kDone;
}

}  // namespace quern::cli

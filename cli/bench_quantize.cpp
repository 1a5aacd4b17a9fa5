// `quern bench quantize`: rows to E4M3, against a plain copy on the same memory.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "cli/bench_data.hpp"
#include "cli/bench_report.hpp"
#include "cli/failure.hpp"
#include "cli/float_format.hpp"
#include "cli/interrupt.hpp"
#include "cli/quantity.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

struct QuantizeRequest {
  BenchShape shape;
  std::string dtype;
  host::Plan plan;
};

// The shapes given, and for models each of their row lengths with each number of rows.
std::vector<BenchShape> shapes_of(const BenchQuantizeOptions &options, bool on_cuda) {
  std::vector<BenchShape> shapes;
  std::vector<std::string> models = options.models;
  if (models.empty() && options.shapes.empty()) models = {"gpt-oss-20b"};
  std::vector<int64_t> rows = options.m;
  for (int64_t m = 1; options.m.empty() && m <= (on_cuda ? 8192 : 128); m *= on_cuda ? 8 : 4) rows.push_back(m);
  if (options.m.empty()) rows.push_back(on_cuda ? 8192 : 128);
  for (const std::string &model : models) {
    std::set<int64_t> lengths;
    for (const BenchShape &layer : model_shapes(model)) lengths.insert(layer.k);
    for (const int64_t k : lengths) {
      for (const int64_t m : rows) shapes.push_back({model, m, k});
    }
  }
  for (const std::string &shape : options.shapes) shapes.push_back(parse_shape(shape));
  return shapes;
}

std::vector<QuantizeRequest> make_requests(Bench &bench, const BenchQuantizeOptions &options) {
  std::vector<QuantizeRequest> requests;
  for (const BenchShape &shape : shapes_of(options, bench.on_cuda())) {
    for (const std::string &dtype_name : options.dtypes) {
      quern_quantize_desc desc = QUERN_QUANTIZE_DESC_INIT;
      desc.src_dtype = dtype(dtype_name);
      desc.rows_max = shape.rows;
      desc.k = shape.k;
      desc.kernel = options.kernel.empty() ? nullptr : options.kernel.c_str();
      desc.overlap = bench.on_cuda() ? 1 : 0;
      host::Plan plan = host::Plan::quantize(bench.device(), desc);
      if (ServedSizes(plan).kernel(shape.rows).empty()) {
        fail(kNothingMatched, options.kernel, " does not serve ", shape.rows, " rows; choose another --shape");
      }
      requests.push_back({shape, dtype_name, std::move(plan)});
    }
  }
  return requests;
}

// Source and result rotate together, so that neither stays in a cache.
ConversionPoint measure(Bench &bench, const QuantizeRequest &request, std::vector<std::string> &notes) {
  const host::Device &device = bench.device();
  const BenchShape &shape = request.shape;
  BenchClock &clock = bench.clock();
  const size_t element = dtype_bytes(dtype(request.dtype));
  const Work work = quantize_work(shape.rows, shape.k, element);
  const auto aligned = [](int64_t count, size_t bytes) {
    return (static_cast<size_t>(count) * bytes + 255) / 256 * 256;
  };
  const size_t src_bytes = aligned(shape.rows * shape.k, element), dst_bytes = aligned(shape.rows * shape.k, 1);
  const size_t scale_bytes = aligned(shape.rows, sizeof(float));
  const size_t one = src_bytes + dst_bytes + scale_bytes, workspace_bytes = request.plan.workspace_bytes(shape.rows);
  const size_t free = bench.budget_bytes() - std::min(bench.budget_bytes(), workspace_bytes);
  const size_t copies = work.bytes > 1e15 ? 0 : rotated_copies(one, clock.rotation_bytes(), free);
  if (copies == 0) {
    fail(kFailed, shape.size(), " does not fit in 60% of the memory of ", device.info().name,
         "; choose a smaller --shape");
  }
  if (copies * one < clock.rotation_bytes()) {
    notes.push_back(text(shape.size(), " from ", request.dtype, ": all copies together are ",
                         format_bytes(static_cast<int64_t>(copies * one)), " and may stay in a cache"));
  }
  const std::vector<std::byte> random = random_normal(shape.rows * shape.k, dtype(request.dtype));
  const host::DeviceMemory memory = device.allocate(copies * one), workspace = device.allocate(workspace_bytes);
  const auto at = [&](size_t index, size_t offset) {
    return static_cast<std::byte *>(memory.get()) + index * one + offset;
  };
  const BenchRun run = [&](size_t index, quern_stream stream) {
    quern_quantize_args args = QUERN_QUANTIZE_ARGS_INIT;
    args.rows = shape.rows;
    args.src = at(index, 0);
    args.dst = at(index, src_bytes);
    args.scales = reinterpret_cast<float *>(at(index, src_bytes + dst_bytes));
    args.workspace = workspace.get();
    args.workspace_bytes = workspace.bytes();
    request.plan.run(args, stream);
  };
  for (size_t index = 0; index < copies; ++index) {
    device.copy(at(index, 0), random.data(), random.size(), clock.stream());
    run(index, clock.stream());  // the system hands out memory when it is first written
  }
  const auto replay = clock.prepare(run, copies);
  const Timing time = time_in_turn({replay.get()}, bench.repeat())[0];
  return {shape, request.dtype, ServedSizes(request.plan).kernel(shape.rows), work, copies, time};
}

}  // namespace

ExitCode run_bench_quantize(const GlobalOptions &global, const BenchQuantizeOptions &options) {
  Bench bench(global, options.device, options.repeat);
  const std::vector<QuantizeRequest> requests = make_requests(bench, options);
  std::string dtypes;
  for (const std::string &name : options.dtypes) dtypes += (dtypes.empty() ? "from " : ", ") + name;
  BenchFacts facts = bench.facts("quantize", dtypes);
  bench.progress().step("measure the roofs");
  facts.roofs.bytes = bench.clock().copy_rate(bench.repeat());
  facts.roofs.memory = "copy";
  std::vector<ConversionPoint> points;
  for (const QuantizeRequest &request : requests) {
    check_interrupt();
    bench.progress().step(text("measure ", request.shape.size(), " from ", request.dtype));
    points.push_back(measure(bench, request, facts.notes));
  }
  bench.progress().clear();
  if (global.json) {
    print_json(conversion_json(facts, points, /*to_dtype=*/false));
  } else {
    print(conversion_text(facts, points, /*to_dtype=*/false));
  }
  return kDone;
}

}  // namespace quern::cli

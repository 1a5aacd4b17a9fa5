// `quern bench gemm`: how fast products are here, against what this machine's memory and matrix units allow.
#include <algorithm>
#include <string>
#include <vector>

#include "cli/bench_gemm_shape.hpp"
#include "cli/early_file.hpp"
#include "cli/failure.hpp"
#include "cli/interrupt.hpp"
#include "cli/roofline_svg.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

void check_sizes(const std::vector<int64_t> &sizes) {
  for (const int64_t m : sizes) {
    if (m < 1 || m > INT32_MAX) fail(kUsage, "--m has ", m, "; it must be 1 to ", INT32_MAX);
  }
}

std::vector<int64_t> sizes_of(const BenchGemmOptions &options, bool on_cuda) {
  std::vector<int64_t> sizes = options.m;
  const int64_t most = on_cuda ? 8192 : 128;  // a CPU takes seconds for each product beyond
  for (int64_t m = 1; options.m.empty() && m <= most; m *= 2) sizes.push_back(m);
  return sizes;
}

quern_layout layout_of(const std::string &name, const host::Device &device, const quern_gemm_desc &desc) {
  quern_layout layout = QUERN_LAYOUT_CANONICAL;
  if (name == "packed") return desc.x_dtype == QUERN_DTYPE_F16 ? QUERN_LAYOUT_MMA16_F16 : QUERN_LAYOUT_MMA16_BF16;
  if (name == "auto") host::check(quern_gemm_best_layout(device.get(), &desc, &layout));
  return layout;
}

// All plans before the first measurement, so that what is refused is refused at once.
std::vector<GemmRequest> make_requests(Bench &bench, const BenchGemmOptions &options,
                                       const std::vector<BenchShape> &shapes, std::vector<std::string> &notes) {
  const std::vector<int64_t> sizes = sizes_of(options, bench.on_cuda());
  std::vector<GemmRequest> requests;
  for (const BenchShape &shape : shapes) {
    check_interrupt();
    bench.progress().move("plan " + shape.name);
    quern_gemm_desc desc = QUERN_GEMM_DESC_INIT;
    desc.x_dtype = desc.y_dtype = dtype(options.dtype);
    desc.m_max = *std::max_element(sizes.begin(), sizes.end());
    desc.n = shape.rows;
    desc.k = shape.k;
    desc.kernel = options.kernel.empty() ? nullptr : options.kernel.c_str();
    desc.overlap = bench.on_cuda() ? 1 : 0;  // W never comes from the run before
    if (options.w4a8.empty()) {
      desc.layout = layout_of(options.layout, bench.device(), desc);
    } else {
      if (!options.with_quantize) desc.x_dtype = QUERN_DTYPE_E4M3;
      desc.layout = QUERN_LAYOUT_MMA16_E5M2;
      desc.accumulation = accumulation(options.w4a8);
    }
    host::Plan plan = host::Plan::gemm(bench.device(), desc);
    ServedSizes served(plan);
    std::vector<int64_t> served_sizes = served.select(sizes, shape.name, notes);
    if (served_sizes.empty()) fail(kNothingMatched, options.kernel, " serves none of the M asked for; choose others");
    requests.push_back({shape, desc, std::move(plan), std::move(served), std::move(served_sizes)});
  }
  return requests;
}

std::unique_ptr<Cublas> open_cublas(Bench &bench, const std::string &wanted, BenchFacts &facts) {
  if (!bench.on_cuda()) return nullptr;
  if (wanted == "off") {
    facts.cublas_missing = "cuBLAS is off";
    return nullptr;
  }
  std::unique_ptr<Cublas> cublas = Cublas::open(bench.device(), bench.clock().stream(), facts.cublas_missing);
  if (cublas == nullptr && wanted == "on") fail(kFailed, facts.cublas_missing);
  if (cublas != nullptr) facts.cublas = cublas->version();
  return cublas;
}

// Floating-point operations a microsecond of a product that fills the chip.
double compute_rate(Bench &bench, const Cublas &cublas, quern_dtype dtype, int64_t side) {
  const host::Device &device = bench.device();
  const size_t bytes = static_cast<size_t>(side * side) * 2;
  const host::DeviceMemory x = device.allocate(bytes), w = device.allocate(bytes), y = device.allocate(bytes);
  const std::vector<std::byte> values = random_normal(side * side, dtype);
  for (const host::DeviceMemory *memory : {&x, &w}) {
    device.copy(memory->get(), values.data(), values.size(), bench.clock().stream());
  }
  const auto replay = bench.clock().prepare(
      [&](size_t, quern_stream) { cublas.multiply(dtype, side, side, side, x.get(), w.get(), y.get()); }, 1);
  const double us = time_in_turn({replay.get()}, bench.repeat())[0].median_us;
  return 2 * static_cast<double>(side) * static_cast<double>(side) * static_cast<double>(side) / us;
}

// fp8: tensor cores multiply FP8 at twice the rate of 16 bits, and so is the roof taken.
Roofs measure_roofs(Bench &bench, const Cublas *cublas, const std::string &dtype_name, bool fp8) {
  constexpr int64_t kSide = 8192;
  Roofs roofs;
  bench.progress().step("measure the roofs");
  roofs.bytes = bench.clock().read_rate(bench.repeat());
  roofs.memory = "read";
  if (roofs.bytes == 0) {
    roofs.bytes = bench.clock().copy_rate(bench.repeat());
    roofs.memory = "copy";
  }
  if (cublas != nullptr) {
    roofs.flops = (fp8 ? 2 : 1) * compute_rate(bench, *cublas, dtype(dtype_name), kSide);
    roofs.compute = text(fp8 ? "twice " : "", "cuBLAS ", dtype_name, " ", kSide, "x", kSide, "x", kSide);
  }
  return roofs;
}

}  // namespace

ExitCode run_bench_gemm(const GlobalOptions &global, const BenchGemmOptions &options) {
  const std::vector<BenchShape> shapes = bench_shapes(options.models, options.shapes, "gpt-oss-20b");
  check_sizes(options.m);
  if (options.with_quantize && options.w4a8.empty()) fail(kUsage, "--with-quantize goes with --w4a8");
  if (options.layout != "auto" && !options.w4a8.empty()) fail(kUsage, "--w4a8 has a layout of its own; drop --layout");
  EarlyFile svg(options.svg);
  Bench bench(global, options.device, options.repeat);
  if (!bench.on_cuda() && options.cublas == "on") fail(kUsage, "cuBLAS runs on CUDA devices; drop --cublas on");
  std::vector<std::string> notes;
  const std::vector<GemmRequest> requests = make_requests(bench, options, shapes, notes);
  BenchFacts facts = bench.facts("gemm", options.dtype);
  const std::unique_ptr<Cublas> cublas = open_cublas(bench, options.cublas, facts);
  facts.w4a8 = options.w4a8;
  if (!options.w4a8.empty()) facts.x_dtype = options.with_quantize ? options.dtype : "e4m3";
  facts.roofs = measure_roofs(bench, cublas.get(), options.dtype, !options.w4a8.empty());

  std::vector<GemmSeries> all;
  for (const GemmRequest &request : requests) {
    bench.progress().step("measure " + request.shape.name);
    GemmShapeBench shape(bench, request, cublas.get(), notes);
    GemmSeries series{request.shape, layout_name(request.desc.layout), shape.copies(), {}};
    for (const int64_t m : request.sizes) {
      bench.progress().move(text("measure ", request.shape.name, ", M ", m));
      series.points.push_back(shape.measure(m, notes));
    }
    all.push_back(std::move(series));
  }
  facts.notes = notes;
  bench.progress().clear();
  if (!options.svg.empty()) svg.write(roofline_svg(gemm_roofline(facts, all)));
  if (global.json) {
    print_json(gemm_json(facts, all));
  } else {
    print(gemm_text(facts, all));
  }
  return kDone;
}

}  // namespace quern::cli

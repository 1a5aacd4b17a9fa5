#include "cli/bench_gemm_shape.hpp"

#include <algorithm>
#include <cmath>

#include "cli/failure.hpp"
#include "cli/float_format.hpp"
#include "cli/quantity.hpp"

namespace quern::cli {
namespace {

constexpr int64_t kCompared = 1 << 20;       // elements of Y, from its start
constexpr double kLargeDifference = 0.02;    // rounding to bf16 makes a tenth of it
constexpr double kLargeWithQuantize = 0.05;  // rounding X to E4M3 makes half of it

[[noreturn]] void fail_too_large(const Bench &bench, const BenchShape &shape, int64_t m) {
  fail(kFailed, shape.size(), " with M ", m, " does not fit in 60% of the memory of ", bench.device().info().name,
       "; choose a smaller --shape or --m");
}

// So that what follows cannot overflow.
void refuse_too_large(const Bench &bench, const BenchShape &shape, int64_t m) {
  const Work work = gemm_work(m, shape.rows, shape.k);
  if (work.bytes > static_cast<double>(bench.budget_bytes())) fail_too_large(bench, shape, m);
}

// As many copies as the rotation wants and the memory allows; what is given up for it is noted.
size_t choose_copies(const std::string &what, size_t bytes, size_t rotation, size_t budget,
                     std::vector<std::string> &notes) {
  const size_t wanted = rotated_copies(bytes, rotation, SIZE_MAX), copies = rotated_copies(bytes, rotation, budget);
  if (copies == 0) return 0;
  if (copies < wanted) {
    notes.push_back(text(what, ": ", copies, " instead of ", wanted, " copies of W, for want of memory"));
  } else if (copies * bytes < rotation) {
    notes.push_back(text(what, ": all copies of W together are ", format_bytes(static_cast<int64_t>(copies * bytes)),
                         " and may stay in a cache"));
  }
  return copies;
}

}  // namespace

GemmShapeBench::GemmShapeBench(Bench &bench, const GemmRequest &request, const Cublas *cublas,
                               std::vector<std::string> &notes)
    : bench_(bench), request_(request), cublas_(cublas) {
  const host::Device &device = bench.device();
  const BenchShape &shape = request.shape;
  const quern_stream stream = bench.clock().stream();
  const size_t rotation = bench.clock().rotation_bytes();
  const int64_t m = request.sizes.back();
  refuse_too_large(bench, shape, m);
  // E4M3 X is there a second time for cuBLAS.
  const size_t x_bytes = static_cast<size_t>(m) * (static_cast<size_t>(shape.k) * (is_e4m3() ? 3 : 2) + 4);
  const size_t y_bytes = static_cast<size_t>(m) * static_cast<size_t>(shape.rows) * 2;
  const size_t workspace_bytes = request.plan.workspace_bytes(m);
  const size_t weight_bytes = MxWeights::bytes(shape, request.desc.layout);
  // The canonical weights from which the copies are made are there besides.
  const size_t fixed =
      x_bytes + (cublas ? 2 : 1) * y_bytes + workspace_bytes + MxWeights::bytes(shape, QUERN_LAYOUT_CANONICAL);
  const size_t free = bench.budget_bytes() - std::min(bench.budget_bytes(), fixed);
  const size_t copies = choose_copies(shape.name, weight_bytes, rotation, free, notes);
  if (copies == 0) fail_too_large(bench, shape, m);
  const RandomWeights random = random_weights(shape.rows, shape.k);
  const CanonicalWeights canonical(device, random, stream);
  weights_ = std::make_unique<MxWeights>(device, shape, request.desc.layout, random, canonical, copies, stream);
  if (cublas_ != nullptr) {
    const size_t dense_copies = choose_copies(shape.name + " for cuBLAS", DenseWeights::bytes(shape), rotation,
                                              free - copies * weight_bytes, notes);
    if (dense_copies > 0) {
      dense_ = std::make_unique<DenseWeights>(device, shape, request.desc.y_dtype, canonical, dense_copies, stream);
      cublas_y_ = device.allocate(y_bytes);
    } else {
      notes.push_back(shape.name + ": not compared with cuBLAS, for want of memory");
    }
  }
  make_x(m);
  y_ = device.allocate(y_bytes);
  workspace_ = device.allocate(workspace_bytes);
}

void GemmShapeBench::make_x(int64_t m) {
  const host::Device &device = bench_.device();
  const auto upload = [&](const void *data, size_t bytes) {
    host::DeviceMemory memory = device.allocate(bytes);
    device.copy(memory.get(), data, bytes, bench_.clock().stream());
    return memory;
  };
  const std::vector<std::byte> x = random_normal(m * request_.shape.k, request_.desc.x_dtype);
  x_ = upload(x.data(), x.size());
  if (!is_e4m3()) return;
  const std::vector<float> scales(static_cast<size_t>(m), kE4m3BenchScale);
  x_scales_ = upload(scales.data(), scales.size() * sizeof(float));
  if (dense_ == nullptr) return;
  const std::vector<std::byte> wide = widen_e4m3(x, request_.desc.y_dtype);
  cublas_x_ = upload(wide.data(), wide.size());
}

BenchRun GemmShapeBench::run(int64_t m) const {
  quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
  args.m = m;
  args.x = x_.get();
  args.x_scales = static_cast<const float *>(x_scales_.get());
  args.y = y_.get();
  args.workspace = workspace_.get();
  args.workspace_bytes = workspace_.bytes();
  return [this, args](size_t index, quern_stream stream) {
    quern_gemm_args chosen = args;
    weights_->choose(index, chosen);
    request_.plan.run(chosen, stream);
  };
}

BenchRun GemmShapeBench::cublas_run(int64_t m) const {
  return [this, m](size_t index, quern_stream stream) {
    static_cast<void>(stream);  // the handle has it
    cublas_->multiply(request_.desc.y_dtype, m, request_.shape.rows, request_.shape.k,
                      is_e4m3() ? cublas_x_.get() : x_.get(), dense_->copy(index), cublas_y_.get());
  };
}

GemmPoint GemmShapeBench::measure(int64_t m, std::vector<std::string> &notes) {
  GemmPoint point;
  point.m = m;
  point.kernel = request_.served.kernel(m);
  BenchClock &clock = bench_.clock();
  if (dense_ == nullptr) {
    const auto replay = clock.prepare(run(m), weights_->copies());
    point.time = time_in_turn({replay.get()}, bench_.repeat())[0];
    return point;
  }
  poison(y_);
  const auto replay = clock.prepare(run(m), weights_->copies());
  const auto cublas_replay = clock.prepare(cublas_run(m), dense_->copies());
  const std::vector<Timing> times = time_in_turn({replay.get(), cublas_replay.get()}, bench_.repeat());
  point.time = times[0];
  point.cublas = times[1];
  point.difference = difference(m);
  const bool rounds_x = request_.desc.layout == QUERN_LAYOUT_MMA16_E5M2 && !is_e4m3();
  if (!(*point.difference <= (rounds_x ? kLargeWithQuantize : kLargeDifference))) {
    const std::string by = std::isnan(*point.difference) ? "NaN" : short_number(100 * *point.difference) + "%";
    notes.push_back(text(request_.shape.name, ", M ", m, ": ", point.kernel, " differs from cuBLAS by ", by,
                         "; run quern selftest"));
  }
  return point;
}

// With NaN, so that what is never written is seen.
void GemmShapeBench::poison(const host::DeviceMemory &y) {
  const std::vector<std::byte> nan(std::min<size_t>(y.bytes(), kCompared * 2), std::byte{0xff});
  bench_.device().copy(y.get(), nan.data(), nan.size(), bench_.clock().stream());
}

double GemmShapeBench::difference(int64_t m) {
  const int64_t elements = std::min(m * request_.shape.rows, kCompared);
  std::vector<std::byte> ours(static_cast<size_t>(elements) * 2), theirs(ours.size());
  const quern_stream stream = bench_.clock().stream();
  bench_.device().copy(ours.data(), y_.get(), ours.size(), stream);
  bench_.device().copy(theirs.data(), cublas_y_.get(), theirs.size(), stream);
  double apart = 0, size = 0;
  for (int64_t i = 0; i < elements; ++i) {
    const double reference = load(theirs.data(), i, request_.desc.y_dtype);
    const double off = load(ours.data(), i, request_.desc.y_dtype) - reference;
    apart += off * off;
    size += reference * reference;
  }
  return std::sqrt(apart / size);
}

}  // namespace quern::cli

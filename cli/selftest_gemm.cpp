// GEMM held to the bound in quern.h against the same product in f64, and bit for bit where the result is exact.
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>

#include "cli/failure.hpp"
#include "cli/float_format.hpp"
#include "cli/guarded_memory.hpp"
#include "cli/interrupt.hpp"
#include "cli/selftest_gemm_case.hpp"
#include "cli/selftest_subject.hpp"

namespace quern::cli {
namespace {

constexpr quern_dtype kNoBias = static_cast<quern_dtype>(0);

// What FP8 tensor cores may be off by: of an element, as a part of its sum of |x * w|; of all together, in the
// Frobenius norm. Where one product alone is summed, or integers, they are exact.
constexpr double kTruncatedElement = 1e-3;
constexpr double kPromotedTogether = 3e-4, kFastTogether = 2e-3, kLongFastTogether = 5e-3;
constexpr int64_t kLongSum = 4096;
constexpr double kSteepestActivation = 1.2;

double sum_error(const GemmCase &test) {
  const bool sums = test.data == GemmData::kRandom || test.data == GemmData::kWide;
  return test.truncates && sums ? kTruncatedElement : 1e-5;
}

// The error over its bound: up to 0.5 is correctly rounded, above 1 is wrong.
double error_ratio(double got, double result, double magnitude, const GemmCase &test) {
  if (std::isnan(result) || std::isnan(got)) return std::isnan(result) == std::isnan(got) ? 0 : INFINITY;
  if (test.data == GemmData::kIntegers) return got == round_to(result, test.y_dtype) ? 0 : INFINITY;
  const double bound = unit_in_last_place(result, test.y_dtype) + sum_error(test) * magnitude;
  if (std::isinf(got)) {
    const bool may_overflow = std::fabs(result) + bound >= overflow_threshold(test.y_dtype);
    if (!may_overflow || std::signbit(got) != std::signbit(result)) return INFINITY;
    return got == round_to(result, test.y_dtype) ? 0 : 1;
  }
  return std::isinf(result) ? INFINITY : std::fabs(got - result) / bound;
}

class GemmRun {
 public:
  GemmRun(const TestBench &bench, const Subject &subject, const GemmCase &test, Outcome &outcome)
      : device_(bench.device),
        cpu_(bench.cpu),
        test_(test),
        outcome_(outcome),
        batch_invariant_(subject.batch_invariant) {
    desc_.x_dtype = test.x_dtype;
    desc_.y_dtype = test.y_dtype;
    desc_.bias_dtype = test.bias_dtype;
    desc_.m_max = test.largest();
    desc_.n = test.n;
    desc_.k = test.k;
    desc_.x_stride = test.k + (test.strided ? 16 : 0);
    desc_.y_stride = test.n + (test.strided ? 1 : 0);
    desc_.blocks_stride = test.k / 2 + (test.strided ? 16 : 0);
    desc_.scales_stride = test.k / 32 + (test.strided ? 1 : 0);
    desc_.scale_zero = test.scale_zero;
    desc_.activation = test.activation;
    desc_.residual = test.finish ? 1 : 0;
    desc_.residual_stride = desc_.y_stride;
    if (test.packed) desc_.layout = packed_layout();
    desc_.accumulation = test.accumulation;
    desc_.kernel = subject.force_or_null();
    desc_.target = subject.target_or_null();
    served_ = served_sizes(bench.device, desc_, subject);
  }

  // "" or why the kernel does not take the case.
  std::string refusal() const { return served_.ranges.empty() ? served_.reason : ""; }

  // "" or what is wrong.
  std::string run() {
    const host::Plan plan = host::Plan::gemm(device_, desc_);
    const GemmTensors tensors = make_tensors(test_, cpu_);
    const auto bytes = [](int64_t count) { return static_cast<size_t>(count); };
    const size_t x_bytes = dtype_bytes(test_.x_dtype);
    const auto x = upload_rows(device_, tensors.x, bytes(test_.k) * x_bytes, bytes(desc_.x_stride) * x_bytes);
    const auto x_scales = upload_rows(device_, tensors.x_scales, sizeof(float), sizeof(float));
    auto blocks = upload_rows(device_, tensors.blocks, bytes(test_.k / 2), bytes(desc_.blocks_stride));
    auto scales = upload_rows(device_, tensors.scales, bytes(test_.k / 32), bytes(desc_.scales_stride));
    if (test_.packed) {
      const std::string wrong = pack(blocks, scales, tensors);
      if (!wrong.empty()) return wrong;
    }
    const size_t y_bytes = dtype_bytes(test_.y_dtype);
    const auto residual =
        upload_rows(device_, tensors.residual, bytes(test_.n) * y_bytes, bytes(desc_.residual_stride) * y_bytes);
    const auto bias = upload_rows(device_, tensors.bias, tensors.bias.size(), tensors.bias.size());
    const host::DeviceMemory workspace = device_.allocate(plan.workspace_bytes(test_.largest()));

    quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
    args.x = x.get();
    args.x_scales = static_cast<const float *>(x_scales.get());
    args.blocks = blocks.get();
    args.scales = scales.get();
    args.bias = test_.bias_dtype == kNoBias ? nullptr : bias.get();
    args.residual = test_.finish ? residual.get() : nullptr;
    args.alpha = static_cast<float>(test_.alpha());
    args.workspace = workspace.get();
    args.workspace_bytes = workspace.bytes();
    for (const int64_t size : test_.sizes) {
      if (!served_.has(size)) continue;
      check_interrupt();
      args.m = size;
      const std::string wrong = run_size(plan, args, tensors);
      ++outcome_.cases;
      if (!wrong.empty()) return text("M ", size, ", ", test_.text(), ": ", wrong);
    }
    return "";
  }

 private:
  quern_layout packed_layout() const {
    if (test_.fp8()) return QUERN_LAYOUT_MMA16_E5M2;
    return test_.x_dtype == QUERN_DTYPE_F16 ? QUERN_LAYOUT_MMA16_F16 : QUERN_LAYOUT_MMA16_BF16;
  }

  // Puts the packed tensor in place of blocks, and nothing in place of scales; unpacks it again to see that it can.
  std::string pack(host::DeviceMemory &blocks, host::DeviceMemory &scales, const GemmTensors &tensors) {
    quern_weights_desc weights = QUERN_WEIGHTS_DESC_INIT;
    weights.layout = packed_layout();
    weights.n = test_.n;
    weights.k = test_.k;
    weights.blocks_stride = desc_.blocks_stride;
    weights.scales_stride = desc_.scales_stride;
    weights.scale_zero = test_.scale_zero;
    host::DeviceMemory packed = device_.pack(weights, blocks.get(), scales.get());
    weights.blocks_stride = weights.scales_stride = 0;
    weights.scale_zero = QUERN_SCALE_ZERO_EXACT;
    GuardedMemory back(device_, tensors.blocks.size()), scales_back(device_, tensors.scales.size());
    device_.unpack(weights, packed.get(), back.get(), scales_back.get());
    if (!back.fetch() || !scales_back.fetch()) return "unpacking wrote outside its tensors";
    const bool same = std::equal(tensors.scales.begin(), tensors.scales.end(), scales_back.data()) &&
                      (test_.scale_zero == QUERN_SCALE_ZERO_FLUSH ||
                       std::equal(tensors.blocks.begin(), tensors.blocks.end(), back.data()));
    if (!same) return "unpacking did not give back what was packed";
    blocks = std::move(packed);
    scales = host::DeviceMemory();
    return "";
  }

  std::string run_size(const host::Plan &plan, quern_gemm_args args, const GemmTensors &tensors) {
    const int64_t elements = (args.m - 1) * desc_.y_stride + test_.n;
    const size_t element = dtype_bytes(test_.y_dtype);
    GuardedMemory y(device_, static_cast<size_t>(elements) * element, test_.strided ? element : 0);
    args.y = y.get();
    plan.run(args);
    device_.synchronize();
    if (!y.fetch()) return "memory outside y was written";
    const std::vector<std::byte> first(y.data(), y.data() + elements * static_cast<int64_t>(element));
    std::string wrong = compare(first.data(), args.m, tensors);
    if (!wrong.empty()) return wrong;

    y.poison();
    plan.run(args);
    device_.synchronize();
    y.fetch();
    if (std::memcmp(first.data(), y.data(), first.size()) != 0) return "a second run gave other bits";
    // Sizes only grow, and X begins with the same rows.
    if (batch_invariant_ && !std::equal(smaller_.begin(), smaller_.end(), first.begin())) {
      return "a row has other bits than with fewer rows, and the kernel is batch-invariant";
    }
    smaller_ = first;
    return "";
  }

  std::string compare(const std::byte *y, int64_t m, const GemmTensors &tensors) {
    double off = 0, size = 0, typical = 0;  // squared
    for (int64_t row = 0; row < m; ++row) {
      for (int64_t column = 0; column < desc_.y_stride; ++column) {
        const int64_t at = row * desc_.y_stride + column;
        if (column >= test_.n) {
          if (row + 1 < m && !poisoned(y, at)) return text("memory behind row ", row, " was written");
          continue;
        }
        const auto index = static_cast<size_t>(row * test_.n + column);
        const double got = load(y, at, test_.y_dtype);
        const double ratio =
            poisoned(y, at) ? INFINITY : error_ratio(got, tensors.result[index], tensors.magnitude[index], test_);
        outcome_.worst = std::max(outcome_.worst, ratio);
        const double beyond_rounding = std::max(
            0.0, std::fabs(got - tensors.result[index]) - unit_in_last_place(tensors.result[index], test_.y_dtype));
        off += beyond_rounding * beyond_rounding;
        size += tensors.product[index] * tensors.product[index];
        typical += tensors.magnitude[index] * tensors.magnitude[index] / static_cast<double>(test_.k);
        if (!(ratio <= 1)) {
          return text("y[", row, ", ", column, "] is ", got, poisoned(y, at) ? " (not written)" : "", ", not ",
                      tensors.result[index], "; the error is ", ratio, " of its bound");
        }
      }
    }
    if (!test_.truncates || test_.data != GemmData::kRandom) return "";
    // Where few sums are compared they may all be small by chance, hence what is typical of such sums.
    return check_together(std::sqrt(off / std::max(size, typical)));
  }

  std::string check_together(double off) {
    const double allowed = (test_.accumulation == QUERN_ACCUMULATION_PROMOTED ? kPromotedTogether
                            : test_.k <= kLongSum                             ? kFastTogether
                                                                              : kLongFastTogether) *
                           (test_.activation == QUERN_ACTIVATION_NONE ? 1 : kSteepestActivation);
    outcome_.worst = std::max(outcome_.worst, off / allowed);
    if (off <= allowed) return "";
    return text("all of y together is off by ", off, ", relative; ", allowed, " is allowed");
  }

  bool poisoned(const std::byte *y, int64_t at) const {
    const auto bytes = static_cast<int64_t>(dtype_bytes(test_.y_dtype));
    return std::all_of(y + at * bytes, y + (at + 1) * bytes,
                       [](std::byte byte) { return byte == GuardedMemory::kPoison; });
  }

  const host::Device &device_;
  const host::Device &cpu_;
  const GemmCase &test_;
  Outcome &outcome_;
  bool batch_invariant_;
  std::vector<std::byte> smaller_;  // Y of the size before
  quern_gemm_desc desc_ = QUERN_GEMM_DESC_INIT;
  Served served_;
};

void add_small_cases(int64_t n, int64_t k, const std::vector<int64_t> &sizes, bool quick,
                     const std::vector<quern_dtype> &x_dtypes, std::vector<GemmCase> &cases) {
  constexpr quern_dtype kBf16 = QUERN_DTYPE_BF16, kF16 = QUERN_DTYPE_F16, kF32 = QUERN_DTYPE_F32;
  constexpr quern_scale_zero kExact = QUERN_SCALE_ZERO_EXACT, kFlush = QUERN_SCALE_ZERO_FLUSH;
  for (const quern_dtype x : x_dtypes) {
    for (const quern_dtype y : {kBf16, kF16}) {
      for (const quern_dtype bias : {kNoBias, kF32, kF16, kBf16}) {
        if (quick && ((x != y && x != QUERN_DTYPE_E4M3) || bias == kF16)) continue;
        cases.push_back({GemmData::kRandom, n, k, sizes, x, y, bias, kExact, false});
      }
      cases.push_back({GemmData::kIntegers, n, k, sizes, x, y, kF32, kExact, true});
    }
    cases.push_back({GemmData::kWide, n, k, sizes, x, kBf16, kNoBias, kExact, false});
    if (x == kBf16) {
      for (const GemmData data : {GemmData::kLarge, GemmData::kSmall}) {
        cases.push_back({data, n, k, sizes, x, kF32, kNoBias, kExact, false});
      }
    }
    for (const quern_scale_zero zero : {kExact, kFlush}) {
      cases.push_back({GemmData::kCorners, n, k, sizes, x, kBf16, kNoBias, zero, false});
    }
  }
}

// Every output type and activation, with and without the rest of the epilogue.
void add_epilogue_cases(int64_t n, int64_t k, const std::vector<int64_t> &sizes, bool quick, quern_dtype x,
                        std::vector<GemmCase> &cases) {
  constexpr quern_dtype kBf16 = QUERN_DTYPE_BF16, kF32 = QUERN_DTYPE_F32;
  for (const quern_dtype y : {kF32, kBf16, QUERN_DTYPE_F16}) {
    for (int activation = 0; activation <= QUERN_ACTIVATION_GELU_TANH; ++activation) {
      if (quick && y != kF32 && activation > 1) continue;
      for (const bool strided : {false, true}) {
        cases.push_back({GemmData::kRandom, n, k, sizes, x, y, kF32, QUERN_SCALE_ZERO_EXACT, strided,
                         static_cast<quern_activation>(activation), true});
      }
    }
  }
}

// Cases of E4M3 X once for each way to sum.
void set_accumulation(const Subject &subject, std::vector<GemmCase> &cases) {
  const std::vector<GemmCase> once = std::move(cases);
  cases.clear();
  for (const quern_accumulation accumulation : subject.accumulations) {
    for (GemmCase test : once) {
      test.accumulation = accumulation;
      test.truncates = !subject.is_cpu();
      cases.push_back(std::move(test));
    }
  }
}

std::vector<GemmCase> make_cases(const TestBench &bench, const Subject &subject) {
  const std::vector<quern_dtype> x_dtypes =
      subject.accumulations.empty() ? std::vector{QUERN_DTYPE_BF16, QUERN_DTYPE_F16} : std::vector{QUERN_DTYPE_E4M3};
  const quern_dtype x = x_dtypes.front();
  constexpr quern_dtype kBf16 = QUERN_DTYPE_BF16;
  constexpr int64_t kQuickProducts = 20'000'000;
  std::vector<TestShape> shapes = subject.shapes;
  if (shapes.empty()) shapes = {{1, 64, 32}, {17, 192, 96}, {65, 320, 2880}};
  // A kernel may ask for large multiples: the smallest of its own shapes is sure to be one it takes.
  const TestShape small = *std::min_element(
      shapes.begin(), shapes.end(), [](const TestShape &a, const TestShape &b) { return a.n * a.k < b.n * b.k; });
  const std::vector<int64_t> sizes = subject.clip({1, 7, 9, 17, 65});
  std::vector<GemmCase> cases;
  add_small_cases(small.n, small.k, sizes, bench.quick, x_dtypes, cases);
  add_epilogue_cases(small.n, small.k, sizes, bench.quick, x, cases);
  if (!bench.quick && !subject.is_cpu()) {
    std::vector<int64_t> every(257);
    std::iota(every.begin(), every.end(), 1);
    for (const quern_dtype each : x_dtypes) {
      for (const quern_dtype y : {QUERN_DTYPE_F32, each == QUERN_DTYPE_E4M3 ? kBf16 : each}) {
        cases.push_back({GemmData::kIntegers, small.n, small.k, subject.clip(every), each, y, kNoBias,
                         QUERN_SCALE_ZERO_EXACT, false});
      }
    }
  }
  for (const auto &[n, k] : {std::pair<int64_t, int64_t>{1, 32}, {63, 96}, {130, 160}}) {
    cases.push_back({GemmData::kRandom, n, k, sizes, x, kBf16, QUERN_DTYPE_F32, QUERN_SCALE_ZERO_EXACT, true});
  }
  for (const TestShape &shape : shapes) {
    const std::vector<int64_t> size = {std::clamp(shape.size, subject.least, subject.most)};
    if (bench.quick && size[0] * shape.n * shape.k > kQuickProducts) continue;
    for (const GemmData data : {GemmData::kRandom, GemmData::kIntegers}) {
      cases.push_back({data, shape.n, shape.k, size, x, kBf16, QUERN_DTYPE_F32, QUERN_SCALE_ZERO_EXACT, false});
    }
  }
  if (!subject.accumulations.empty()) set_accumulation(subject, cases);
  for (GemmCase &test : cases) {
    test.packed = subject.packed;
    test.unbounded = subject.packed && !subject.is_cpu();
  }
  return cases;
}

}  // namespace

Outcome test_gemm(const TestBench &bench, const Subject &subject) {
  Outcome outcome;
  std::string first_refusal;
  for (const GemmCase &test : make_cases(bench, subject)) {
    check_interrupt();
    bench.progress.move(text(subject.kernel, " ", subject.target, ": ", test.text()));
    std::string refused;
    try {
      GemmRun run(bench, subject, test, outcome);
      refused = run.refusal();
      if (refused.empty()) outcome.failure = run.run();
    } catch (const host::StatusError &error) {
      (error.status() == QUERN_UNSUPPORTED ? refused : outcome.failure) = error.what();
    }
    if (!outcome.failure.empty()) return outcome;
    if (first_refusal.empty()) first_refusal = refused;
  }
  if (outcome.cases == 0) outcome.refused = first_refusal;
  return outcome;
}

}  // namespace quern::cli

#include "runtime/operations/gemm_tuning.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include <quern/e4m3.h>
#include <quern/mxfp4.h>

#include "runtime/base/error.hpp"
#include "runtime/operations/few_kernels.hpp"
#include "runtime/operations/graph_timer.hpp"
#include "runtime/operations/packed_weights.hpp"
#include "runtime/plan/cuda_executor.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/plan/tuning.hpp"

namespace quern {
namespace {

constexpr int kReplays = 3;
constexpr int64_t kCacheMultiple = 4;  // the weights of one replay are so many times the L2 cache
constexpr int kLeastRuns = 2, kMostRuns = 64;
constexpr double kReplayMicroseconds = 1000;  // to aim for
constexpr double kGoodEnough = 1.02;          // times the fastest: as far as two measurements differ
constexpr double kHopeless = 1.5;             // times the best so far at a glance: not looked at twice
constexpr double kContender = 1.1;            // times the best: timed again, in turns
constexpr size_t kTurns = 3;
constexpr int64_t kXRows = 61;  // of random numbers; X repeats them, and no tile is a multiple of them
constexpr int64_t kRowsCompared = 67;
// A result may differ from the reference's by two roundings of bf16 and the order of the sums; of fast accumulation by
// what it drops.
constexpr double kTolerance = 6e-3;
constexpr double kFastTolerance = 1.2e-2;

class Memory {
 public:
  Memory(Device &device, size_t bytes) : device_(device), memory_(device.allocate(bytes)) {}
  Memory(Memory &&other) noexcept : device_(other.device_), memory_(std::exchange(other.memory_, nullptr)) {}
  ~Memory() {
    try {
      if (memory_ != nullptr) device_.release(memory_);
    } catch (const Error &) {  // the driver is gone; so is the memory
    }
  }
  void *get() const { return memory_; }

 private:
  Device &device_;
  void *memory_;
};

std::vector<uint8_t> random_bytes(size_t bytes, uint32_t seed, uint8_t least, uint8_t span) {
  std::mt19937 random(seed);
  std::vector<uint8_t> out(bytes);
  for (uint8_t &byte : out) byte = static_cast<uint8_t>(least + random() % span);
  return out;
}

// X, Y and enough copies of W that none is still in the L2 cache when its turn comes again. E4M3 X is there a second
// time in bf16 with its scales, powers of two, multiplied in, which is exact: what a kernel for canonical weights
// takes.
class Operands {
 public:
  Operands(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc)
      : desc_(desc),
        blocks_(*device, static_cast<size_t>(desc.n * (desc.k / 2))),
        scales_(*device, static_cast<size_t>(desc.n * (desc.k / kMxfp4Block))),
        x_(*device, static_cast<size_t>(desc.m_max * desc.k) * 2),
        x8_(*device, is_e4m3() ? static_cast<size_t>(desc.m_max * desc.k) : 0),
        x_scales_(*device, is_e4m3() ? static_cast<size_t>(desc.m_max) * sizeof(float) : 0),
        y_(*device, static_cast<size_t>(desc.m_max * desc.n) * dtype_bytes(desc.y_dtype)),
        device_(device) {
    upload(blocks_, random_bytes(static_cast<size_t>(desc.n * (desc.k / 2)), 1, 0, 255));
    upload(scales_, random_bytes(static_cast<size_t>(desc.n * (desc.k / kMxfp4Block)), 2, 118, 8));
    is_e4m3() ? fill_e4m3() : fill_x();
    const auto bytes = static_cast<size_t>(packed_bytes(desc.n, desc.k));
    const int64_t copies = std::clamp<int64_t>(kCacheMultiple * device->l2_bytes() / static_cast<int64_t>(bytes) + 1, 2,
                                               int64_t{kMostRuns});
    for (int64_t i = 0; i < copies; ++i) packed_.emplace_back(*device, bytes);
    quern_weights_desc weights = QUERN_WEIGHTS_DESC_INIT;
    weights.layout = desc.layout;
    weights.n = desc.n;
    weights.k = desc.k;
    weights = checked_weights(weights);
    for (const Memory &copy : packed_) {
      pack_weights(device, weights, blocks_.get(), scales_.get(), copy.get(), nullptr);
    }
  }

  size_t copies() const { return packed_.size(); }

  quern_gemm_args packed_args(int64_t m, size_t copy) const {
    quern_gemm_args args = QUERN_GEMM_ARGS_INIT;
    args.m = m;
    args.x = is_e4m3() ? x8_.get() : x_.get();
    args.x_scales = static_cast<const float *>(x_scales_.get());
    args.y = y_.get();
    args.blocks = packed_[copy % packed_.size()].get();
    return args;
  }
  quern_gemm_args canonical_args(int64_t m) const {
    quern_gemm_args args = packed_args(m, 0);
    args.x = x_.get();
    args.x_scales = nullptr;
    args.blocks = blocks_.get();
    args.scales = scales_.get();
    return args;
  }
  // Some rows of Y after a run, from the first to the last, as f32; they are poisoned before the run.
  std::vector<float> result(const GemmPlan &plan, const quern_gemm_args &args) const {
    const int64_t rows = std::min(args.m, kRowsCompared);
    const size_t row_bytes = static_cast<size_t>(desc_.n) * 2;
    std::vector<uint8_t> y(static_cast<size_t>(rows) * row_bytes, 0xff);
    const auto row = [&](int64_t i) {
      const int64_t index = rows == 1 ? 0 : i * (args.m - 1) / (rows - 1);
      return static_cast<uint8_t *>(y_.get()) + static_cast<size_t>(index) * row_bytes;
    };
    for (int64_t i = 0; i < rows; ++i) device_->copy(row(i), y.data(), row_bytes, nullptr);
    plan.run(args, nullptr);
    std::vector<float> values;
    values.reserve(static_cast<size_t>(rows * desc_.n));
    for (int64_t i = 0; i < rows; ++i) {
      uint8_t *to = y.data() + static_cast<size_t>(i) * row_bytes;
      device_->copy(to, row(i), row_bytes, nullptr);
      for (size_t at = 0; at < row_bytes; at += 2) {
        const auto bits = static_cast<uint16_t>(to[at] | to[at + 1] << 8);
        values.push_back(desc_.y_dtype == QUERN_DTYPE_F16 ? f32_from_f16(bits) : f32_from_bf16(bits));
      }
    }
    return values;
  }

 private:
  bool is_e4m3() const { return desc_.x_dtype == QUERN_DTYPE_E4M3; }
  size_t x_rows() const { return static_cast<size_t>(std::min(kXRows, desc_.m_max)); }

  void fill_x() {
    std::mt19937 random(3);
    std::vector<uint16_t> x(x_rows() * static_cast<size_t>(desc_.k));
    for (uint16_t &bits : x) {
      const float value = static_cast<float>(random()) / 0x1p31f - 1.0f;
      bits = desc_.x_dtype == QUERN_DTYPE_F16 ? f16_from_f32(value) : bf16_from_f32(value);
    }
    repeat(x_, x.data(), x.size() * 2, static_cast<size_t>(desc_.k) * 2);
  }
  void fill_e4m3() {
    std::mt19937 random(3);
    const auto k = static_cast<size_t>(desc_.k);
    std::vector<uint8_t> x(x_rows() * k);
    std::vector<uint16_t> wide(x.size());
    std::vector<float> scales(x_rows());
    for (size_t row = 0; row < scales.size(); ++row) {
      scales[row] = 1.0f / static_cast<float>(64 << row % 3);
      for (size_t i = row * k; i < (row + 1) * k; ++i) {
        x[i] = e4m3_from_f32((static_cast<float>(random()) / 0x1p31f - 1.0f) * kE4m3Largest);
        wide[i] = bf16_from_f32(f32_from_e4m3(x[i]) * scales[row]);
      }
    }
    repeat(x8_, x.data(), x.size(), k);
    repeat(x_scales_, scales.data(), scales.size() * sizeof(float), sizeof(float));
    repeat(x_, wide.data(), wide.size() * 2, k * 2);
  }
  // These rows again and again, up to m_max.
  void repeat(const Memory &memory, const void *rows, size_t bytes, size_t row_bytes) {
    const size_t all = static_cast<size_t>(desc_.m_max) * row_bytes;
    for (size_t at = 0; at < all; at += bytes) {
      device_->copy(static_cast<uint8_t *>(memory.get()) + at, rows, std::min(bytes, all - at), nullptr);
    }
  }
  void upload(const Memory &memory, const std::vector<uint8_t> &bytes) {
    device_->copy(memory.get(), bytes.data(), bytes.size(), nullptr);
  }

  quern_gemm_desc desc_;
  Memory blocks_, scales_, x_, x8_, x_scales_, y_;
  std::vector<Memory> packed_;
  std::shared_ptr<Device> device_;
};

// Relative to the reference, in the Frobenius norm; NaN where either holds one.
double distance(const std::vector<float> &got, const std::vector<float> &expected) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double apart = double{got[i]} - double{expected[i]};
    difference += apart * apart;
    norm += double{expected[i]} * double{expected[i]};
  }
  return std::sqrt(difference / norm);
}

// The problem as it is measured: what hardly changes the time is left out.
quern_gemm_desc measured_problem(const quern_gemm_desc &desc) {
  if (desc.layout == QUERN_LAYOUT_CANONICAL) {
    fail(QUERN_INVALID_ARGUMENT, "layout is canonical; tuning is for packed weights");
  }
  quern_gemm_desc plain = QUERN_GEMM_DESC_INIT;
  plain.format = desc.format;
  plain.x_dtype = plain.y_dtype = desc.x_dtype;
  if (desc.layout == QUERN_LAYOUT_MMA16_E5M2) {
    plain.x_dtype = QUERN_DTYPE_E4M3;
    plain.y_dtype = QUERN_DTYPE_BF16;
    plain.accumulation = desc.accumulation;
  }
  plain.m_max = desc.m_max;
  plain.n = desc.n;
  plain.k = desc.k;
  plain.layout = desc.layout;
  plain.batch_invariant = desc.batch_invariant;
  plain.overlap = 1;
  return plain;
}

class Tuner {
 public:
  Tuner(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc)
      : device_(device), desc_(desc), operands_(device, desc), timer_(*device) {
    quern_gemm_desc canonical = desc;
    canonical.layout = QUERN_LAYOUT_CANONICAL;
    canonical.batch_invariant = 0;
    canonical.x_dtype = desc.y_dtype;
    canonical.accumulation = QUERN_ACCUMULATION_PROMOTED;
    reference_ = make(canonical);
  }

  // Throws if this kernel may not serve.
  void check(const std::string &kernel, int64_t m) {
    if (m != expected_m_) {
      expected_ = operands_.result(*reference_, operands_.canonical_args(m));
      expected_m_ = m;
    }
    const double error = distance(operands_.result(*forced(kernel), operands_.packed_args(m, 0)), expected_);
    if (!(error <= (desc_.accumulation == QUERN_ACCUMULATION_FAST ? kFastTolerance : kTolerance))) {
      fail(QUERN_INTERNAL, kernel, " gives a wrong result at M = ", m, ": it is ", error, " from the reference");
    }
  }

  // The microseconds of a run. Of a kernel that is far from `best` only at a glance.
  double time(const std::string &kernel, int64_t m, double best) {
    const std::unique_ptr<GemmPlan> plan = forced(kernel);
    const auto runs_of = [&](int runs) {
      return [this, &plan, m, runs](quern_stream stream) {
        for (int i = 0; i < runs; ++i) plan->run(operands_.packed_args(m, static_cast<size_t>(i)), stream);
      };
    };
    const double estimate = timer_.microseconds(runs_of(kLeastRuns), 1) / kLeastRuns;
    if (estimate > kHopeless * best + 10) return estimate;
    const int runs = std::clamp(static_cast<int>(kReplayMicroseconds / estimate), kLeastRuns, kMostRuns);
    return timer_.microseconds(runs_of(runs), kReplays) / runs;
  }

 private:
  std::unique_ptr<GemmPlan> make(const quern_gemm_desc &desc) const {
    return std::unique_ptr<GemmPlan>(static_cast<GemmPlan *>(GemmPlan::make(device_, desc).release()));
  }

  std::unique_ptr<GemmPlan> forced(const std::string &kernel) const {
    quern_gemm_desc desc = desc_;
    desc.kernel = kernel.c_str();
    desc.batch_invariant = 0;  // of one kernel every run is
    return make(desc);
  }

  std::shared_ptr<Device> device_;
  quern_gemm_desc desc_;
  Operands operands_;
  GraphTimer timer_;
  std::unique_ptr<GemmPlan> reference_;
  std::vector<float> expected_;
  int64_t expected_m_ = 0;
};

// Leaves those that may be the fastest, timed again in turns: a chip under load slows down by more than they differ,
// and who is timed first would win.
void time_in_turns(Tuner &tuner, int64_t m, double best, std::vector<KernelTime> &times) {
  times.erase(std::remove_if(times.begin(), times.end(),
                             [best](const KernelTime &time) { return time.microseconds > kContender * best; }),
              times.end());
  if (times.size() < 2) return;
  std::vector<std::array<double, kTurns>> turns(times.size());
  for (size_t turn = 0; turn < kTurns; ++turn) {
    for (size_t i = 0; i < times.size(); ++i) {
      const size_t which = turn % 2 == 0 ? i : times.size() - 1 - i;
      turns[which][turn] = tuner.time(times[which].kernel, m, std::numeric_limits<double>::infinity());
    }
  }
  for (size_t i = 0; i < times.size(); ++i) {
    std::sort(turns[i].begin(), turns[i].end());
    times[i].microseconds = turns[i][kTurns / 2];
  }
}

}  // namespace

void tune_gemm(const std::shared_ptr<Device> &device, const quern_gemm_desc &desc,
               const std::function<void(const TuningReport &)> &report) {
  if (device->kind() != QUERN_DEVICE_CUDA) {
    fail(QUERN_UNSUPPORTED, device->name(), " has no kernels to choose from; tune on cuda:N");
  }
  const quern_gemm_desc plain = measured_problem(desc);
  const DispatchRequest ask = GemmPlan::dispatch_request(*device, plain);
  std::vector<std::pair<int64_t, std::vector<Candidate>>> work;
  int total = 0;
  for (const int64_t m : cost_steps(plain.m_max)) {
    work.emplace_back(m, competitors(*device->hub().catalog(), ask, m));
    total += static_cast<int>(work.back().second.size());
  }
  if (total == 0) fail(QUERN_UNSUPPORTED, "no kernels compete for this problem on ", device->name());

  Tuner tuner(device, plain);
  std::vector<int64_t> sizes;
  std::vector<std::vector<KernelTime>> times;  // of each size
  int done = 0;
  for (const auto &[m, candidates] : work) {
    std::vector<KernelTime> of_size;
    double best = std::numeric_limits<double>::infinity();
    for (const Candidate &candidate : candidates) {
      TuningReport row{candidate.name(), m, 0, "", false, false, ++done, total};
      try {
        tuner.check(row.kernel, m);
        row.microseconds = tuner.time(row.kernel, m, best);
        row.fastest = row.microseconds < best;
        best = std::min(best, row.microseconds);
        of_size.push_back({row.kernel, row.microseconds});
      } catch (const Error &error) {
        if (error.status() == QUERN_CUDA_ERROR || error.status() == QUERN_OUT_OF_MEMORY) throw;
        row.failure = error.what();
      }
      report(row);
    }
    if (of_size.empty()) continue;
    time_in_turns(tuner, m, best, of_size);
    sizes.push_back(m);
    times.push_back(std::move(of_size));
  }
  const std::vector<KernelTime> chosen = few_kernels(times, kGoodEnough);
  Measurement outcome{device->facts().model, tuning_fields(ask.problem), {}};
  for (size_t i = 0; i < chosen.size(); ++i) {
    report({chosen[i].kernel, sizes[i], chosen[i].microseconds, "", false, true, done, total});
    if (!outcome.steps.empty() && outcome.steps.back().kernel == chosen[i].kernel) {
      outcome.steps.back().last = sizes[i];
    } else {
      outcome.steps.push_back({sizes[i], chosen[i].kernel});
    }
  }
  if (!outcome.steps.empty()) save_tuning(device->hub(), ask.problem, outcome);
}

}  // namespace quern

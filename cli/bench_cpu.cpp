#include "cli/bench_cpu.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

namespace quern::cli {
namespace {

constexpr double kSampleUs = 20'000;
constexpr size_t kRotation = size_t{256} << 20;  // more than the caches of most machines
constexpr size_t kRateBytes = size_t{512} << 20;

double now_us() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class WallClockReplay final : public Replay {
 public:
  WallClockReplay(BenchRun run, size_t copies) : run_(std::move(run)), copies_(copies) {
    const double first = time(1);
    // The first run may have been slow to begin with; the second says how long they are.
    const double again = first < kSampleUs ? time(1) : first;
    runs_ = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(kSampleUs / std::max(again, 0.01))));
  }

  int64_t runs() const override { return runs_; }
  double sample() override { return time(runs_) / static_cast<double>(runs_); }

 private:
  double time(int64_t runs) {
    const double start = now_us();
    for (int64_t i = 0; i < runs; ++i) run_(next_++ % copies_, nullptr);
    return now_us() - start;
  }

  BenchRun run_;
  size_t copies_, next_ = 0;
  int64_t runs_ = 1;
};

// Calls `work` with a part of [0, count) in each of so many threads.
template <typename Work>
void in_parts(size_t count, size_t threads, const Work &work) {
  std::vector<std::jthread> workers;
  for (size_t i = 0; i < threads; ++i) {
    workers.emplace_back([&work, begin = count * i / threads, end = count * (i + 1) / threads] { work(begin, end); });
  }
}

class CpuClock final : public BenchClock {
 public:
  explicit CpuClock(const host::Device &device)
      : threads_(static_cast<size_t>(std::max(1, device.info().sm_count))),
        words_(std::min(kRateBytes, static_cast<size_t>(device.info().memory_bytes) / 8) / sizeof(uint64_t)) {}

  quern_stream stream() const override { return nullptr; }
  size_t rotation_bytes() const override { return kRotation; }
  std::unique_ptr<Replay> prepare(const BenchRun &run, size_t copies) override {
    return std::make_unique<WallClockReplay>(run, copies);
  }

  double copy_rate(int repeat) override {
    std::vector<uint64_t> src(words_ / 2, 1), dst(words_ / 2, 2);
    return rate(repeat, [&] {
      in_parts(src.size(), threads_, [&](size_t begin, size_t end) {
        std::memcpy(dst.data() + begin, src.data() + begin, (end - begin) * sizeof(uint64_t));
      });
    });
  }

  double read_rate(int repeat) override {
    const std::vector<uint64_t> words(words_, 1);
    return rate(repeat, [&] {
      in_parts(words.size(), threads_, [&](size_t begin, size_t end) {
        uint64_t sum = 0;
        for (size_t i = begin; i < end; ++i) sum += words[i];
        volatile uint64_t kept = sum;  // else nothing would be read
        static_cast<void>(kept);
      });
    });
  }

 private:
  template <typename Pass>
  double rate(int repeat, const Pass &pass) {
    WallClockReplay replay([&](size_t, quern_stream) { pass(); }, 1);
    return static_cast<double>(words_ * sizeof(uint64_t)) / time_in_turn({&replay}, repeat)[0].median_us;
  }

  size_t threads_, words_;
};

}  // namespace

std::unique_ptr<BenchClock> make_cpu_clock(const host::Device &device) { return std::make_unique<CpuClock>(device); }

}  // namespace quern::cli

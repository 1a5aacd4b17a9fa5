#include "cli/bench_cuda.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "cli/cuda_driver.hpp"
#include "cli/failure.hpp"
#include "cli/read_stream.hpp"

namespace quern::cli {
namespace {

constexpr double kSlowRunUs = 2000;  // from here on a few runs make a sample
constexpr size_t kRuns = 24, kSlowRuns = 4;
constexpr double kLongReplayUs = 5000;  // beside which the host's time to submit it is nothing

class CudaEvent {
 public:
  explicit CudaEvent(const cuda::Driver &driver) : driver_(driver) {
    driver_.check(driver_.event_create(&event_, cuda::kEventDefault), "create an event");
  }
  CudaEvent(const CudaEvent &) = delete;
  CudaEvent &operator=(const CudaEvent &) = delete;
  ~CudaEvent() { driver_.event_destroy(event_); }

  void record(cuda::Stream stream) { driver_.check(driver_.event_record(event_, stream), "record an event"); }
  // Waits for this event and returns the microseconds since the other.
  double since(const CudaEvent &start) {
    float milliseconds = 0;
    driver_.check(driver_.event_synchronize(event_), "wait for the runs");
    driver_.check(driver_.event_elapsed(&milliseconds, start.event_, event_), "read the time between two events");
    return 1e3 * static_cast<double>(milliseconds);
  }

 private:
  const cuda::Driver &driver_;
  cuda::Event event_ = nullptr;
};

class GraphReplay final : public Replay {
 public:
  GraphReplay(const cuda::Driver &driver, cuda::Stream stream, const BenchRun &run, size_t copies, size_t runs)
      : driver_(driver), stream_(stream), runs_(runs), start_(driver), end_(driver) {
    cuda::Graph graph = capture(run, copies);
    const cuda::Result result = driver_.graph_instantiate(&exec_, graph, 0);
    driver_.graph_destroy(graph);
    driver_.check(result, "instantiate the graph");
  }
  GraphReplay(const GraphReplay &) = delete;
  GraphReplay &operator=(const GraphReplay &) = delete;
  ~GraphReplay() override { driver_.graph_exec_destroy(exec_); }

  int64_t runs() const override { return static_cast<int64_t>(runs_); }

  double sample() override {
    // A short replay is timed right behind another of its kind: while that one runs, this one gets submitted.
    if (last_us_ < kLongReplayUs) launch();
    start_.record(stream_);
    launch();
    end_.record(stream_);
    last_us_ = end_.since(start_);
    return last_us_ / static_cast<double>(runs_);
  }

 private:
  void launch() { driver_.check(driver_.graph_launch(exec_, stream_), "launch the graph"); }

  cuda::Graph capture(const BenchRun &run, size_t copies) {
    cuda::Graph graph = nullptr;
    driver_.check(driver_.capture_begin(stream_, cuda::kCaptureRelaxed), "begin a capture");
    try {
      for (size_t i = 0; i < runs_; ++i) run(i % copies, stream_);
    } catch (...) {
      driver_.capture_end(stream_, &graph);
      if (graph != nullptr) driver_.graph_destroy(graph);
      throw;
    }
    driver_.check(driver_.capture_end(stream_, &graph), "end the capture");
    return graph;
  }

  const cuda::Driver &driver_;
  cuda::Stream stream_;
  size_t runs_;
  CudaEvent start_, end_;
  cuda::GraphExec exec_ = nullptr;
  double last_us_ = 0;
};

cuda::DevicePointer address(void *memory) {
  return static_cast<cuda::DevicePointer>(reinterpret_cast<uintptr_t>(memory));
}

class CudaClock final : public BenchClock {
 public:
  explicit CudaClock(const host::Device &device) : device_(device), driver_(cuda::driver()) {
    const char *const name = device.info().name;  // "cuda:N"
    int ordinal = 0;
    std::from_chars(name + std::min<size_t>(std::strlen(name), 5), name + std::strlen(name), ordinal);
    driver_.check(driver_.device_get(&ordinal_, ordinal), "find the device");
    cuda::Context context = nullptr;
    driver_.check(driver_.primary_context_retain(&context, ordinal_), "retain the device's context");
    try {
      driver_.check(driver_.context_push(context), "make the device's context current");
      pushed_ = true;
      driver_.check(driver_.stream_create(&stream_, cuda::kStreamNonBlocking), "create a stream");
    } catch (...) {
      leave();
      throw;
    }
  }
  CudaClock(const CudaClock &) = delete;
  CudaClock &operator=(const CudaClock &) = delete;
  ~CudaClock() override {
    driver_.stream_destroy(stream_);
    leave();
  }

  quern_stream stream() const override { return stream_; }
  size_t rotation_bytes() const override { return 4 * static_cast<size_t>(device_.info().l2_bytes); }

  std::unique_ptr<Replay> prepare(const BenchRun &run, size_t copies) override {
    // Outside a capture first: what loads code or chooses among kernels does so at the first call.
    run(0, stream_);
    CudaEvent start(driver_), end(driver_);
    start.record(stream_);
    run(1 % copies, stream_);
    end.record(stream_);
    const size_t wanted = end.since(start) > kSlowRunUs ? kSlowRuns : kRuns;
    const size_t runs = (wanted + copies - 1) / copies * copies;
    return std::make_unique<GraphReplay>(driver_, stream_, run, copies, runs);
  }

  double copy_rate(int repeat) override {
    const size_t bytes = std::min<size_t>(size_t{1} << 30, static_cast<size_t>(device_.info().memory_bytes) / 8);
    const host::DeviceMemory src = device_.allocate(bytes), dst = device_.allocate(bytes);
    const auto replay = prepare(
        [&](size_t, quern_stream stream) {
          driver_.check(driver_.copy(address(dst.get()), address(src.get()), bytes, stream), "copy device memory");
        },
        1);
    return 2 * static_cast<double>(bytes) / time_in_turn({replay.get()}, repeat)[0].median_us;
  }
  double read_rate(int repeat) override {
    const quern_device_info info = device_.info();
    const ReadStream reader(driver_, info.sm_count);
    if (!reader.usable()) return 0;
    const size_t bytes = std::min<size_t>(size_t{1} << 30, static_cast<size_t>(info.memory_bytes) / 8) / 16 * 16;
    const host::DeviceMemory src = device_.allocate(bytes), sink = device_.allocate(16);
    const auto replay = prepare(
        [&](size_t, quern_stream stream) { reader.enqueue(address(src.get()), bytes, address(sink.get()), stream); },
        1);
    return static_cast<double>(bytes) / time_in_turn({replay.get()}, repeat)[0].median_us;
  }

 private:
  void leave() {
    cuda::Context context = nullptr;
    if (pushed_) driver_.context_pop(&context);
    driver_.primary_context_release(ordinal_);
  }

  const host::Device &device_;
  const cuda::Driver &driver_;
  cuda::Device ordinal_ = 0;
  bool pushed_ = false;
  cuda::Stream stream_ = nullptr;
};

}  // namespace

std::unique_ptr<BenchClock> make_cuda_clock(const host::Device &device) { return std::make_unique<CudaClock>(device); }

}  // namespace quern::cli

#include "runtime/operations/graph_timer.hpp"

#include <algorithm>
#include <vector>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

constexpr int kWarmUps = 2;

// A captured graph, made ready to launch.
class Executable {
 public:
  Executable(quern_stream stream, const std::function<void(quern_stream)> &enqueue) {
    const cu::Api &api = cu::need_driver();
    cu::check(api.capture_begin(stream, cu::kCaptureThreadLocal), "capture a graph");
    cu::Graph graph = nullptr;
    try {
      enqueue(stream);
    } catch (...) {
      api.capture_end(stream, &graph);
      if (graph != nullptr) api.graph_destroy(graph);
      throw;
    }
    cu::check(api.capture_end(stream, &graph), "capture a graph");
    const cu::Result result = api.graph_instantiate(&executable_, graph, 0);
    api.graph_destroy(graph);
    cu::check(result, "instantiate a graph");
  }
  ~Executable() { cu::need_driver().graph_exec_destroy(executable_); }
  Executable(const Executable &) = delete;
  Executable &operator=(const Executable &) = delete;

  void launch(quern_stream stream) const {
    cu::check(cu::need_driver().graph_launch(executable_, stream), "launch a graph");
  }

 private:
  cu::GraphExec executable_ = nullptr;
};

}  // namespace

GraphTimer::GraphTimer(const Device &device) : context_(device) {
  const cu::Api &api = cu::need_driver();
  if (!api.has_timing)
    fail(QUERN_CUDA_UNAVAILABLE, "the driver has no graphs and events; install one of CUDA 12 or newer");
  try {
    cu::check(api.stream_create(&stream_, cu::kStreamNonBlocking), "create a stream");
    cu::check(api.event_create(&start_, 0), "create an event");
    cu::check(api.event_create(&end_, 0), "create an event");
  } catch (...) {
    destroy();
    throw;
  }
}

GraphTimer::~GraphTimer() { destroy(); }

void GraphTimer::destroy() {
  const cu::Api &api = cu::need_driver();
  if (end_ != nullptr) api.event_destroy(end_);
  if (start_ != nullptr) api.event_destroy(start_);
  if (stream_ != nullptr) api.stream_destroy(stream_);
}

double GraphTimer::microseconds(const std::function<void(quern_stream)> &enqueue, int replays) {
  const cu::Api &api = cu::need_driver();
  const Executable graph(stream_, enqueue);
  std::vector<float> times;
  for (int i = 0; i < kWarmUps + replays; ++i) {
    cu::check(api.event_record(start_, stream_), "record an event");
    graph.launch(stream_);
    cu::check(api.event_record(end_, stream_), "record an event");
    cu::check(api.event_synchronize(end_), "wait for an event");
    float milliseconds = 0;
    cu::check(api.event_elapsed(&milliseconds, start_, end_), "read the time between events");
    if (i >= kWarmUps) times.push_back(milliseconds);
  }
  std::nth_element(times.begin(), times.begin() + replays / 2, times.end());
  return 1000.0 * static_cast<double>(times[static_cast<size_t>(replays / 2)]);
}

}  // namespace quern

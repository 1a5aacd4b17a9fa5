// Times work on a CUDA device: captured into a graph and replayed, so that the host's share does not count.
#pragma once

#include <functional>

#include "runtime/hub/device.hpp"

namespace quern {

class GraphTimer {
 public:
  explicit GraphTimer(const Device &device);
  ~GraphTimer();
  GraphTimer(const GraphTimer &) = delete;
  GraphTimer &operator=(const GraphTimer &) = delete;

  quern_stream stream() const { return stream_; }

  // The median over replays, in microseconds, of what `enqueue` puts on the stream. It is called once.
  double microseconds(const std::function<void(quern_stream)> &enqueue, int replays);

 private:
  void destroy();

  const CurrentContext context_;
  quern_stream stream_ = nullptr;
  cu::Event start_ = nullptr, end_ = nullptr;
};

}  // namespace quern

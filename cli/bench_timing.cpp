#include "cli/bench_timing.hpp"

#include <algorithm>

#include "cli/interrupt.hpp"

namespace quern::cli {

double median(std::vector<double> samples) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const size_t half = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
}

std::vector<Timing> time_in_turn(const std::vector<Replay *> &replays, int repeat) {
  constexpr int kWarmUps = 2;
  std::vector<std::vector<double>> samples(replays.size());
  for (int round = -kWarmUps; round < repeat; ++round) {
    check_interrupt();
    for (size_t i = 0; i < replays.size(); ++i) {
      const double microseconds = replays[i]->sample();
      if (round >= 0) samples[i].push_back(microseconds);
    }
  }
  std::vector<Timing> timings;
  for (size_t i = 0; i < replays.size(); ++i) {
    const auto [least, most] = std::minmax_element(samples[i].begin(), samples[i].end());
    timings.push_back({median(samples[i]), *least, *most, replays[i]->runs()});
  }
  return timings;
}

size_t rotated_copies(size_t bytes, size_t rotation, size_t budget) {
  constexpr size_t kMost = 1024;
  const size_t one = std::max<size_t>(bytes, 1);
  const size_t wanted = std::clamp<size_t>((rotation + one - 1) / one, 2, kMost);
  return std::min(wanted, budget / one);
}

}  // namespace quern::cli

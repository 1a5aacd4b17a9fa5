// Times as benchmarks take them: samples of several things in turn, so that what the machine does meanwhile falls on
// all of them alike, and their medians.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <quern/quern.h>

namespace quern::cli {

// One run of what is timed, on copy `index` of what it reads.
using BenchRun = std::function<void(size_t index, quern_stream stream)>;

// A number of runs made ready to be started again and again.
class Replay {
 public:
  virtual ~Replay() = default;
  // Starts the runs, waits for them, and returns the microseconds that one took.
  virtual double sample() = 0;
  virtual int64_t runs() const = 0;
};

struct Timing {
  double median_us = 0, least_us = 0, most_us = 0;
  int64_t runs = 0;  // in one sample
  // How far the samples lie apart, as a part of the median.
  double spread() const { return median_us > 0 ? (most_us - least_us) / median_us : 0; }
};

// Of the middle two where their number is even; 0 of none.
double median(std::vector<double> samples);

// Two samples of each to warm up, then `repeat` rounds of one sample of each.
std::vector<Timing> time_in_turn(const std::vector<Replay *> &replays, int repeat);

// How many copies of `bytes` to rotate through so that together they are at least `rotation` bytes, at least 2 and not
// too many to be captured; no more than `budget` bytes allow. 0: not even one fits.
size_t rotated_copies(size_t bytes, size_t rotation, size_t budget);

// How runs are timed on a device, and how fast its memory is by that clock.
class BenchClock {
 public:
  virtual ~BenchClock() = default;
  virtual quern_stream stream() const = 0;
  // Copies of the data that total so much are not found in a cache when their turn comes again.
  virtual size_t rotation_bytes() const = 0;
  // `run` must stay usable as long as what is returned, and launch the same work for the same index every time.
  virtual std::unique_ptr<Replay> prepare(const BenchRun &run, size_t copies) = 0;
  // Bytes a microsecond: of a large copy, bytes read and bytes written counted; of reading alone, 0 where that is not
  // measured.
  virtual double copy_rate(int repeat) = 0;
  virtual double read_rate(int repeat) = 0;
};

}  // namespace quern::cli

// A roofline plot as SVG text: operations for each byte against operations a second, both on logarithmic scales.
#pragma once

#include <string>
#include <vector>

#include "cli/bench_report.hpp"
#include "cli/bench_roofs.hpp"

namespace quern::cli {

struct RooflinePoint {
  double intensity, tflops;  // operations for each byte; 10^12 operations a second
  std::string label;         // "M 64"
};

struct RooflineSeries {
  std::string name;
  std::vector<RooflinePoint> points;
  std::vector<RooflinePoint> compared;  // drawn dashed in the same colour; may be empty
};

struct Roofline {
  std::string title, subtitle;
  std::string compared_name;  // what the dashed lines are; "" for none
  Roofs roofs;
  std::vector<RooflineSeries> series;
};

Roofline gemm_roofline(const BenchFacts &facts, const std::vector<GemmSeries> &all);
std::string roofline_svg(const Roofline &plot);

}  // namespace quern::cli

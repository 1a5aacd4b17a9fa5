#include "cli/roofline_svg.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/failure.hpp"
#include "cli/svg_plot.hpp"

namespace quern::cli {
namespace {

constexpr const char *kRoof = "#444444";

// Limits around all that is drawn.
LogPlot fit(const Roofline &plot) {
  double x_least = INFINITY, x_most = 0, y_least = INFINITY, y_most = plot.roofs.flops / 1e6;
  for (const RooflineSeries &series : plot.series) {
    for (const auto *points : {&series.points, &series.compared}) {
      for (const RooflinePoint &point : *points) {
        x_least = std::min(x_least, point.intensity);
        x_most = std::max(x_most, point.intensity);
        y_least = std::min(y_least, point.tflops);
        y_most = std::max(y_most, point.tflops);
      }
    }
  }
  return LogPlot({x_least / 1.4, x_most * 1.4}, {y_least / 1.5, y_most * 1.6});
}

void draw_roofs(LogPlot &svg, const Roofs &roofs) {
  const double slope = roofs.bytes / 1e6, flat = roofs.flops / 1e6;  // TB/s, TFLOP/s
  const double ridge = flat > 0 ? flat / slope : INFINITY;
  const double begin = std::max(svg.x().least, svg.y().least / slope);
  const double end = std::min({svg.x().most, svg.y().most / slope, ridge});
  if (begin < end) {
    svg.line({begin, begin * slope}, {end, end * slope}, kRoof);
    const double middle = std::sqrt(begin * end);
    svg.text_along({middle, middle * slope}, {end, end * slope}, text(roofs.memory, " ", short_number(slope), " TB/s"),
                   kRoof);
  }
  if (flat > 0 && ridge < svg.x().most) {
    const double left = std::max(ridge, svg.x().least);
    svg.line({left, flat}, {svg.x().most, flat}, kRoof);
    svg.text_before({svg.x().most, flat}, text(roofs.compute, ": ", short_number(flat), " TFLOP/s"), kRoof);
  }
}

// Each label once, at the highest of its points: shapes lie close to each other, and labels on all would not be read.
void draw_labels(LogPlot &svg, const std::vector<RooflineSeries> &all) {
  std::vector<RooflinePoint> highest;
  for (const RooflineSeries &series : all) {
    for (const RooflinePoint &point : series.points) {
      const auto same = std::find_if(highest.begin(), highest.end(),
                                     [&](const RooflinePoint &other) { return other.label == point.label; });
      if (same == highest.end()) {
        highest.push_back(point);
      } else if (same->tflops < point.tflops) {
        *same = point;
      }
    }
  }
  // Where they crowd, on the right, the last is wanted most.
  std::reverse(highest.begin(), highest.end());
  for (const RooflinePoint &point : highest) svg.label({point.intensity, point.tflops}, point.label);
}

std::vector<PlotPoint> positions(const std::vector<RooflinePoint> &points) {
  std::vector<PlotPoint> out;
  for (const RooflinePoint &point : points) out.push_back({point.intensity, point.tflops});
  return out;
}

}  // namespace

Roofline gemm_roofline(const BenchFacts &facts, const std::vector<GemmSeries> &all) {
  Roofline plot;
  plot.title = text("Quern ", facts.operation, ", MXFP4 weights, ", facts.dtype, " activations, on ",
                    facts.arch.empty() ? text(facts.device, " (", facts.model, ")") : facts.model);
  plot.subtitle =
      text("quern ", facts.version, ", ", facts.date, facts.driver.empty() ? "" : ", driver for CUDA ", facts.driver);
  plot.roofs = facts.roofs;
  for (const GemmSeries &series : all) {
    const BenchShape &shape = series.shape;
    RooflineSeries drawn{shape.name == shape.size() ? shape.name : shape.name + " " + shape.size(), {}, {}};
    for (const GemmPoint &point : series.points) {
      const Work work = gemm_work(point.m, shape.rows, shape.k, x_bytes(facts));
      const double intensity = work.flops / work.bytes;
      drawn.points.push_back({intensity, work.flops / point.time.median_us / 1e6, text("M ", point.m)});
      if (!point.cublas) continue;
      plot.compared_name = text("dashed: cuBLAS ", facts.dtype);
      drawn.compared.push_back({intensity, work.flops / point.cublas->median_us / 1e6, ""});
    }
    plot.series.push_back(std::move(drawn));
  }
  return plot;
}

std::string roofline_svg(const Roofline &plot) {
  LogPlot svg = fit(plot);
  svg.title(plot.title, plot.subtitle);
  svg.axes("operations for each byte of MXFP4 weights, X and Y", "TFLOP/s");
  draw_roofs(svg, plot.roofs);
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const RooflineSeries &series = plot.series[i];
    svg.curve(positions(series.compared), series_colour(i), /*dashed=*/true);
    svg.curve(positions(series.points), series_colour(i), /*dashed=*/false);
    svg.legend(series.name, series_colour(i));
  }
  if (!plot.compared_name.empty()) svg.legend(plot.compared_name, "");
  draw_labels(svg, plot.series);
  return svg.text();
}

}  // namespace quern::cli

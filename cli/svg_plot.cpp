#include "cli/svg_plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "cli/failure.hpp"

namespace quern::cli {
namespace {

// The whole picture, the plot in it, and the legend to its right.
constexpr double kWidth = 1120, kHeight = 640;
constexpr double kLeft = 80, kRight = 760, kTop = 80, kBottom = 570, kLegend = 784;

std::string number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", value);
  return buffer;
}

// 0.05, 2, 500 without zeros behind.
std::string tick(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", value);
  return buffer;
}

// 1, 2 and 5 of every power of ten in the range; of more than four such powers, the 1 alone.
std::vector<double> ticks(PlotRange range) {
  const bool few = std::log10(range.most / range.least) <= 4;
  std::vector<double> values;
  for (int power = static_cast<int>(std::floor(std::log10(range.least))); std::pow(10, power) <= range.most; ++power) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double value = digit * std::pow(10, power);
      if (value >= range.least && value <= range.most && (few || digit == 1.0)) values.push_back(value);
    }
  }
  return values;
}

std::string segment(double x1, double y1, double x2, double y2, const std::string &attributes) {
  return quern::cli::text("<line x1=\"", number(x1), "\" y1=\"", number(y1), "\" x2=\"", number(x2), "\" y2=\"",
                          number(y2), "\" ", attributes, "/>\n");
}

}  // namespace

const char *series_colour(size_t index) {
  static constexpr const char *kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                             "#e69f00", "#56b4e9", "#000000", "#8c564b"};
  return kColours[index % std::size(kColours)];
}

std::string xml_escaped(const std::string &words) {
  std::string out;
  for (const char c : words) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) out += c;
    }
  }
  return out;
}

double LogPlot::left(double x) const {
  return kLeft + (kRight - kLeft) * std::log(x / x_.least) / std::log(x_.most / x_.least);
}

double LogPlot::top(double y) const {
  return kBottom - (kBottom - kTop) * std::log(y / y_.least) / std::log(y_.most / y_.least);
}

void LogPlot::write(double left, double top, const std::string &attributes, const std::string &words) {
  body_ += quern::cli::text("<text x=\"", number(left), "\" y=\"", number(top), "\" ", attributes, ">",
                            xml_escaped(words), "</text>\n");
}

void LogPlot::title(const std::string &title, const std::string &subtitle) {
  write(kLeft, 34, "font-size=\"18\" font-weight=\"bold\"", title);
  write(kLeft, 56, "fill=\"#555555\"", subtitle);
}

void LogPlot::axes(const std::string &x_name, const std::string &y_name) {
  const std::string grid = "stroke=\"#e2e2e2\"";
  for (const double value : ticks(x_)) {
    body_ += segment(left(value), kTop, left(value), kBottom, grid);
    write(left(value), kBottom + 18, "text-anchor=\"middle\"", tick(value));
  }
  for (const double value : ticks(y_)) {
    body_ += segment(kLeft, top(value), kRight, top(value), grid);
    write(kLeft - 8, top(value) + 4, "text-anchor=\"end\"", tick(value));
  }
  body_ += segment(kLeft, kBottom, kRight, kBottom, "stroke=\"#333333\"");
  body_ += segment(kLeft, kTop, kLeft, kBottom, "stroke=\"#333333\"");
  write((kLeft + kRight) / 2, kBottom + 44, "text-anchor=\"middle\"", x_name);
  const double middle = (kTop + kBottom) / 2;
  write(24, middle, "text-anchor=\"middle\" transform=\"rotate(-90 24 " + number(middle) + ")\"", y_name);
}

void LogPlot::line(PlotPoint from, PlotPoint to, const std::string &colour) {
  body_ += segment(left(from.x), top(from.y), left(to.x), top(to.y), "stroke=\"" + colour + "\" stroke-width=\"2\"");
}

void LogPlot::text_along(PlotPoint from, PlotPoint to, const std::string &words, const std::string &colour) {
  const double x = left(from.x), y = top(from.y);
  const double degrees = std::atan2(top(to.y) - y, left(to.x) - x) * 180 / 3.14159265358979;
  const std::string turned = quern::cli::text("rotate(", number(degrees), " ", number(x), " ", number(y), ")");
  write(x, y - 8, "fill=\"" + colour + "\" transform=\"" + turned + "\"", words);
}

void LogPlot::text_before(PlotPoint end, const std::string &words, const std::string &colour) {
  write(left(end.x) - 4, top(end.y) - 8, "fill=\"" + colour + "\" text-anchor=\"end\"", words);
}

void LogPlot::curve(const std::vector<PlotPoint> &points, const std::string &colour, bool dashed) {
  if (points.empty()) return;
  std::string path;
  for (const PlotPoint &point : points) {
    path += quern::cli::text(path.empty() ? "" : " ", number(left(point.x)), ",", number(top(point.y)));
  }
  body_ += quern::cli::text("<polyline points=\"", path, "\" fill=\"none\" stroke=\"", colour,
                            dashed ? "\" stroke-width=\"1.2\" stroke-dasharray=\"5 4\" stroke-opacity=\"0.75\"/>\n"
                                   : "\" stroke-width=\"2\"/>\n");
  if (dashed) return;
  for (const PlotPoint &point : points) {
    body_ += quern::cli::text("<circle cx=\"", number(left(point.x)), "\" cy=\"", number(top(point.y)),
                              "\" r=\"3.5\" fill=\"", colour, "\"/>\n");
  }
}

void LogPlot::label(PlotPoint at, const std::string &words) {
  const double wide = 7.0 * static_cast<double>(words.size());
  const double above = left(at.x) - 5 - wide, below = left(at.x) - wide / 2;  // where the words begin
  for (const auto &[x, y] : {std::pair(above, top(at.y) - 8), std::pair(below, top(at.y) + 17)}) {
    const bool free = std::none_of(labels_.begin(), labels_.end(), [&](const Label &other) {
      return x < other.end && other.begin < x + wide && std::fabs(other.top - y) < 12;
    });
    if (!free) continue;
    labels_.push_back({x, x + wide, y});
    write(x == above ? x + wide : x, y,
          quern::cli::text("font-size=\"11\" text-anchor=\"", x == above ? "end" : "start",
                           "\" stroke=\"#ffffff\" stroke-width=\"3\" paint-order=\"stroke\""),
          words);
    return;
  }
}

void LogPlot::legend(const std::string &words, const std::string &colour) {
  const double y = kTop + 14 + 22 * legend_rows_++;
  if (!colour.empty())
    body_ += segment(kLegend, y - 4, kLegend + 22, y - 4, "stroke=\"" + colour + "\" stroke-width=\"3\"");
  write(kLegend + 30, y, "font-size=\"12\"", words);
}

std::string LogPlot::text() const {
  const std::string size = quern::cli::text("width=\"", kWidth, "\" height=\"", kHeight, "\"");
  return quern::cli::text("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" ",
                          size, " viewBox=\"0 0 ", kWidth, " ", kHeight,
                          "\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n<rect ", size,
                          " fill=\"#ffffff\"/>\n", body_, "</svg>\n");
}

}  // namespace quern::cli

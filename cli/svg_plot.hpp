// A plot with two logarithmic axes, written as SVG text piece by piece: light, and readable without colour vision.
#pragma once

#include <string>
#include <vector>

namespace quern::cli {

struct PlotRange {
  double least, most;  // above 0
};

struct PlotPoint {
  double x, y;
};

class LogPlot {
 public:
  LogPlot(PlotRange x, PlotRange y) : x_(x), y_(y) {}

  PlotRange x() const { return x_; }
  PlotRange y() const { return y_; }

  void title(const std::string &title, const std::string &subtitle);
  void axes(const std::string &x_name, const std::string &y_name);
  void line(PlotPoint from, PlotPoint to, const std::string &colour);
  // Above the line through both points, from the first on; and above the end of a line, ending there.
  void text_along(PlotPoint from, PlotPoint to, const std::string &words, const std::string &colour);
  void text_before(PlotPoint end, const std::string &words, const std::string &colour);
  // A line through the points, with a dot at each unless it is dashed. Nothing for no points.
  void curve(const std::vector<PlotPoint> &points, const std::string &colour, bool dashed);
  // Above the point to the left; where another label is, below it; where one is there too, nowhere.
  void label(PlotPoint at, const std::string &words);
  // The next row of the legend; without a colour, words alone.
  void legend(const std::string &words, const std::string &colour);

  // The whole document.
  std::string text() const;

 private:
  struct Label {
    double begin, end, top;
  };

  double left(double x) const;
  double top(double y) const;
  void write(double left, double top, const std::string &attributes, const std::string &words);

  PlotRange x_, y_;
  std::string body_;
  std::vector<Label> labels_;
  int legend_rows_ = 0;
};

// Okabe and Ito's palette, in turn.
const char *series_colour(size_t index);

// & < > " as SVG needs them; control characters are left out.
std::string xml_escaped(const std::string &words);

}  // namespace quern::cli

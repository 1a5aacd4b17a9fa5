#include "cli/bench_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/failure.hpp"
#include "cli/quantity.hpp"
#include "cli/table.hpp"

namespace quern::cli {
namespace {

std::string percent(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", value);
  return buffer;
}

// Bytes or operations in a microsecond to the same in 10^12 a second.
double tera(double per_us) { return per_us / 1e6; }

std::string header(const BenchFacts &facts) {
  const Roofs &roofs = facts.roofs;
  std::string out = text("quern ", facts.version, ", ", facts.date, "\ndevice ", facts.device, " (", facts.model,
                         facts.arch.empty() ? "" : ", ", facts.arch, ")",
                         facts.driver.empty() ? "" : ", driver for CUDA ", facts.driver, "\n");
  out += text("roofs: ", roofs.memory, " ", short_number(tera(roofs.bytes)), " TB/s");
  if (roofs.flops > 0) out += text("; ", roofs.compute, " ", short_number(tera(roofs.flops)), " TFLOP/s");
  out += "\n";
  if (!facts.cublas_missing.empty()) out += text("no compute roof: ", facts.cublas_missing, "\n");
  const std::string w4a8 = facts.w4a8.empty() ? "" : text(" (X ", facts.x_dtype, ", W4A8 ", facts.w4a8, ")");
  return out + text(facts.operation, " ", facts.dtype, w4a8, ", medians of ", facts.repeat,
                    " samples; random data, rotated through ", format_bytes(facts.rotation_bytes), " or more\n");
}

std::string notes(const BenchFacts &facts) {
  std::string out;
  for (const std::string &note : facts.notes) out += "note: " + note + "\n";
  return out.empty() ? out : "\n" + out;
}

Json timing_json(const Timing &time) {
  return {{"median_us", time.median_us}, {"min_us", time.least_us}, {"max_us", time.most_us}, {"runs", time.runs}};
}

Json facts_json(const BenchFacts &facts) {
  const Roofs &roofs = facts.roofs;
  Json compute = nullptr;
  if (roofs.flops > 0) compute = {{"measured", roofs.compute}, {"tflop_per_s", tera(roofs.flops)}};
  return {{"operation", facts.operation},
          {"version", facts.version},
          {"date", facts.date},
          {"device", {{"name", facts.device}, {"model", facts.model}, {"arch", facts.arch}, {"driver", facts.driver}}},
          {"roofs", {{"memory", {{"measured", roofs.memory}, {"tb_per_s", tera(roofs.bytes)}}}, {"compute", compute}}},
          {"method", {{"repeat", facts.repeat}, {"rotation_bytes", facts.rotation_bytes}}},
          {"notes", facts.notes}};
}

Json point_json(const BenchFacts &facts, const BenchShape &shape, const GemmPoint &point) {
  const Work work = gemm_work(point.m, shape.rows, shape.k, x_bytes(facts));
  Json json = {{"m", point.m},
               {"kernel", point.kernel},
               {"time", timing_json(point.time)},
               {"tb_per_s", tera(work.bytes / point.time.median_us)},
               {"tflop_per_s", tera(work.flops / point.time.median_us)},
               {"roof_us", work.least_us(facts.roofs)},
               {"percent_of_roof", work.percent_of_roof(facts.roofs, point.time.median_us)},
               {"bound", work.bound(facts.roofs)},
               {"cublas", nullptr},
               {"speedup", nullptr},
               {"difference", nullptr}};
  if (point.cublas) {
    json["cublas"] = timing_json(*point.cublas);
    json["speedup"] = point.cublas->median_us / point.time.median_us;
  }
  if (point.difference && std::isfinite(*point.difference)) json["difference"] = *point.difference;
  return json;
}

}  // namespace

std::string short_number(double value) {
  const double magnitude = value > 0 ? std::floor(std::log10(value)) : 0;
  const int digits = value >= 999.5 ? 0 : value >= 9.995 ? 1 : static_cast<int>(std::clamp(2 - magnitude, 2.0, 9.0));
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

std::string gemm_text(const BenchFacts &facts, const std::vector<GemmSeries> &all) {
  std::string out = header(facts);
  for (const GemmSeries &series : all) {
    const BenchShape &shape = series.shape;
    const std::string size = shape.name == shape.size() ? std::string() : text(" ", shape.size());
    const bool compared = std::any_of(series.points.begin(), series.points.end(),
                                      [](const GemmPoint &point) { return point.cublas.has_value(); });
    std::vector<std::string> columns = {">M",        "kernel", ">us",      ">min us",
                                        ">spread %", ">TB/s",  ">TFLOP/s", ">% of roof"};
    if (compared) columns.insert(columns.end(), {">cuBLAS us", ">speed-up"});
    Table table(columns);
    for (const GemmPoint &point : series.points) {
      const Work work = gemm_work(point.m, shape.rows, shape.k, x_bytes(facts));
      const double us = point.time.median_us;
      table.add({text(point.m), point.kernel, short_number(us), short_number(point.time.least_us),
                 percent(100 * point.time.spread()), short_number(tera(work.bytes / us)),
                 short_number(tera(work.flops / us)), percent(work.percent_of_roof(facts.roofs, us)),
                 point.cublas ? short_number(point.cublas->median_us) : "",
                 point.cublas ? short_number(point.cublas->median_us / us) : ""});
    }
    out += text("\n", shape.name, size, ", W ", series.layout, ", ", series.copies, " copies\n") + table.text();
  }
  return out + notes(facts);
}

Json gemm_json(const BenchFacts &facts, const std::vector<GemmSeries> &all) {
  Json json = facts_json(facts);
  json["x_dtype"] = facts.x_dtype.empty() ? facts.dtype : facts.x_dtype;
  json["w4a8"] = facts.w4a8.empty() ? Json(nullptr) : Json(facts.w4a8);
  json["y_dtype"] = facts.dtype;
  json["cublas"] = {{"version", facts.cublas}, {"missing", facts.cublas_missing}};
  json["shapes"] = Json::array();
  for (const GemmSeries &series : all) {
    Json points = Json::array();
    for (const GemmPoint &point : series.points) points.push_back(point_json(facts, series.shape, point));
    json["shapes"].push_back({{"name", series.shape.name},
                              {"n", series.shape.rows},
                              {"k", series.shape.k},
                              {"layout", series.layout},
                              {"copies", series.copies},
                              {"points", std::move(points)}});
  }
  return json;
}

std::string conversion_text(const BenchFacts &facts, const std::vector<ConversionPoint> &points, bool to_dtype) {
  Table table({"shape", to_dtype ? "to" : "from", "kernel", ">us", ">min us", ">spread %", ">TB/s", ">% of roof"});
  for (const ConversionPoint &point : points) {
    const double us = point.time.median_us;
    table.add({point.shape.size(), point.dtype, point.kernel, short_number(us), short_number(point.time.least_us),
               percent(100 * point.time.spread()), short_number(tera(point.work.bytes / us)),
               percent(point.work.percent_of_roof(facts.roofs, us))});
  }
  return header(facts) + "\n" + table.text() + notes(facts);
}

Json conversion_json(const BenchFacts &facts, const std::vector<ConversionPoint> &points, bool to_dtype) {
  Json json = facts_json(facts);
  json["results"] = Json::array();
  for (const ConversionPoint &point : points) {
    json["results"].push_back({{"rows", point.shape.rows},
                               {"k", point.shape.k},
                               {to_dtype ? "dst_dtype" : "src_dtype", point.dtype},
                               {"kernel", point.kernel},
                               {"copies", point.copies},
                               {"time", timing_json(point.time)},
                               {"tb_per_s", tera(point.work.bytes / point.time.median_us)},
                               {"roof_us", point.work.least_us(facts.roofs)},
                               {"percent_of_roof", point.work.percent_of_roof(facts.roofs, point.time.median_us)}});
  }
  return json;
}

}  // namespace quern::cli

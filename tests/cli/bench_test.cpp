// The parts of `quern bench` that need no device: shapes, statistics, roofs, reports and the plot.
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cli/bench_data.hpp"
#include "cli/bench_models.hpp"
#include "cli/bench_report.hpp"
#include "cli/bench_roofs.hpp"
#include "cli/bench_timing.hpp"
#include "cli/failure.hpp"
#include "cli/float_format.hpp"
#include "cli/roofline_svg.hpp"
#include "cli/svg_plot.hpp"

namespace quern::cli {
namespace {

std::string refusal(const std::string &shape) {
  try {
    parse_shape(shape);
    return {};
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.code(), kUsage);
    return failure.what();
  }
}

TEST(BenchModels, EveryLayerCanBeMxfp4) {
  for (const char *model : {"gpt-oss-20b", "gpt-oss-120b", "llama-3-8b", "llama-3-70b", "deepseek-v3"}) {
    const std::vector<BenchShape> shapes = model_shapes(model);
    std::set<std::string> names;
    for (const BenchShape &shape : shapes) {
      EXPECT_EQ(shape.k % 32, 0) << shape.name;
      EXPECT_GT(shape.rows, 0) << shape.name;
      EXPECT_EQ(shape.name.rfind(model, 0), 0u);
      names.insert(shape.name);
    }
    EXPECT_GE(shapes.size(), 4u);
    EXPECT_EQ(names.size(), shapes.size()) << model;
  }
}

TEST(BenchModels, AnUnknownNameListsAll) {
  try {
    model_shapes("nobody");
    FAIL();
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.code(), kUsage);
    for (const char *name : {"nobody", "gpt-oss-20b, gpt-oss-120b", "llama-3-8b", "deepseek-v3"}) {
      EXPECT_NE(std::string(failure.what()).find(name), std::string::npos) << failure.what();
    }
  }
}

TEST(BenchModels, Shapes) {
  const BenchShape shape = parse_shape("5760x2880");
  EXPECT_EQ(shape.rows, 5760);
  EXPECT_EQ(shape.k, 2880);
  EXPECT_EQ(shape.size(), shape.name);
  for (const char *wrong : {"", "x", "64", "64x", "x64", "64x0", "0x64", "-1x64", "64x64x64", "64x64 ", " 64x64",
                            "64X64", "6e3x64", "99999999999999999999x64", "2147483648x32"}) {
    EXPECT_NE(refusal(wrong).find("ROWSxK"), std::string::npos) << wrong;
  }
  EXPECT_NE(refusal("64x33").find("multiple of 32"), std::string::npos);
  EXPECT_EQ(bench_shapes({}, {}, "gpt-oss-20b").size(), 4u);
  EXPECT_EQ(bench_shapes({"llama-3-8b"}, {"64x64"}, "gpt-oss-20b").size(), 5u);
  EXPECT_EQ(bench_shapes({}, {"64x64"}, "gpt-oss-20b").size(), 1u);
}

TEST(BenchTiming, Median) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({4, 1, 9, 2}), 3);
}

// Gives its samples out one after the other, and writes down whose turn it was.
class ScriptedReplay final : public Replay {
 public:
  ScriptedReplay(char name, std::vector<double> samples, std::string &turns)
      : name_(name), samples_(std::move(samples)), turns_(turns) {}
  double sample() override {
    turns_ += name_;
    return samples_.at(next_++);
  }
  int64_t runs() const override { return 24; }

 private:
  char name_;
  std::vector<double> samples_;
  size_t next_ = 0;
  std::string &turns_;
};

TEST(BenchTiming, SamplesInTurnAfterWarmingUp) {
  std::string turns;
  ScriptedReplay a('a', {900, 800, 3, 1, 2}, turns), b('b', {0, 0, 10, 30, 20}, turns);
  const std::vector<Timing> times = time_in_turn({&a, &b}, 3);
  EXPECT_EQ(turns, "ababababab");
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].median_us, 2);
  EXPECT_EQ(times[0].least_us, 1);
  EXPECT_EQ(times[0].most_us, 3);
  EXPECT_EQ(times[0].spread(), 1);
  EXPECT_EQ(times[1].median_us, 20);
  EXPECT_EQ(times[1].runs, 24);
}

TEST(BenchTiming, CopiesOutgrowTheCacheWithinTheMemory) {
  constexpr size_t kMiB = 1 << 20;
  EXPECT_EQ(rotated_copies(4 * kMiB, 240 * kMiB, SIZE_MAX), 60u);
  EXPECT_EQ(rotated_copies(7 * kMiB, 240 * kMiB, SIZE_MAX), 35u);
  EXPECT_EQ(rotated_copies(500 * kMiB, 240 * kMiB, SIZE_MAX), 2u);
  EXPECT_EQ(rotated_copies(1, 240 * kMiB, SIZE_MAX), 1024u);
  EXPECT_EQ(rotated_copies(4 * kMiB, 240 * kMiB, 100 * kMiB), 25u);
  EXPECT_EQ(rotated_copies(500 * kMiB, 240 * kMiB, 600 * kMiB), 1u);
  EXPECT_EQ(rotated_copies(500 * kMiB, 240 * kMiB, 400 * kMiB), 0u);
}

TEST(BenchRoofs, TheLongerOfTheTwoTimes) {
  Roofs roofs{4.4e6, "read", 721e6, "cuBLAS"};
  // Of docs' tables: 28672x4096 is 14.2 us at M 1 and 2668 us at M 8192.
  const Work small = gemm_work(1, 28672, 4096), large = gemm_work(8192, 28672, 4096);
  EXPECT_NEAR(small.least_us(roofs), 14.2, 0.05);
  EXPECT_NEAR(large.least_us(roofs), 2668.5, 0.5);
  EXPECT_STREQ(small.bound(roofs), "memory");
  EXPECT_STREQ(large.bound(roofs), "compute");
  EXPECT_NEAR(large.percent_of_roof(roofs, 2 * large.least_us(roofs)), 50, 1e-9);
  EXPECT_EQ(large.percent_of_roof(roofs, 0), 0);
  roofs.flops = 0;
  EXPECT_STREQ(large.bound(roofs), "memory");
  EXPECT_NEAR(large.least_us(roofs), large.bytes / 4.4e6, 1e-9);
  // A gpt-oss-20b expert tensor to bf16.
  EXPECT_NEAR(dequantize_work(184320, 2880, 2).least_us(roofs), 305.4, 0.5);
}

TEST(BenchData, IsRandomAndInItsRange) {
  const RandomWeights weights = random_weights(64, 96);
  EXPECT_EQ(weights.blocks.size(), 64u * 48);
  EXPECT_EQ(weights.scales.size(), 64u * 3);
  std::set<std::byte> blocks(weights.blocks.begin(), weights.blocks.end());
  std::set<std::byte> scales(weights.scales.begin(), weights.scales.end());
  EXPECT_GT(blocks.size(), 240u);
  EXPECT_EQ(scales.size(), 8u);
  EXPECT_EQ(*scales.begin(), std::byte{118});
  EXPECT_EQ(*scales.rbegin(), std::byte{125});
  for (const quern_dtype dtype : {QUERN_DTYPE_BF16, QUERN_DTYPE_F16}) {
    constexpr int64_t kCount = 1'100'000;  // beyond where it begins to repeat
    const std::vector<std::byte> values = random_normal(kCount, dtype);
    ASSERT_EQ(values.size(), kCount * 2u);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < kCount; ++i) {
      const double value = load(values.data(), i, dtype);
      sum += value;
      squares += value * value;
    }
    EXPECT_NEAR(sum / kCount, 0, 0.01);
    EXPECT_NEAR(squares / kCount, 1, 0.01);
  }
}

BenchFacts facts() {
  BenchFacts facts;
  facts.operation = "gemm";
  facts.dtype = "bf16";
  facts.device = "cuda:0";
  facts.model = "NVIDIA <H200> & \"more\"";
  facts.arch = "sm_90a";
  facts.driver = "13.0";
  facts.date = "2026-01-01T00:00:00Z";
  facts.version = "0.1.0";
  facts.repeat = 9;
  facts.rotation_bytes = 240 << 20;
  facts.roofs = {4.24e6, "copy", 721e6, "cuBLAS bf16 8192x8192x8192"};
  facts.notes = {"a note"};
  return facts;
}

std::vector<GemmSeries> series() {
  std::vector<GemmSeries> all;
  for (const BenchShape &shape : model_shapes("gpt-oss-20b")) {
    GemmSeries one{shape, "mma16_bf16", 31, {}};
    for (int64_t m = 1; m <= 8192; m *= 2) {
      const double us = 1.3 * gemm_work(m, shape.rows, shape.k).least_us(facts().roofs) + 1;
      GemmPoint point{m, "quern/mxfp4-gemm:v", {us, us, us * 1.01, 31}, Timing{4 * us, us, us, 24}, 0.003};
      one.points.push_back(point);
    }
    all.push_back(one);
  }
  all[1].points[0].cublas.reset();
  return all;
}

TEST(BenchReport, Numbers) {
  EXPECT_EQ(short_number(0), "0.00");
  EXPECT_EQ(short_number(0.00774), "0.00774");
  EXPECT_EQ(short_number(0.123), "0.123");
  EXPECT_EQ(short_number(1.849), "1.85");
  EXPECT_EQ(short_number(9.996), "10.0");
  EXPECT_EQ(short_number(999.6), "1000");
  EXPECT_EQ(short_number(1334.4), "1334");
}

TEST(BenchReport, TextHasEveryPoint) {
  const std::string text = gemm_text(facts(), series());
  for (const char *part : {"copy 4.24 TB/s", "721.0 TFLOP/s", "speed-up", "4.00", "expert down 2880x2880", "8192",
                           "note: a note", "driver for CUDA 13.0", "240.0 MiB"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
  std::vector<GemmSeries> alone = series();
  for (GemmSeries &one : alone) {
    for (GemmPoint &point : one.points) point.cublas.reset();
  }
  EXPECT_EQ(gemm_text(facts(), alone).find("speed-up"), std::string::npos);
}

TEST(BenchReport, Json) {
  const Json json = gemm_json(facts(), series());
  EXPECT_EQ(json["shapes"].size(), 4u);
  EXPECT_EQ(json["shapes"][0]["points"].size(), 14u);
  const Json &point = json["shapes"][0]["points"][3];
  EXPECT_EQ(point["m"], 8);
  EXPECT_NEAR(point["speedup"].get<double>(), 4, 1e-9);
  EXPECT_TRUE(json["shapes"][1]["points"][0]["cublas"].is_null());
  EXPECT_NEAR(json["roofs"]["compute"]["tflop_per_s"].get<double>(), 721, 1e-9);
}

size_t count(const std::string &text, const std::string &part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// Whether every tag is closed in its turn and text has no bare & or <. Enough for what is written here.
std::string malformed(const std::string &xml) {
  std::vector<std::string> open;
  size_t at = xml.find("?>") + 2;
  while ((at = xml.find('<', at)) != std::string::npos) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos || xml.find('<', at + 1) < end) return "unfinished tag at " + xml.substr(at, 40);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (count(tag, "\"") % 2 != 0) return "odd quotes in " + tag;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return "unexpected </" + tag.substr(1);
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    at = end;
  }
  const size_t entities = count(xml, "&amp;") + count(xml, "&lt;") + count(xml, "&gt;") + count(xml, "&quot;");
  if (count(xml, "&") != entities) return "a bare &";
  return open.empty() ? "" : "never closed: " + open.back();
}

TEST(Roofline, IsWellFormedAndHasEverySeries) {
  const std::string svg = roofline_svg(gemm_roofline(facts(), series()));
  EXPECT_EQ(malformed(svg), "");
  for (const GemmSeries &one : series()) EXPECT_NE(svg.find(">" + one.shape.name + " "), std::string::npos);
  for (const char *part : {"NVIDIA &lt;H200&gt; &amp; &quot;more&quot;", ">M 1<", ">M 8192<", "copy 4.24 TB/s",
                           "721.0 TFLOP/s", "dashed: cuBLAS bf16"}) {
    EXPECT_NE(svg.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(count(svg, "<polyline"), 8u);
  EXPECT_EQ(count(svg, "<circle"), 4u * 14);
  EXPECT_EQ(count(svg, "nan"), 0u);
  EXPECT_EQ(count(svg, "inf"), 0u);
}

TEST(Roofline, WithoutAComputeRoofAndWithOnePoint) {
  BenchFacts alone = facts();
  alone.roofs.flops = 0;
  std::vector<GemmSeries> one = {series()[0]};
  one[0].points.resize(1);
  one[0].points[0].cublas.reset();
  const std::string svg = roofline_svg(gemm_roofline(alone, one));
  EXPECT_EQ(malformed(svg), "");
  EXPECT_EQ(count(svg, "<circle"), 1u);
  EXPECT_EQ(count(svg, "dashed"), 0u);
  EXPECT_EQ(count(svg, "TFLOP/s"), 1u);
  EXPECT_EQ(count(svg, "nan"), 0u);
}

TEST(Roofline, ColoursRepeatAndWordsAreEscaped) {
  EXPECT_STREQ(series_colour(0), series_colour(8));
  EXPECT_EQ(xml_escaped("a<b>&\"c\"\n\x01"), "a&lt;b&gt;&amp;&quot;c&quot;");
}

}  // namespace
}  // namespace quern::cli

#include "cli/bench_models.hpp"

#include <charconv>

#include "cli/failure.hpp"
#include "cli/printable.hpp"

namespace quern::cli {
namespace {

struct Layer {
  const char *model, *name;
  int64_t n, k;
};

// Gate and up, and query, key and value, are one matrix each, as inference engines hold them.
constexpr Layer kLayers[] = {
    {"gpt-oss-20b", "qkv", 5120, 2880},
    {"gpt-oss-20b", "o", 2880, 4096},
    {"gpt-oss-20b", "expert gate_up", 5760, 2880},
    {"gpt-oss-20b", "expert down", 2880, 2880},
    {"gpt-oss-120b", "qkv", 5120, 2880},
    {"gpt-oss-120b", "o", 2880, 4096},
    {"gpt-oss-120b", "expert gate_up", 5760, 2880},
    {"gpt-oss-120b", "expert down", 2880, 2880},
    {"llama-3-8b", "qkv", 6144, 4096},
    {"llama-3-8b", "o", 4096, 4096},
    {"llama-3-8b", "gate_up", 28672, 4096},
    {"llama-3-8b", "down", 4096, 14336},
    {"llama-3-70b", "qkv", 10240, 8192},
    {"llama-3-70b", "o", 8192, 8192},
    {"llama-3-70b", "gate_up", 57344, 8192},
    {"llama-3-70b", "down", 8192, 28672},
    {"deepseek-v3", "o", 7168, 16384},
    {"deepseek-v3", "expert gate_up", 4096, 7168},
    {"deepseek-v3", "expert down", 7168, 2048},
    {"deepseek-v3", "dense gate_up", 36864, 7168},
    {"deepseek-v3", "dense down", 7168, 18432},
};

std::string model_names() {
  std::string names, last;
  for (const Layer &layer : kLayers) {
    if (layer.model == last) continue;
    last = layer.model;
    names += (names.empty() ? "" : ", ") + last;
  }
  return names;
}

}  // namespace

std::vector<BenchShape> model_shapes(const std::string &model) {
  std::vector<BenchShape> shapes;
  for (const Layer &layer : kLayers) {
    if (layer.model == model) shapes.push_back({text(layer.model, " ", layer.name), layer.n, layer.k});
  }
  if (shapes.empty()) fail(kUsage, "no model is called '", printable(model), "'; use ", model_names());
  return shapes;
}

BenchShape parse_shape(const std::string &shape) {
  constexpr int64_t kLargest = INT32_MAX;
  BenchShape parsed{shape, 0, 0};
  const char *const end = shape.data() + shape.size();
  const auto rows = std::from_chars(shape.data(), end, parsed.rows);
  if (rows.ec == std::errc() && rows.ptr != end && *rows.ptr == 'x') {
    const auto k = std::from_chars(rows.ptr + 1, end, parsed.k);
    if (k.ec != std::errc() || k.ptr != end) parsed.k = 0;
  }
  if (parsed.rows < 1 || parsed.rows > kLargest || parsed.k < 1 || parsed.k > kLargest) {
    fail(kUsage, "shape '", printable(shape), "' is not ROWSxK, as in 5760x2880");
  }
  if (parsed.k % 32 != 0) fail(kUsage, "shape '", shape, "' has K = ", parsed.k, "; K must be a multiple of 32");
  return parsed;
}

std::vector<BenchShape> bench_shapes(const std::vector<std::string> &models, const std::vector<std::string> &shapes,
                                     const std::string &fallback) {
  std::vector<BenchShape> all;
  const auto add_model = [&](const std::string &model) {
    for (BenchShape &shape : model_shapes(model)) all.push_back(std::move(shape));
  };
  for (const std::string &model : models) add_model(model);
  for (const std::string &shape : shapes) all.push_back(parse_shape(shape));
  if (all.empty()) add_model(fallback);
  return all;
}

}  // namespace quern::cli

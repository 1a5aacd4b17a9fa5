#include "cli/json_file.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "cli/failure.hpp"
#include "cli/printable.hpp"

namespace quern::cli {
namespace {

constexpr std::uintmax_t kMaxBytes = 100'000'000;
constexpr int kMaxDepth = 64;  // copying and printing a tree recurse

}  // namespace

Json read_json_file(const std::string &path) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) fail(kFailed, printable(path), ": ", error.message());
  if (bytes > kMaxBytes) fail(kFailed, printable(path), ": larger than 100 MB; this is no such file");
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file) fail(kFailed, printable(path), ": cannot be read");
  bool too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json &) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  Json json = Json::parse(content, watch_depth, /*allow_exceptions=*/false);
  if (too_deep) fail(kFailed, printable(path), ": nested deeper than ", kMaxDepth, " levels");
  if (!json.is_object()) fail(kFailed, printable(path), ": not a JSON object");
  return json;
}

void write_json_file(const std::string &path, const Json &json) {
  std::ofstream file(path, std::ios::binary);
  file << json.dump(2) << "\n";
  file.close();
  if (!file) fail(kFailed, printable(path), ": cannot be written");
}

}  // namespace quern::cli

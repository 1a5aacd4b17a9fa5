// Drives the sources of packages for tests: a JSON object a line in, what to fetch; one a line out, what came of it.
//
//   {"op": "client", "settings": {...}}                        from here on, a client that knows nothing yet
//   {"op": "blob", "url": ..., "mirrors": [...], "sha256": ..., "size": ..., "threads": 1, "cancel_at": bytes}
//   {"op": "metadata", "url": ..., "path": ..., "limit": ...}
//   {"op": "post", "url": ..., "body": ..., "limit": ...}
//   {"op": "hub", "id": ..., "call": "versions|release|file", ...}     settings from this process's environment
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "registry/fetch/hugging_face_source.hpp"
#include "registry/fetch/static_source.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace {

using namespace quern;  // NOLINT: a program of tests
using Line = nlohmann::json;
using std::chrono::milliseconds;

// A line of /proc/self/status in KiB.
long memory(const std::string &name) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
  }
  return -1;
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

HttpSettings settings_of(const Line &line) {
  HttpSettings settings = http_settings(read_environment());
  settings.offline = line.value("offline", settings.offline);
  settings.allow_http = line.value("allow_http", settings.allow_http);
  settings.connect_timeout = milliseconds(line.value("connect_ms", 10000));
  settings.low_speed_time = std::chrono::seconds(line.value("low_speed_s", 30));
  settings.deadline = milliseconds(line.value("deadline_ms", 300000));
  settings.retry.attempts = line.value("attempts", 4);
  settings.retry.first_wait = milliseconds(line.value("first_wait_ms", 10));
  settings.retry.longest_wait = milliseconds(line.value("longest_wait_ms", 50));
  settings.retry.longest_asked = milliseconds(line.value("longest_asked_ms", 60000));
  settings.server_rest = milliseconds(line.value("rest_ms", 0));
  settings.missing_for = milliseconds(line.value("missing_ms", 0));
  settings.ca_file = line.value("ca_file", settings.ca_file);
  return settings;
}

Line described(const std::string &bytes) {
  Line out{{"size", bytes.size()}, {"sha256", hex(sha256(as_bytes(bytes)))}};
  const bool is_text =
      std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\n' || (c >= ' ' && c < 0x7f); });
  if (bytes.size() < 10000 && is_text) out["text"] = bytes;
  return out;
}

Line blob(const std::shared_ptr<HttpClient> &client, const StaticRegistry &registry, const Line &line) {
  const auto cancel_at = line.value("cancel_at", int64_t{-1});
  const auto cancel_after = milliseconds(line.value("cancel_after_ms", 0));
  const auto start = std::chrono::steady_clock::now();
  const auto progress = [&](uint64_t received, uint64_t) {
    if (cancel_at >= 0 && received >= static_cast<uint64_t>(cancel_at)) return false;
    return cancel_after.count() == 0 || std::chrono::steady_clock::now() - start < cancel_after;
  };
  StaticSource source(client, registry, progress);
  return described(source.blob(line.at("sha256"), line.at("size")));
}

Line metadata(const std::shared_ptr<HttpClient> &client, const StaticRegistry &registry, const Line &line) {
  StaticSource source(client, registry);
  const auto bytes = source.metadata(line.at("path"), line.at("limit"));
  return bytes ? described(*bytes) : Line{{"missing", true}};
}

Line post(const std::shared_ptr<HttpClient> &client, const Line &line) {
  FetchRequest request;
  request.method = HttpMethod::kPost;
  request.url = parse_url(line.at("url").get<std::string>());
  request.body = line.at("body");
  request.limit = line.at("limit");
  return described(client->fetch(request).body);
}

Line hub(const std::shared_ptr<HttpClient> &client, const Line &line) {
  const auto repository =
      std::make_shared<HuggingFaceRepository>(client, hugging_face_settings(read_environment()), line.at("id"));
  const std::string call = line.at("call");
  Line out = Line::object();
  if (call == "versions") {
    out["versions"] = Line::array();
    for (const HuggingFaceVersion &version : repository->versions()) {
      out["versions"].push_back({version.version, version.commit});
    }
  } else if (call == "release") {
    const HuggingFaceRelease release = repository->release(line.at("revision"));
    out = {{"commit", release.commit}, {"manifest", described(release.manifest)}};
    if (release.signature) out["signature"] = described(*release.signature);
  } else {
    HuggingFaceSource source(repository, line.at("revision"), {{line.at("sha256"), line.at("path")}});
    out = described(source.blob(line.at("sha256"), line.at("size")));
  }
  return out;
}

// What one call gives, as a value: status 0 and its result, or the status and the message.
Line outcome(const std::shared_ptr<HttpClient> &client, const Line &line) {
  const auto start = std::chrono::steady_clock::now();
  Line out = Line::object();
  try {
    const std::string op = line.at("op");
    const StaticRegistry registry{"test", line.value("url", ""), line.value("mirrors", std::vector<std::string>{}),
                                  line.value("token_file", "")};
    if (op == "blob") out = blob(client, registry, line);
    if (op == "metadata") out = metadata(client, registry, line);
    if (op == "post") out = post(client, line);
    if (op == "hub") out = hub(client, line);
    out["status"] = 0;
  } catch (const Error &error) {
    out = {{"status", error.status()}, {"message", error.what()}};
  }
  out["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

Line on_threads(const std::shared_ptr<HttpClient> &client, const Line &line) {
  std::vector<Line> outcomes(line.at("threads").get<size_t>());
  std::vector<std::thread> threads;
  for (Line &one : outcomes) threads.emplace_back([&] { one = outcome(client, line); });
  for (std::thread &thread : threads) thread.join();
  return {{"status", 0}, {"outcomes", outcomes}};
}

}  // namespace

int main() {
  auto client = std::make_shared<HttpClient>(settings_of(Line::object()));
  for (std::string text; std::getline(std::cin, text);) {
    const Line line = Line::parse(text);
    forget_peak();
    const long before = memory("VmRSS");
    Line out{{"status", 0}};
    if (line.at("op") == "client") {
      client = std::make_shared<HttpClient>(settings_of(line.at("settings")));
    } else {
      out = line.contains("threads") ? on_threads(client, line) : outcome(client, line);
    }
    out["grown_kib"] = memory("VmHWM") - before;
    std::cout << out.dump() << std::endl;
  }
}

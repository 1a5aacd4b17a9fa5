#include "registry/fetch/static_source.hpp"

#include <utility>

#include "registry/format/file_tree.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {

// What each server answered, to be told when none has helped.
struct StaticSource::Failures {
  std::string facts;
  bool any_wrong = false;    // some server sent wrong bytes
  bool any_offline = false;  // some server may not be asked

  void add(quern_status status, const std::string &fact) {
    facts += (facts.empty() ? "" : ", ") + fact;
    any_wrong = any_wrong || status == QUERN_CORRUPT;
    any_offline = any_offline || status == QUERN_OFFLINE;
  }
  [[noreturn]] void give_up(const std::string &registry, const std::string &what) const {
    const quern_status status = any_wrong ? QUERN_CORRUPT : any_offline ? QUERN_OFFLINE : QUERN_NETWORK_ERROR;
    const char *fix = any_wrong     ? "tell who runs it, or name another mirror"
                      : any_offline ? "prefetch beforehand, or allow the network"
                                    : "check the network, or name a mirror";
    fail(status, "registry ", registry, " does not give ", what, ": ", facts, "; ", fix);
  }
};

StaticSource::StaticSource(std::shared_ptr<HttpClient> client, const StaticRegistry &registry, Progress progress)
    : client_(std::move(client)), name_(registry.name), progress_(std::move(progress)) {
  std::vector<std::string> addresses{registry.url};
  addresses.insert(addresses.end(), registry.mirrors.begin(), registry.mirrors.end());
  for (const std::string &address : addresses) {
    const Url url = parse_url(address);
    if (url.scheme != "file" && !may_be_asked(url, client_->settings().allow_http)) {
      fail(QUERN_INVALID_ARGUMENT, "registry ", name_, ": ", url.shown(),
           " is not https or file; correct it, or set QUERN_ALLOW_HTTP=1");
    }
    if (url.scheme != "file") below(url, "timestamp.json");  // a base with a query is refused here
    servers_.push_back(url);
    addresses_.push_back(url.text());
  }
  if (!registry.token_file.empty()) credential_ = read_credential(registry.token_file, servers_.front());
}

std::optional<std::string> StaticSource::read_file(const Url &base, const std::string &path, size_t limit,
                                                   const Expected &expected) {
  auto bytes = read_below(base.path, path, limit);
  if (bytes && expected && (bytes->size() != expected->size || hex(sha256(as_bytes(*bytes))) != expected->sha256)) {
    fail(QUERN_CORRUPT, below(base, path).shown(), " holds other bytes than its name says");
  }
  if (bytes && progress_ && !progress_(bytes->size(), bytes->size())) fail(QUERN_CANCELLED, path, ": cancelled");
  return bytes;
}

// Nothing: it is not there.
std::optional<std::string> StaticSource::read(size_t server, const std::string &path, size_t limit,
                                              const Expected &expected) {
  if (servers_[server].scheme == "file") return read_file(servers_[server], path, limit, expected);
  FetchRequest request;
  request.url = below(servers_[server], path);
  request.limit = limit;
  request.expected = expected;
  request.progress = progress_;
  if (server == 0) request.credential = credential_;  // mirrors need not be trusted
  Fetched fetched = client_->fetch(request);
  if (fetched.status == 200) return std::move(fetched.body);
  if (fetched.status == 404 || fetched.status == 410) return std::nullopt;
  const bool is_denied = fetched.status == 401 || fetched.status == 403;
  const char *why = !is_denied                          ? ""
                    : request.credential.header.empty() ? " and may want a token (token_file)"
                                                        : " and refuses the token";
  fail(QUERN_NETWORK_ERROR, request.url.shown(), " answers ", fetched.status, why);
}

StaticSource::Answer StaticSource::ask(size_t server, const std::string &path, size_t limit, const Expected &expected,
                                       Failures &failures) {
  ServerHealth &health = client_->health();
  try {
    Answer answer{true, read(server, path, limit, expected)};
    health.worked(addresses_[server]);
    if (!answer.bytes) failures.add(QUERN_NETWORK_ERROR, below(servers_[server], path).shown() + " does not exist");
    return answer;
  } catch (const Error &error) {
    if (error.status() == QUERN_CANCELLED || error.status() == QUERN_INVALID_ARGUMENT) throw;
    if (error.status() != QUERN_OFFLINE) health.failed(addresses_[server], std::chrono::steady_clock::now());
    failures.add(error.status(), error.what());
    return {};
  }
}

std::optional<std::string> StaticSource::metadata(const std::string &path, size_t limit) {
  ServerHealth &health = client_->health();
  const std::string address = below(servers_.front(), path).text();
  if (health.is_missing(address, std::chrono::steady_clock::now())) return std::nullopt;
  Failures failures;
  bool missing = false;
  for (const size_t server : health.order(addresses_, std::chrono::steady_clock::now())) {
    const Answer answer = ask(server, path, limit, std::nullopt, failures);
    if (answer.bytes) return answer.bytes;
    missing = missing || answer.answered;
    if (server == 0 && answer.answered) break;
  }
  if (!missing) failures.give_up(name_, path);
  health.missed(address, std::chrono::steady_clock::now());
  return std::nullopt;
}

std::string StaticSource::blob(const std::string &sha256, size_t size) {
  if (!is_hex_digest(sha256)) fail(QUERN_INVALID_ARGUMENT, "\"", sha256, "\" is no sha256; write 64 hex digits");
  const std::string path = "blobs/" + sha256.substr(0, 2) + "/" + sha256;
  Failures failures;
  for (const size_t server : client_->health().order(addresses_, std::chrono::steady_clock::now())) {
    Answer answer = ask(server, path, size, ExpectedBytes{sha256, size}, failures);
    if (answer.bytes) return std::move(*answer.bytes);
  }
  failures.give_up(name_, path);
}

}  // namespace quern

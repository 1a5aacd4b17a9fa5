// A file from a server: redirects, repetitions, continued transfers, and the proof that the bytes are the right ones.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "registry/fetch/answer_body.hpp"
#include "registry/fetch/credential.hpp"
#include "registry/fetch/http.hpp"
#include "registry/fetch/http_settings.hpp"
#include "registry/fetch/server_health.hpp"

namespace quern {

// Told how far a transfer has come (total 0: not known); false cancels it. Called on the thread that fetches.
using Progress = std::function<bool(uint64_t received, uint64_t total)>;

struct FetchRequest {
  HttpMethod method = HttpMethod::kGet;
  Url url;
  Credential credential;                         // sent to its origin only, and no more once a redirect has left it
  std::string body;                              // of a POST, which is sent once and follows no redirect
  size_t limit = 0;                              // of the answer's body; more is refused
  std::optional<ExpectedBytes> expected;         // then nothing else is handed over, and limit is its size
  bool leave_origin = true;                      // follow redirects to other servers; else such an answer is the result
  std::optional<std::chrono::seconds> patience;  // instead of the settings' connect_timeout and low_speed_time
  Progress progress;
};

struct Fetched {
  long status = 0;  // 200, or what is neither success nor worth a repetition: 404, 403...
  HttpHeaders headers;
  std::string body;      // of a 200
  std::string redirect;  // of an answer that points to another server and was not followed
};

// Thread-safe.
class HttpClient {
 public:
  explicit HttpClient(const HttpSettings &settings);

  // Throws QUERN_OFFLINE; QUERN_CANCELLED; QUERN_INVALID_ARGUMENT for an address that may not be asked; QUERN_CORRUPT
  // for wrong bytes; QUERN_NETWORK_ERROR for all else. Messages name the address without its query.
  Fetched fetch(const FetchRequest &request);

  const HttpSettings &settings() const { return settings_; }
  ServerHealth &health() { return health_; }

 private:
  HttpSettings settings_;
  HttpTransport transport_;
  ServerHealth health_;
};

}  // namespace quern

// One HTTP request and its answer, through libcurl, which is opened when the first request is made. No redirect is
// followed and nothing is repeated here; download.hpp does that.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "registry/fetch/http_settings.hpp"
#include "registry/fetch/retry.hpp"
#include "registry/fetch/url.hpp"

namespace quern {

enum class HttpMethod { kGet, kHead, kPost };

// What a request learns of its answer as it arrives. All are called on the thread of the request.
struct HttpListener {
  // The header of the answer proper, not of an interim one. False ends the request.
  std::function<bool(long status, const HttpHeaders &headers)> on_header;
  std::function<bool(std::string_view bytes)> on_body;  // false ends the request
  std::function<bool()> keep_going;                     // asked at least once a second; false cancels
};

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  Url url;
  std::vector<std::string> headers;     // "Name: value"
  std::string body;                     // of a POST
  std::chrono::milliseconds timeout{};  // of everything
  std::chrono::milliseconds connect_timeout{};
  std::chrono::seconds low_speed_time{};
};

enum class HttpEnd {
  kComplete,   // the answer arrived whole, as far as its framing tells
  kStopped,    // the listener refused the rest
  kCancelled,  // keep_going said no
  kTimedOut,
  kLost,     // no connection, or one that broke; trying again may help
  kRefused,  // no certificate that can be verified, no HTTP, too large a header; trying again does not help
};

struct HttpReply {
  HttpEnd end = HttpEnd::kRefused;
  long status = 0;  // 0 until a header was complete
  HttpHeaders headers;
  std::string redirect;  // absolute address of a 3xx answer, else ""
  std::string error;     // one line, of any end but kComplete
};

// Thread-safe; each request takes a connection of its own out of a pool, which keeps them open for the next.
class HttpTransport {
 public:
  explicit HttpTransport(const HttpSettings &settings);
  ~HttpTransport();
  HttpTransport(const HttpTransport &) = delete;
  HttpTransport &operator=(const HttpTransport &) = delete;

  // Throws QUERN_NETWORK_ERROR if there is no libcurl, naming what was tried.
  HttpReply exchange(const HttpRequest &request, const HttpListener &listener);

 private:
  class Pool;
  HttpSettings settings_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace quern

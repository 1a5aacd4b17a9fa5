#include "registry/fetch/http.hpp"

#include <algorithm>
#include <cctype>
#include <mutex>
#include <optional>

#include <curl/curl.h>
#include <dlfcn.h>

#include "registry/format/plain_text.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/failpoint.hpp"

namespace quern {
namespace {

constexpr size_t kMaxHeader = 64 * 1024;  // of all answers to one request together
constexpr size_t kIdleConnections = 16;
constexpr long kLowSpeed = 10;  // bytes a second

struct CurlApi {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
};

template <typename Function>
bool find(void *library, const char *name, Function &function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

// Throws if it is not there. The library stays open: its TLS library registers what runs when the process ends.
CurlApi open_curl(const std::string &path) {
  void *library = nullptr;
  std::string tried;
  std::vector<std::string> names{"libcurl.so.4", "libcurl-gnutls.so.4"};
  if (!path.empty()) names = {path};
  for (const std::string &name : names) {
    library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library != nullptr) break;
    const char *reason = ::dlerror();
    tried += (tried.empty() ? "" : ", ") + std::string(reason == nullptr ? name.c_str() : reason);
  }
  if (library == nullptr) {
    fail(QUERN_NETWORK_ERROR, "libcurl, which fetching needs, cannot be opened (", tried,
         "); install libcurl4, or set QUERN_CURL_PATH");
  }
  CurlApi api{};
  const bool found =
      find(library, "curl_global_init", api.global_init) && find(library, "curl_easy_init", api.easy_init) &&
      find(library, "curl_easy_setopt", api.easy_setopt) && find(library, "curl_easy_perform", api.easy_perform) &&
      find(library, "curl_easy_getinfo", api.easy_getinfo) && find(library, "curl_easy_reset", api.easy_reset) &&
      find(library, "curl_easy_cleanup", api.easy_cleanup) && find(library, "curl_easy_strerror", api.easy_strerror) &&
      find(library, "curl_slist_append", api.slist_append) && find(library, "curl_slist_free_all", api.slist_free_all);
  if (!found) fail(QUERN_NETWORK_ERROR, "the libcurl at hand lacks functions; set QUERN_CURL_PATH to another");
  // Not thread-safe before 7.84; callers hold a lock.
  if (api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    fail(QUERN_NETWORK_ERROR, "libcurl cannot initialise itself; set QUERN_CURL_PATH to another");
  }
  return api;
}

// Trivially destructible, so that a thread which outlives main() still finds it.
const CurlApi &curl(const std::string &path) {
  static std::mutex mutex;
  static std::optional<CurlApi> api;
  const std::lock_guard lock(mutex);
  if (!api) api = open_curl(path);
  return *api;
}

struct Transfer {
  const HttpListener &listener;
  HttpReply reply{};
  size_t header_bytes = 0;
  bool header_done = false;
  bool stopped = false;
  bool header_too_large = false;
  bool cancelled = false;
  std::exception_ptr thrown{};  // by the listener; must not pass through C
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

// "HTTP/1.1 200 OK" or "HTTP/2 200".
long status_of(std::string_view line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view digits = line.substr(space, 4);
  long status = 0;
  for (const char c : digits.substr(std::min<size_t>(1, digits.size()))) {
    if (c < '0' || c > '9') return 0;
    status = status * 10 + (c - '0');
  }
  return status;
}

void read_header_line(std::string_view line, Transfer &transfer) {
  if (line.starts_with("HTTP/")) {
    transfer.reply.headers.clear();
    transfer.reply.status = status_of(line);
    transfer.header_done = false;
    return;
  }
  if (transfer.header_done) return;  // a trailer
  if (trimmed(line).empty()) {
    if (transfer.reply.status < 200) return;
    transfer.header_done = true;
    transfer.stopped = !transfer.listener.on_header(transfer.reply.status, transfer.reply.headers);
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  transfer.reply.headers[name] = trimmed(line.substr(colon + 1));
}

template <typename Work>
bool guarded(Transfer &transfer, const Work &work) {
  try {
    return work();
  } catch (...) {
    transfer.thrown = std::current_exception();
    return false;
  }
}

size_t take_header(char *data, size_t, size_t size, void *user) {
  Transfer &transfer = *static_cast<Transfer *>(user);
  const bool go_on = guarded(transfer, [&] {
    transfer.header_bytes += size;
    transfer.header_too_large = transfer.header_bytes > kMaxHeader;
    if (!transfer.header_too_large) read_header_line({data, size}, transfer);
    return !transfer.header_too_large && !transfer.stopped;
  });
  return go_on ? size : 0;
}

size_t take_body(char *data, size_t, size_t size, void *user) {
  Transfer &transfer = *static_cast<Transfer *>(user);
  const bool go_on = guarded(transfer, [&] { return transfer.listener.on_body({data, size}); });
  transfer.stopped = !go_on;
  return go_on ? size : 0;
}

int take_progress(void *user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  Transfer &transfer = *static_cast<Transfer *>(user);
  transfer.cancelled = !guarded(transfer, [&] { return transfer.listener.keep_going(); });
  return transfer.cancelled ? 1 : 0;
}

HttpEnd end_of(CURLcode code, const Transfer &transfer) {
  if (transfer.cancelled) return HttpEnd::kCancelled;
  if (transfer.header_too_large) return HttpEnd::kRefused;
  if (transfer.stopped) return HttpEnd::kStopped;
  switch (code) {
    case CURLE_OK:
      return HttpEnd::kComplete;
    case CURLE_OPERATION_TIMEDOUT:
      return HttpEnd::kTimedOut;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return HttpEnd::kLost;
    default:
      return HttpEnd::kRefused;
  }
}

// An easy handle, set up anew for each request.
class Connection {
 public:
  explicit Connection(const CurlApi &api)
      : api_(api), handle_(QUERN_FAILPOINT("curl_init") != 0 ? nullptr : api.easy_init()) {
    if (handle_ == nullptr) throw std::bad_alloc();
  }
  // The options go first: they point to what lived during a request.
  ~Connection() {
    api_.easy_reset(handle_);
    api_.easy_cleanup(handle_);
  }
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  HttpReply exchange(const HttpRequest &request, const HttpSettings &settings, const HttpListener &listener);

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    const CURLcode code =
        QUERN_FAILPOINT("curl_setopt") != 0 ? CURLE_OUT_OF_MEMORY : api_.easy_setopt(handle_, option, value);
    if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
    if (code != CURLE_OK) fail(QUERN_INTERNAL, "libcurl refuses option ", option, ": ", api_.easy_strerror(code));
  }
  void set_limits(const HttpRequest &request);
  void set_protocol(const Url &url);
  void set_certificates(const HttpSettings &settings);

  const CurlApi &api_;
  CURL *handle_;
};

void Connection::set_limits(const HttpRequest &request) {
  const auto milliseconds = [](auto time) { return std::max(1L, static_cast<long>(time.count())); };
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, milliseconds(request.timeout));
  set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(std::min(request.connect_timeout, request.timeout)));
  set(CURLOPT_LOW_SPEED_LIMIT, kLowSpeed);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.low_speed_time.count()));
  // Since 7.87: do not wait for a resolver that hangs. Older ones do.
  api_.easy_setopt(handle_, CURLOPT_QUICK_EXIT, 1L);
}

void Connection::set_protocol(const Url &url) {
  // Before 7.85 the names are not known, and the numbers serve.
  if (api_.easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, url.scheme.c_str()) == CURLE_OK) {
    set(CURLOPT_REDIR_PROTOCOLS_STR, "https");
  } else {
    constexpr auto kProtocols = static_cast<CURLoption>(181);  // CURLOPT_PROTOCOLS, deprecated
    set(kProtocols, url.scheme == "https" ? CURLPROTO_HTTPS : CURLPROTO_HTTP);
  }
  set(CURLOPT_FOLLOWLOCATION, 0L);
  // What this machine serves to itself goes through no proxy, whatever the environment says.
  if (url.reach == Reach::kLoopback) set(CURLOPT_PROXY, "");
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void Connection::set_certificates(const HttpSettings &settings) {
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!settings.ca_file.empty()) set(CURLOPT_CAINFO, settings.ca_file.c_str());
  if (!settings.ca_directory.empty()) set(CURLOPT_CAPATH, settings.ca_directory.c_str());
}

HttpReply Connection::exchange(const HttpRequest &request, const HttpSettings &settings, const HttpListener &listener) {
  Transfer transfer{listener};
  char error[CURL_ERROR_SIZE] = "";
  const std::string url = request.url.text();
  api_.easy_reset(handle_);
  set_limits(request);
  set_protocol(request.url);
  set_certificates(settings);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_ERRORBUFFER, error);
  set(CURLOPT_USERAGENT, "quern/" QUERN_VERSION);
  set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(CURLOPT_HEADERFUNCTION, &take_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &take_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &take_progress);
  set(CURLOPT_XFERINFODATA, &transfer);
  if (request.method == HttpMethod::kHead) set(CURLOPT_NOBODY, 1L);
  if (request.method == HttpMethod::kPost) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.c_str());
  }
  std::unique_ptr<curl_slist, decltype(api_.slist_free_all)> headers(nullptr, api_.slist_free_all);
  for (const std::string &header : request.headers) {
    curl_slist *longer =
        QUERN_FAILPOINT("curl_slist") != 0 ? nullptr : api_.slist_append(headers.get(), header.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    static_cast<void>(headers.release());
    headers.reset(longer);
  }
  set(CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = QUERN_FAILPOINT("curl_perform") != 0 ? CURLE_RECV_ERROR : api_.easy_perform(handle_);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  // libcurl says "out of memory" to a single line of 100 KiB as well, so this is no bad_alloc.
  if (code == CURLE_OUT_OF_MEMORY && !transfer.header_done) transfer.header_too_large = true;
  transfer.reply.end = end_of(code, transfer);
  const char *redirect = nullptr;
  if (transfer.header_done && api_.easy_getinfo(handle_, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK &&
      redirect != nullptr) {
    transfer.reply.redirect = redirect;
  }
  if (transfer.header_too_large) {
    transfer.reply.error = text("its header is larger than ", kMaxHeader, " bytes");
  } else if (code != CURLE_OK) {
    transfer.reply.error = plain_text(error[0] != '\0' ? error : api_.easy_strerror(code));
  }
  if (!transfer.header_done) transfer.reply.status = 0;
  api_.easy_reset(handle_);  // which points to what ends here
  return std::move(transfer.reply);
}

}  // namespace

class HttpTransport::Pool {
 public:
  std::unique_ptr<Connection> take(const CurlApi &api) {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Connection>(api);
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  void give_back(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleConnections) idle_.push_back(std::move(connection));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

HttpTransport::HttpTransport(const HttpSettings &settings) : settings_(settings), pool_(std::make_unique<Pool>()) {}
HttpTransport::~HttpTransport() = default;

HttpReply HttpTransport::exchange(const HttpRequest &request, const HttpListener &listener) {
  std::unique_ptr<Connection> connection = pool_->take(curl(settings_.curl_path));
  HttpReply reply = connection->exchange(request, settings_, listener);
  pool_->give_back(std::move(connection));
  return reply;
}

}  // namespace quern

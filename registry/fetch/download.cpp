#include "registry/fetch/download.hpp"

#include <algorithm>
#include <random>
#include <thread>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kSlice{50};  // of a wait; between them the caller may cancel

// Why an attempt failed, in words that follow the address.
struct Trouble {
  quern_status status = QUERN_NETWORK_ERROR;
  std::string fact;
  bool may_pass = false;
  std::optional<milliseconds> asked_wait{};
};

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

double random_fraction() {
  std::random_device device;
  return static_cast<double>(device()) / (static_cast<double>(std::random_device::max()) + 1.0);
}

// All attempts at one request.
class Download {
 public:
  Download(HttpTransport &transport, const HttpSettings &settings, const FetchRequest &request)
      : transport_(transport),
        settings_(settings),
        request_(request),
        deadline_(Clock::now() + settings.deadline),
        body_(request.limit, request.expected) {}

  Fetched run();

 private:
  std::optional<Trouble> attempt();
  std::optional<Trouble> follow(HttpReply &reply);
  HttpReply exchange(const Url &url, bool with_credential);
  std::optional<Trouble> judge(HttpReply &reply);
  bool keep_going() const;
  void wait(milliseconds time) const;
  [[noreturn]] void give_up(const Trouble &trouble, int attempts) const;

  HttpTransport &transport_;
  const HttpSettings &settings_;
  const FetchRequest &request_;
  const Clock::time_point deadline_;
  AnswerBody body_;
  std::string asked_;  // the address that answered last, if it is not the request's
  Fetched result_;
};

bool Download::keep_going() const {
  const uint64_t total = request_.expected ? request_.expected->size : 0;
  return !request_.progress || request_.progress(body_.received(), total);
}

void Download::wait(milliseconds time) const {
  const auto until = Clock::now() + time;
  for (auto now = Clock::now(); now < until; now = Clock::now()) {
    if (!keep_going()) fail(QUERN_CANCELLED, request_.url.shown(), ": cancelled");
    std::this_thread::sleep_for(std::min<Clock::duration>(until - now, kSlice));
  }
}

void Download::give_up(const Trouble &trouble, int attempts) const {
  const std::string tries = attempts > 1 ? text(" (", attempts, " attempts)") : std::string();
  fail(trouble.status, request_.url.shown(), asked_.empty() ? "" : ", asking " + asked_, " ", trouble.fact, tries);
}

HttpReply Download::exchange(const Url &url, bool with_credential) {
  HttpRequest http;
  http.method = request_.method;
  http.url = url;
  http.body = request_.body;
  http.headers = body_.range_headers();
  http.headers.emplace_back("Accept-Encoding: identity");
  if (with_credential) http.headers.push_back(request_.credential.header);
  http.connect_timeout = request_.patience ? milliseconds(*request_.patience) : settings_.connect_timeout;
  http.low_speed_time = request_.patience.value_or(settings_.low_speed_time);
  http.timeout = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now());
  HttpListener listener;
  const bool is_head = request_.method == HttpMethod::kHead;
  listener.on_header = [&](long status, const HttpHeaders &headers) { return is_head || body_.begin(status, headers); };
  listener.on_body = [&](std::string_view bytes) { return body_.add(bytes); };
  listener.keep_going = [&] { return keep_going(); };
  return transport_.exchange(http, listener);
}

// Ask, and go where the answers point, until one points nowhere.
std::optional<Trouble> Download::follow(HttpReply &reply) {
  Url url = request_.url;
  bool with_credential = !request_.credential.origin.empty() && request_.credential.origin == url.origin();
  for (int hop = 0;; ++hop) {
    asked_ = hop == 0 ? "" : url.shown();
    reply = exchange(url, with_credential);
    if (!is_redirect(reply.status) || reply.redirect.empty()) return std::nullopt;
    if (request_.method == HttpMethod::kPost) return Trouble{.fact = "redirects what was posted; correct the address"};
    if (hop == settings_.redirects) return Trouble{.fact = text("redirects more than ", settings_.redirects, " times")};
    Url next;
    try {
      next = parse_url(reply.redirect);
    } catch (const Error &error) {
      return Trouble{.fact = text("redirects to what is no address: ", error.what())};
    }
    const bool leaves = next.origin() != url.origin();
    if (leaves && !request_.leave_origin) return std::nullopt;
    const std::string refusal = redirect_refusal(url, next, settings_.allow_http);
    if (!refusal.empty()) return Trouble{.fact = refusal + ", which is not followed"};
    with_credential = with_credential && !leaves;
    url = next;
  }
}

std::optional<Trouble> Download::judge(HttpReply &reply) {
  if (reply.end == HttpEnd::kCancelled) fail(QUERN_CANCELLED, request_.url.shown(), ": cancelled");
  if (!body_.problem().empty()) {
    return Trouble{.status = QUERN_CORRUPT, .fact = body_.problem(), .may_pass = body_.may_ask_again()};
  }
  if (is_transient(reply.status)) {
    return Trouble{.fact = text("answers ", reply.status),
                   .may_pass = true,
                   .asked_wait = asked_wait(reply.headers, std::chrono::system_clock::now())};
  }
  const bool answered = reply.status != 0;
  const bool wants_body = request_.method != HttpMethod::kHead && (reply.status == 200 || reply.status == 206);
  if (answered && !wants_body) {  // all there is to know came with the header
    if (reply.status > 200 && reply.status < 300) return Trouble{.fact = text("answers ", reply.status, ", not 200")};
    return std::nullopt;
  }
  const bool right = body_.finish(reply.end == HttpEnd::kComplete);
  if (right) return std::nullopt;
  if (!body_.problem().empty()) {
    return Trouble{.status = QUERN_CORRUPT, .fact = body_.problem(), .may_pass = body_.may_ask_again()};
  }
  if (reply.end == HttpEnd::kComplete) return Trouble{.fact = "ends before all bytes were sent", .may_pass = true};
  // What has waited for its time already is not waited for again: another server may do better.
  return Trouble{.fact = "gives no answer: " + reply.error, .may_pass = reply.end == HttpEnd::kLost};
}

// Nothing: result_ is the answer.
std::optional<Trouble> Download::attempt() {
  HttpReply reply;
  if (auto trouble = follow(reply)) return trouble;
  if (auto trouble = judge(reply)) return trouble;
  result_.status = reply.status == 206 ? 200 : reply.status;
  result_.headers = std::move(reply.headers);
  result_.redirect = std::move(reply.redirect);
  if (result_.status == 200) result_.body = body_.take();
  return std::nullopt;
}

Fetched Download::run() {
  for (int number = 1;; ++number) {
    const auto trouble = attempt();
    if (!trouble) return std::move(result_);
    const bool once = request_.method == HttpMethod::kPost;
    if (!trouble->may_pass || once || number >= settings_.retry.attempts) give_up(*trouble, number);
    const milliseconds pause = wait_before(number + 1, settings_.retry, trouble->asked_wait, random_fraction());
    if (Clock::now() + pause >= deadline_) give_up(*trouble, number);
    wait(pause);
  }
}

}  // namespace

HttpClient::HttpClient(const HttpSettings &settings)
    : settings_(settings), transport_(settings), health_(settings.server_rest, settings.missing_for) {}

Fetched HttpClient::fetch(const FetchRequest &request) {
  const std::string address = request.url.shown();
  if (settings_.offline) fail(QUERN_OFFLINE, address, " is needed, and the network is forbidden");
  if (!may_be_asked(request.url, settings_.allow_http)) {
    fail(QUERN_INVALID_ARGUMENT, address, " is not https; use https, or set QUERN_ALLOW_HTTP=1");
  }
  return Download(transport_, settings_, request).run();
}

}  // namespace quern

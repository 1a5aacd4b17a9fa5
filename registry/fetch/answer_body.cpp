#include "registry/fetch/answer_body.hpp"

#include <utility>

#include "registry/format/plain_text.hpp"
#include "runtime/base/error.hpp"

namespace quern {
namespace {

constexpr size_t kPassedOver = 64 * 1024;  // of an error's page; then the connection is given up instead

std::string header(const HttpHeaders &headers, const char *name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

// A decimal number of at most 18 digits and nothing else.
std::optional<uint64_t> number(std::string_view digits) {
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  uint64_t value = 0;
  for (const char c : digits) value = value * 10 + static_cast<uint64_t>(c - '0');
  return value;
}

// Of "bytes 10-19/20": 10 and 20, if the part is all of the rest.
std::optional<std::pair<uint64_t, uint64_t>> rest_of(std::string_view range) {
  if (!range.starts_with("bytes ")) return std::nullopt;
  range.remove_prefix(6);
  const size_t dash = range.find('-');
  const size_t slash = range.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto first = number(range.substr(0, dash));
  const auto last = number(range.substr(dash + 1, slash - dash - 1));
  const auto total = number(range.substr(slash + 1));
  if (!first || !last || !total || *last + 1 != *total) return std::nullopt;
  return std::pair(*first, *total);
}

}  // namespace

AnswerBody::AnswerBody(size_t limit, std::optional<ExpectedBytes> expected)
    : limit_(expected ? expected->size : limit), expected_(std::move(expected)) {}

std::vector<std::string> AnswerBody::range_headers() const {
  if (!expected_ || bytes_.empty() || validator_.empty() || !ranges_work_) return {};
  return {text("Range: bytes=", bytes_.size(), "-"), "If-Range: " + validator_};
}

bool AnswerBody::refuse(std::string problem, bool may_ask_again) {
  problem_ = std::move(problem);
  may_ask_again_ = may_ask_again;
  return false;
}

bool AnswerBody::begin(long status, const HttpHeaders &headers) {
  asked_for_part_ = !range_headers().empty();
  passed_over_ = 0;
  problem_.clear();
  may_ask_again_ = true;
  wanted_ = status == 200 || status == 206;
  if (!wanted_) {
    if (status == 416 && asked_for_part_) {
      start_over();
      return refuse("has no such part, though it began to send it", true);
    }
    return true;
  }
  const std::string encoding = header(headers, "content-encoding");
  if (!encoding.empty() && encoding != "identity") {
    return refuse("sends its bytes encoded as " + plain_text(encoding, 40) + ", which was not asked for");
  }
  if (status == 206) return begin_part(headers);
  const std::string length = header(headers, "content-length");
  return begin_whole(headers, number(length));
}

bool AnswerBody::begin_whole(const HttpHeaders &headers, std::optional<uint64_t> length) {
  bytes_.clear();
  hash_.restart();
  joined_ = false;
  if (expected_ && length && *length != expected_->size) {
    return refuse(text("offers ", *length, " bytes instead of ", expected_->size));
  }
  if (length && *length > limit_) return refuse(text("offers ", *length, " bytes; at most ", limit_, " are allowed"));
  if (length) bytes_.reserve(static_cast<size_t>(*length));
  const std::string tag = header(headers, "etag");
  validator_ = tag.starts_with('"') ? tag : header(headers, "last-modified");  // a weak tag does not prove equal bytes
  return true;
}

bool AnswerBody::begin_part(const HttpHeaders &headers) {
  const auto part = rest_of(header(headers, "content-range"));
  const bool fits = asked_for_part_ && part && part->first == bytes_.size() && part->second == expected_->size;
  if (!fits) {
    const bool asked = asked_for_part_;
    start_over();
    return refuse("sends a part that was not asked for", asked);
  }
  joined_ = true;
  return true;
}

bool AnswerBody::add(std::string_view bytes) {
  if (!wanted_) {
    passed_over_ += bytes.size();
    return passed_over_ <= kPassedOver;
  }
  if (bytes.size() > limit_ - bytes_.size()) {
    return refuse(text("sends more than ", limit_, " bytes"));
  }
  bytes_.append(bytes);
  hash_.add(as_bytes(bytes));
  return true;
}

bool AnswerBody::finish(bool whole) {
  if (!problem_.empty() || !whole || !wanted_) return false;
  if (!expected_) return true;
  if (bytes_.size() < expected_->size) return false;  // cut off where the framing could not tell
  const std::string digest = hex(hash_.finish());
  if (digest == expected_->sha256) return true;
  const bool again = joined_;  // parts of different files, perhaps; the whole may be right
  start_over();
  return refuse("sends other bytes: their sha256 is " + digest.substr(0, 16) + "..., not " +
                    expected_->sha256.substr(0, 16) + "...",
                again);
}

void AnswerBody::start_over() {
  bytes_.clear();
  hash_.restart();
  joined_ = false;
  ranges_work_ = false;
}

}  // namespace quern

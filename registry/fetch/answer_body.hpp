// The body of an answer as it arrives over one or several transfers: bounded, hashed, and judged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/fetch/retry.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {

struct ExpectedBytes {
  std::string sha256;
  size_t size = 0;
};

class AnswerBody {
 public:
  // What is expected also is the limit.
  AnswerBody(size_t limit, std::optional<ExpectedBytes> expected);

  // The headers that ask for the rest of what has arrived; none if all must be sent again.
  std::vector<std::string> range_headers() const;

  // An answer begins. False: it is not wanted, and problem() says why.
  bool begin(long status, const HttpHeaders &headers);
  // More of it. False: it is too much, or of no further interest.
  bool add(std::string_view bytes);
  // The transfer is over, `whole` as far as its framing told. True: the bytes are the right ones.
  bool finish(bool whole);

  // What is wrong with the bytes, in words that follow an address; empty if nothing but their end is missing.
  const std::string &problem() const { return problem_; }
  // Whether asking the same server again may help.
  bool may_ask_again() const { return may_ask_again_; }

  // Drop what has arrived, and never ask for parts again.
  void start_over();

  uint64_t received() const { return bytes_.size(); }
  std::string take() { return std::move(bytes_); }

 private:
  bool refuse(std::string problem, bool may_ask_again = false);
  bool begin_whole(const HttpHeaders &headers, std::optional<uint64_t> length);
  bool begin_part(const HttpHeaders &headers);

  size_t limit_;
  std::optional<ExpectedBytes> expected_;
  ByteHash hash_;
  std::string bytes_;
  std::string validator_;  // of If-Range; empty: parts cannot be asked for
  bool ranges_work_ = true;
  bool asked_for_part_ = false;  // in the transfer at hand
  bool joined_ = false;          // bytes_ came in several transfers
  bool wanted_ = false;          // the answer at hand is a 200 or 206; else its bytes are passed over
  size_t passed_over_ = 0;
  std::string problem_;
  bool may_ask_again_ = true;
};

}  // namespace quern

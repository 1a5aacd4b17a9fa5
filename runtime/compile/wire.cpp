#include "runtime/compile/wire.hpp"

#include <cstring>

namespace quern {
namespace {

constexpr uint64_t kMark = 0x3130636e72657571;  // "quernc01"; counts up with every change of a message
constexpr uint64_t kMostItems = 4096;

class Writer {
 public:
  Writer() : out_(kMessageHead, '\0') {}
  void number(uint64_t value) { out_.append(reinterpret_cast<const char *>(&value), sizeof value); }
  void bytes(std::string_view text) {
    number(text.size());
    out_ += text;
  }
  std::string finish() {
    const uint64_t head[2] = {kMark, out_.size() - kMessageHead};
    std::memcpy(out_.data(), head, sizeof head);
    return std::move(out_);
  }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}
  uint64_t number(uint64_t most = UINT64_MAX) {
    uint64_t value = 0;
    if (!good_ || rest_.size() < sizeof value) return spoil();
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value <= most ? value : spoil();
  }
  std::string_view bytes() {
    const uint64_t size = number(rest_.size());
    if (!good_ || size > rest_.size()) return spoil(), std::string_view();
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  std::string text() { return std::string(bytes()); }
  bool good() const { return good_; }
  bool finished() const { return good_ && rest_.empty(); }

 private:
  uint64_t spoil() {
    good_ = false;
    return 0;
  }
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::string encode(const ChildOrders &orders) {
  Writer out;
  out.number(orders.parent);
  out.number(orders.cpu_seconds);
  out.number(orders.memory_bytes);
  out.number(orders.confinement);
  out.bytes(orders.nvrtc_path);
  return out.finish();
}

std::string encode(const CompileJob &job) {
  Writer out;
  out.number(job.ptx ? 1 : 0);
  out.bytes(job.name);
  out.bytes(job.text);
  out.number(job.headers.size());
  for (const auto &[name, text] : job.headers) {
    out.bytes(name);
    out.bytes(text);
  }
  out.number(job.options.size());
  for (const std::string &option : job.options) out.bytes(option);
  return out.finish();
}

std::string encode(const CompileAnswer &answer) {
  Writer out;
  out.number(static_cast<uint64_t>(answer.outcome));
  out.number(answer.confinement);
  out.bytes(answer.log);
  out.bytes({reinterpret_cast<const char *>(answer.code.data()), answer.code.size()});
  return out.finish();
}

std::optional<uint64_t> body_size(std::string_view head) {
  uint64_t words[2];
  if (head.size() < sizeof words) return std::nullopt;
  std::memcpy(words, head.data(), sizeof words);
  if (words[0] != kMark || words[1] > kLargestMessage) return std::nullopt;
  return words[1];
}

std::optional<ChildOrders> decode_orders(std::string_view body) {
  Reader in(body);
  ChildOrders orders;
  orders.parent = in.number();
  orders.cpu_seconds = in.number();
  orders.memory_bytes = in.number();
  orders.confinement = static_cast<uint32_t>(in.number(kFullyConfined));
  orders.nvrtc_path = in.text();
  if (!in.finished()) return std::nullopt;
  return orders;
}

std::optional<CompileJob> decode_job(std::string_view body) {
  Reader in(body);
  CompileJob job;
  job.ptx = in.number(1) == 1;
  job.name = in.text();
  job.text = in.text();
  for (uint64_t count = in.number(kMostItems); in.good() && count > 0; --count) {
    std::string name = in.text();
    job.headers.emplace_back(std::move(name), in.text());
  }
  for (uint64_t count = in.number(kMostItems); in.good() && count > 0; --count) job.options.push_back(in.text());
  if (!in.finished()) return std::nullopt;
  return job;
}

std::optional<CompileAnswer> decode_answer(std::string_view body) {
  Reader in(body);
  CompileAnswer answer;
  answer.outcome = static_cast<CompileOutcome>(in.number(static_cast<uint64_t>(CompileOutcome::kUnavailable)));
  answer.confinement = static_cast<uint32_t>(in.number(kFullyConfined));
  answer.log = in.text();
  const std::string_view code = in.bytes();
  answer.code.assign(code.begin(), code.end());
  if (!in.finished()) return std::nullopt;
  return answer;
}

}  // namespace quern

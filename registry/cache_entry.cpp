#include "registry/cache_entry.hpp"

#include <cstring>

#include "runtime/base/json.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr char kMagic[4] = {'Q', 'K', 'C', '1'};
constexpr uint32_t kFormat = 1;
constexpr size_t kDigestBytes = 32;

void append_number(std::vector<uint8_t> &out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// Takes fields off the front; `good` turns false for ever once something does not fit.
struct Reader {
  std::span<const uint8_t> rest;
  bool good = true;

  std::span<const uint8_t> take(uint64_t count) {
    if (!good || count > rest.size()) {
      good = false;
      return {};
    }
    const auto taken = rest.first(static_cast<size_t>(count));
    rest = rest.subspan(static_cast<size_t>(count));
    return taken;
  }
  uint64_t number(int bytes) {
    uint64_t value = 0;
    int shift = 0;
    for (const uint8_t byte : take(static_cast<uint64_t>(bytes))) {
      value |= static_cast<uint64_t>(byte) << shift;
      shift += 8;
    }
    return value;
  }
};

}  // namespace

std::string entry_file_name(const std::string &request, const std::string &nvrtc) {
  return request + "." + nvrtc + std::string(kEntrySuffix);
}

std::vector<uint8_t> encode_entry(const CacheEntry &entry) {
  const std::string header = Json{
      {"request", entry.request},
      {"nvrtc", entry.nvrtc},
      {"kernel", entry.kernel},
      {"digest", entry.digest},
      {"target", entry.target},
      {"types", entry.types},
      {"entry", entry.entry},
      {"created", entry.created},
      {"compile_ms", entry.compile_ms},
      {"registers", entry.registers},
      {"spill_bytes", entry.spill_bytes},
      {"shared_bytes",
       entry.shared_bytes}}.dump();
  std::vector<uint8_t> out(kMagic, kMagic + sizeof kMagic);
  append_number(out, kFormat, 4);
  append_number(out, header.size(), 4);
  out.insert(out.end(), header.begin(), header.end());
  append_number(out, entry.code.size(), 8);
  out.insert(out.end(), entry.code.begin(), entry.code.end());
  const Digest digest = sha256(out);
  out.insert(out.end(), digest.begin(), digest.end());
  return out;
}

std::optional<CacheEntry> decode_entry(std::span<const uint8_t> bytes) {
  if (bytes.size() < kDigestBytes) return std::nullopt;
  const auto body = bytes.first(bytes.size() - kDigestBytes);
  if (std::memcmp(sha256(body).data(), bytes.data() + body.size(), kDigestBytes) != 0) return std::nullopt;
  Reader reader{body};
  const auto magic = reader.take(sizeof kMagic);
  if (!reader.good || std::memcmp(magic.data(), kMagic, sizeof kMagic) != 0) return std::nullopt;
  if (reader.number(4) != kFormat) return std::nullopt;
  const auto header = reader.take(reader.number(4));
  const auto code = reader.take(reader.number(8));
  if (!reader.good || !reader.rest.empty()) return std::nullopt;
  try {
    const Json json = Json::parse(header.begin(), header.end());
    const auto number = [&](const char *key) {
      return static_cast<int>(as_integer(json.at(key), key, INT32_MIN, INT32_MAX));
    };
    CacheEntry entry;
    entry.request = json.at("request").get<std::string>();
    entry.nvrtc = json.at("nvrtc").get<std::string>();
    entry.kernel = json.at("kernel").get<std::string>();
    entry.digest = json.at("digest").get<std::string>();
    entry.target = json.at("target").get<std::string>();
    entry.types = json.at("types").get<std::string>();
    entry.entry = json.at("entry").get<std::string>();
    entry.created = as_integer(json.at("created"), "created", INT64_MIN, INT64_MAX);
    entry.compile_ms = number("compile_ms");
    entry.registers = number("registers");
    entry.spill_bytes = number("spill_bytes");
    entry.shared_bytes = number("shared_bytes");
    entry.code.assign(code.begin(), code.end());
    return entry;
  } catch (const Json::exception &) {  // hashed right, but by a stranger
    return std::nullopt;
  } catch (const Error &) {
    return std::nullopt;
  }
}

}  // namespace quern

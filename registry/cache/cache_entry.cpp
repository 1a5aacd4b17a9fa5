#include "registry/cache/cache_entry.hpp"

#include <concepts>
#include <cstring>
#include <limits>
#include <span>

#include "runtime/base/json.hpp"
#include "runtime/base/json_writer.hpp"
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

// The header's keys in their order, for reading and for writing.
template <typename Entry, typename Visit>
void each_field(Entry &entry, const Visit &visit) {
  visit("compile_ms", entry.compile_ms);
  visit("created", entry.created);
  visit("digest", entry.digest);
  visit("entry", entry.entry);
  visit("kernel", entry.kernel);
  visit("nvrtc", entry.nvrtc);
  visit("registers", entry.registers);
  visit("request", entry.request);
  visit("shared_bytes", entry.shared_bytes);
  visit("spill_bytes", entry.spill_bytes);
  visit("target", entry.target);
  visit("types", entry.types);
}

std::string write_header(const CacheEntry &entry) {
  JsonWriter out;
  out.begin_object();
  each_field(entry, [&](const char *key, const auto &value) { out.member(key, value); });
  out.end_object();
  return out.take();
}

void take(const Json &from, std::string &into) { into = as_string(from, "the header"); }

template <std::integral Integer>
void take(const Json &from, Integer &into) {
  into = static_cast<Integer>(
      as_integer(from, "the header", std::numeric_limits<Integer>::min(), std::numeric_limits<Integer>::max()));
}

// Throws where it is none: hashed right, but by a stranger.
void read_header(std::span<const uint8_t> header, CacheEntry &entry) {
  const Json json = parse_strict({reinterpret_cast<const char *>(header.data()), header.size()}, "the header");
  JsonObject object(json, "");
  each_field(entry, [&](const char *key, auto &value) { take(object.need(key), value); });
}

}  // namespace

std::string entry_file_name(const std::string &request, const std::string &nvrtc) {
  return request + "." + nvrtc + std::string(kEntrySuffix);
}

bool is_entry_file_name(std::string_view name) {
  return name.size() > 65 + kEntrySuffix.size() && is_hex_digest(name.substr(0, 64)) && name[64] == '.' &&
         name.ends_with(kEntrySuffix) && name.find('/') == std::string_view::npos;
}

std::string_view build_in(std::string_view entry_file) {
  entry_file.remove_prefix(entry_file.rfind('/') + 1);
  return entry_file.substr(65, entry_file.size() - 65 - kEntrySuffix.size());
}

std::string entry_path(const std::string &file) { return "jit/" + file.substr(0, 2) + "/" + file; }

std::vector<uint8_t> encode_entry(const CacheEntry &entry) {
  const std::string header = write_header(entry);
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

std::optional<CacheEntry> decode_entry(std::vector<uint8_t> bytes) {
  if (bytes.size() < kDigestBytes) return std::nullopt;
  const auto body = std::span(bytes).first(bytes.size() - kDigestBytes);
  if (std::memcmp(sha256(body).data(), bytes.data() + body.size(), kDigestBytes) != 0) return std::nullopt;
  return decode_verified_entry(std::move(bytes));
}

std::optional<CacheEntry> decode_verified_entry(std::vector<uint8_t> bytes) {
  if (bytes.size() < kDigestBytes) return std::nullopt;
  Reader reader{std::span(bytes).first(bytes.size() - kDigestBytes)};
  const auto magic = reader.take(sizeof kMagic);
  if (!reader.good || std::memcmp(magic.data(), kMagic, sizeof kMagic) != 0) return std::nullopt;
  if (reader.number(4) != kFormat) return std::nullopt;
  const auto header = reader.take(reader.number(4));
  const auto code = reader.take(reader.number(8));
  if (!reader.good || !reader.rest.empty()) return std::nullopt;
  CacheEntry entry;
  try {
    read_header(header, entry);
  } catch (const Error &) {
    return std::nullopt;
  }
  bytes.resize(bytes.size() - kDigestBytes);
  bytes.erase(bytes.begin(), bytes.end() - static_cast<ptrdiff_t>(code.size()));
  entry.code = std::move(bytes);
  return entry;
}

}  // namespace quern

#include "registry/trust/release.hpp"

#include <algorithm>
#include <charconv>
#include <climits>
#include <set>
#include <utility>

#include "registry/format/package_path.hpp"
#include "registry/format/strict_document.hpp"
#include "registry/trust/metadata_format.hpp"
#include "runtime/base/json_writer.hpp"

namespace quern {
namespace {

constexpr size_t kMaxReason = 500;

ClientVersion parse_client(const std::string &name, const std::string &path) {
  ClientVersion client{0, 0};
  const char *end = name.data() + name.size();
  const auto first = std::from_chars(name.data(), end, client.major);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == '.') {
    const auto second = std::from_chars(first.ptr + 1, end, client.minor);
    if (second.ec == std::errc() && second.ptr == end && client.major >= 0 && client.minor >= 0) return client;
  }
  fail(QUERN_CORRUPT, path, " is no version such as \"0.1\"");
}

std::string client_name(const ClientVersion &client) { return text(client.major, ".", client.minor); }

BlobReference read_signatures(JsonObject &object) {
  BlobReference reference;
  if (const Json *value = object.find("signatures")) {
    JsonObject fields(*value, "signatures");
    reference.sha256 = need_digest(fields, "sha256");
    reference.size = fields.need_integer("size", 1, kMaxSignatureBytes);
    fields.finish();
  }
  return reference;
}

Release read_release(JsonObject &object) {
  Release release;
  release.id = object.need_string("id");
  if (!is_package_id(release.id)) fail(QUERN_CORRUPT, "id is no owner/name");
  release.version = static_cast<int>(object.need_integer("version", 1, INT32_MAX));
  release.build = static_cast<int>(object.need_integer("build", 1, INT32_MAX));
  release.manifest = need_digest(object, "manifest");
  release.size = object.need_integer("size", 1, kMaxJsonBytes);
  release.signatures = read_signatures(object);
  release.published = need_time(object, "published");
  release.min_client = parse_client(object.need_string("min_client"), "min_client");
  release.yanked = object.boolean_or("yanked", false);
  release.revoked = object.string_or("revoked", "");
  if (!is_revocation_reason(release.revoked)) fail(QUERN_CORRUPT, "revoked is not one line of 500 bytes");
  return release;
}

bool is_of_other_schema(std::string_view line, const std::string &what) {
  const Json json = parse_strict(line, what);
  const Json *schema = json.find("schema");
  return schema != nullptr && schema->is<int64_t>() && schema->as<int64_t>() != 1;
}

}  // namespace

std::optional<Release> parse_release(std::string_view line, const std::string &what) {
  try {
    if (is_of_other_schema(line, "not a line of an index")) return std::nullopt;
  } catch (const Error &error) {
    throw Error(QUERN_CORRUPT, what + ": " + error.what());
  }
  return read_document(line, what, QUERN_CORRUPT, kMaxJsonBytes, read_release);
}

std::string write_release(const Release &release) {
  JsonWriter out;
  out.begin_object();
  out.member("schema", 1);
  out.member("id", release.id);
  out.member("version", release.version);
  out.member("build", release.build);
  out.member("manifest", release.manifest);
  out.member("size", release.size);
  if (!release.signatures.sha256.empty()) {
    out.begin_object("signatures");
    out.member("sha256", release.signatures.sha256);
    out.member("size", release.signatures.size);
    out.end_object();
  }
  out.member("published", format_utc_time(release.published));
  out.member("min_client", client_name(release.min_client));
  out.member("yanked", release.yanked);
  out.member("revoked", release.revoked);
  return out.finish();
}

bool is_revocation_reason(const std::string &reason) {
  const bool is_line =
      std::none_of(reason.begin(), reason.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!is_line || reason.size() > kMaxReason) return false;
  try {
    JsonWriter().value(reason);
  } catch (const Error &) {
    return false;  // not UTF-8
  }
  return true;
}

PackageIndex parse_index(std::string_view file, const std::string &id, const std::string &what) {
  PackageIndex index;
  std::set<std::pair<int, int>> builds;
  int number = 0;
  for (size_t begin = 0; begin < file.size();) {
    const std::string where = text(what, ", line ", ++number);
    const size_t end = file.find('\n', begin);
    if (end == std::string_view::npos) fail(QUERN_CORRUPT, where, " has no end; fetch the file again");
    const auto release = parse_release(file.substr(begin, end - begin), where);
    begin = end + 1;
    if (!release) {
      ++index.passed_over;
      continue;
    }
    if (release->id != id) fail(QUERN_CORRUPT, where, " tells of ", release->id, " and not of ", id);
    if (!builds.emplace(release->version, release->build).second) {
      fail(QUERN_CORRUPT, where, ": version ", release->version, " build ", release->build, " appears twice");
    }
    index.releases.push_back(*release);
  }
  return index;
}

void require_appended(const std::vector<Release> &before, const std::vector<Release> &now, const std::string &what) {
  for (const Release &old : before) {
    const auto same = std::find_if(now.begin(), now.end(), [&](const Release &release) {
      return release.version == old.version && release.build == old.build;
    });
    const std::string name = text(old.id, " version ", old.version, " build ", old.build);
    if (same == now.end()) fail(QUERN_UNTRUSTED, what, " no longer has ", name, "; ask who runs the registry why");
    if (same->manifest != old.manifest) {
      fail(QUERN_UNTRUSTED, what, " gives ", name, " other contents than before; ask who runs the registry why");
    }
    if (!old.revoked.empty() && same->revoked.empty()) {
      fail(QUERN_UNTRUSTED, what, " takes back that ", name, " was revoked; ask who runs the registry why");
    }
  }
}

ReleaseChoice choose_version(const std::vector<Release> &releases, int version, const ClientVersion &client) {
  const Release *best = nullptr;
  int newest = 0;
  std::string reason;
  for (const Release &release : releases) {
    newest = std::max(newest, release.version);
    if (release.version != version) continue;
    const std::string name = text("build ", release.build);
    if (!release.revoked.empty()) {
      reason += text("; ", name, " was revoked: ", release.revoked);
    } else if (release.yanked) {
      reason += text("; ", name, " was withdrawn");
    } else if (release.min_client > client) {
      reason += text("; ", name, " needs Quern ", client_name(release.min_client));
    } else if (best == nullptr || release.build > best->build) {
      best = &release;
    }
  }
  if (best != nullptr) return {*best, ""};
  if (!reason.empty()) return {std::nullopt, text("version ", version, " has no build to use", reason)};
  if (newest == 0) return {std::nullopt, "there is no release"};
  return {std::nullopt, text("there is no version ", version, "; the newest is ", newest)};
}

ReleaseChoice choose_manifest(const std::vector<Release> &releases, const std::string &digest) {
  for (const Release &release : releases) {
    if (release.manifest != digest) continue;
    if (release.revoked.empty()) return {release, ""};
    return {std::nullopt,
            text("version ", release.version, " build ", release.build, " was revoked: ", release.revoked)};
  }
  return {std::nullopt, "there is no release with manifest " + digest};
}

}  // namespace quern

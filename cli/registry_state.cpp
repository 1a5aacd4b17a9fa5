#include "cli/registry_state.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "cli/failure.hpp"
#include "cli/joined.hpp"
#include "cli/printable.hpp"
#include "cli/quantity.hpp"

namespace quern::cli {
namespace {

std::vector<std::string> with_more(std::vector<std::string> list, const std::vector<std::string> &more) {
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

}  // namespace

bool RegistryRole::has_expired() const { return expires <= std::time(nullptr); }

RegistryState read_registry_state(const std::string &path) {
  RegistryState state{};
  host::read_registry(path, [&](const quern_registry_contents &contents) {
    state.roles = {
        {"root", contents.root_version, contents.root_expires, contents.root_threshold, split_list(contents.root_keys)},
        {"snapshot", contents.snapshot_version, contents.snapshot_expires, contents.snapshot_threshold,
         split_list(contents.snapshot_keys)},
        {"timestamp", contents.timestamp_version, contents.timestamp_expires, contents.timestamp_threshold,
         split_list(contents.timestamp_keys)}};
    for (int64_t i = 0; i < contents.release_count; ++i) {
      const quern_registry_release &release = *contents.releases[i];
      state.releases.push_back({release.id, release.manifest, release.min_client, release.revoked, release.version,
                                release.build, release.published, release.yanked != 0, release.is_signed != 0});
    }
    state.passed_over = contents.passed_over;
  });
  return state;
}

Json role_json(const RegistryRole &role) {
  return {{"version", role.version},
          {"expires", format_time(role.expires)},
          {"expired", role.has_expired()},
          {"threshold", role.threshold},
          {"keys", role.keys}};
}

std::string expiry_text(const RegistryRole &role) {
  const std::string time = format_time(role.expires);
  if (role.has_expired()) return "EXPIRED at " + time;
  return text("holds until ", time, " (", (role.expires - std::time(nullptr)) / 86400, " d)");
}

std::string release_name(const std::string &id, int32_t version, int32_t build) {
  return text(id, "@v", version, ".", build);
}

ReleaseName parse_release_name(const std::string &name) {
  ReleaseName release{};
  const size_t at = name.rfind("@v");
  if (at != std::string::npos && at > 0) {
    release.id = name.substr(0, at);
    const char *begin = name.data() + at + 2, *end = name.data() + name.size();
    const auto version = std::from_chars(begin, end, release.version);
    if (version.ec == std::errc() && version.ptr != end && *version.ptr == '.') {
      const auto build = std::from_chars(version.ptr + 1, end, release.build);
      if (build.ec == std::errc() && build.ptr == end && release.version > 0 && release.build > 0) return release;
    }
  }
  fail(kUsage, "'", printable(name), "' names no release; write owner/name@vVERSION.BUILD, as acme/gemm@v1.7");
}

std::string join_list(const std::vector<std::string> &items) {
  for (const std::string &item : items) {
    if (item.empty() || item.find(':') != std::string::npos) {
      fail(kUsage, "'", printable(item), "' is empty or has a ':', which stands between names; rename the file");
    }
  }
  return joined(items, ":");
}

std::vector<std::string> split_list(const std::string &list) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(':', begin), list.size());
    items.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

RegistryKeyFiles::RegistryKeyFiles(const RegistryOptions &options)
    : path_(options.path),
      root_(join_list(with_more(options.keys, options.root_keys))),
      snapshot_(join_list(with_more(options.keys, options.snapshot_keys))),
      timestamp_(join_list(with_more(options.keys, options.timestamp_keys))) {
  keys_.root = root_.c_str();
  keys_.snapshot = snapshot_.c_str();
  keys_.timestamp = timestamp_.c_str();
  keys_.root_days = options.root_days;
  keys_.snapshot_days = options.snapshot_days;
  keys_.timestamp_days = options.timestamp_days;
}

}  // namespace quern::cli

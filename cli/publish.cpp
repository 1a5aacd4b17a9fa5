// `quern publish DIR --registry PATH`: adds a package, and says what its users write into their files.
#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/failure.hpp"
#include "cli/packed_package.hpp"
#include "cli/printable.hpp"
#include "cli/publisher_verbs.hpp"
#include "cli/registry_state.hpp"

namespace quern::cli {
namespace {

void parse_min_client(const std::string &version, quern_publish_options &publish) {
  if (version.empty()) return;
  const char *end = version.data() + version.size();
  const auto major = std::from_chars(version.data(), end, publish.min_client_major);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    const auto minor = std::from_chars(major.ptr + 1, end, publish.min_client_minor);
    if (minor.ec == std::errc() && minor.ptr == end) return;
  }
  fail(kUsage, "--min-client '", printable(version), "' is no version; write it like 0.1");
}

std::string file_url(const std::string &path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~/";
  std::string url = "file://";
  std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  for (const char c : absolute) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          kPlain.find(c) != std::string_view::npos;
    url += is_plain ? std::string(1, c) : std::string{'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return url;
}

// What a user's config.json needs to read the registry.
Json config_json(const RegistryState &state, const std::string &url) {
  Json registry = {{"name", "main"}, {"url", url}, {"root_keys", state.root().keys}};
  if (state.root().threshold > 1) registry["threshold"] = state.root().threshold;
  return {{"schema", 1}, {"registries", Json::array({registry})}};
}

// What a user's trust.json needs to run the package; null where nobody told the publisher's key.
Json trust_json(const PublishOptions &options, const std::string &id) {
  std::vector<std::string> keys;
  for (const std::string &file : options.keys) keys.push_back(host::public_key(file).public_key);
  keys.insert(keys.end(), options.publishers.begin(), options.publishers.end());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (keys.empty()) return nullptr;
  const std::string owner = id.substr(0, id.find('/'));
  Json publishers;
  publishers[owner] = {{"keys", keys}, {"threshold", 1}, {"allow", Json::array({owner + "/*"})}};
  return {{"schema", 1}, {"publishers", publishers}};
}

}  // namespace

ExitCode run_publish(const GlobalOptions &global, const PublishOptions &options) {
  const std::string keys = join_list(options.keys), publishers = join_list(options.publishers);
  quern_publish_options publish = QUERN_PUBLISH_OPTIONS_INIT;
  publish.keys = keys.c_str();
  publish.publishers = publishers.c_str();
  parse_min_client(options.min_client, publish);
  const RegistryKeyFiles files(options.registry);
  PackedPackage packed;
  const bool is_new = files.registry().publish(
      options.directory, publish, [&](const quern_packed_package &package) { packed = PackedPackage(package); });

  const std::string &path = options.registry.path;
  const RegistryState state = read_registry_state(path);
  const Json config = config_json(state, options.url.empty() ? file_url(path) : options.url);
  const Json trust = trust_json(options, packed.id);
  if (global.json) {
    Json document = packed.json();
    document["registry"] = path;
    document["published"] = is_new;
    document["timestamp"] = role_json(state.timestamp());
    document["config"] = config;
    document["trust"] = trust;
    print_json(document);
    return kDone;
  }
  if (global.quiet) {
    print(packed.manifest + "\n");
    return kDone;
  }
  std::string out = is_new ? "published  " : "there      ";
  out += packed.text() + text("registry   ", path, "\ntimestamp  version ", state.timestamp().version, ", ",
                              expiry_text(state.timestamp()), "; 'quern registry renew' before then\n");
  out += text("\nconfig.json of who uses the registry",
              options.url.empty() ? "; the url is that of your web server, if it is served by one" : "", ":\n",
              config.dump(2), "\n\n");
  out += trust.is_null() ? std::string("trust.json of who trusts the publisher needs the publisher's public key.\n")
                         : "trust.json of who trusts the publisher:\n" + trust.dump(2) + "\n";
  print(out);
  return kDone;
}

}  // namespace quern::cli

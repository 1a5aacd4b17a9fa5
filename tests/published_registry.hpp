// A registry in a directory, made as publishers make theirs, and what a process resolves from it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "package_builder.hpp"
#include "registry/fetch/resolver.hpp"
#include "registry/publish/pack.hpp"
#include "registry/publish/publish.hpp"
#include "simulated_registry.hpp"

namespace quern {

class PublishedRegistry {
 public:
  explicit PublishedRegistry(std::filesystem::path directory) : directory_(std::move(directory)) {}

  const std::filesystem::path &directory() const { return directory_; }
  std::string url() const { return "file://" + directory_.string(); }

  // A signed release of one gemm variant whose only file is `source`. Its digest.
  std::string publish_build(const std::string &id, int build, const std::string &source) {
    const TemporaryDirectory work;
    nlohmann::json manifest = gemm_manifest(id, {gemm_variant("a")});
    manifest["build"] = build;
    return publish_packed(pack(write_package(work / "package", manifest, source)));
  }
  // As it is, whatever it says: `package.manifest` is what the registry calls it.
  std::string publish_packed(const PackedPackage &package) {
    publish(directory_, package, sign_file(Role::kManifest, package.document, {test_key(5)}), keys(), {});
    return package.digest;
  }
  // A registry that holds what this one holds now.
  PublishedRegistry copied_to(const std::filesystem::path &directory) const {
    std::filesystem::copy(directory_, directory, std::filesystem::copy_options::recursive);
    return PublishedRegistry(directory);
  }
  static RegistryKeys keys() { return {{test_key(1)}, {test_key(2)}, {test_key(3)}}; }

 private:
  std::filesystem::path directory_;
};

struct ResolverChoices {
  std::string url;
  std::filesystem::path trust;  // where accepted metadata is kept; empty: in the cache
  HttpSettings http{};
};

// One registry, "main", and one trusted publisher, acme. `cache` must outlive it.
inline std::unique_ptr<Resolver> make_resolver(Cache &cache, const ResolverChoices &choices) {
  static const Log silent(static_cast<quern_log_level>(0), nullptr, nullptr);
  RegistryConfiguration configuration;
  configuration.name = "main";
  configuration.url = choices.url;
  configuration.root_keys = {test_key(1).public_key()};
  RegistryAccess access;
  access.client = std::make_shared<HttpClient>(choices.http);
  access.trust = choices.trust.empty() ? cache.directory() / "trust" : choices.trust;
  std::vector<std::unique_ptr<RegistryClient>> registries;
  registries.push_back(make_registry_client(configuration, access));
  // Put together as text, since memory may be about to run out.
  const std::string trust = R"({"schema": 1, "publishers": {"acme": {"keys": [")" + test_key(5).public_key().text() +
                            R"("], "allow": ["acme/*"]}}})";
  return std::make_unique<Resolver>(std::move(registries), TrustPolicy::parse(trust, "trust.json"), BlobStore(cache),
                                    silent);
}

}  // namespace quern

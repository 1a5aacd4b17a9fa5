#include "registry/fetch/registry_client.hpp"

#include <algorithm>

#include "registry/fetch/hugging_face_source.hpp"
#include "registry/fetch/registry_metadata.hpp"
#include "registry/fetch/static_source.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

class StaticClient final : public RegistryClient {
 public:
  StaticClient(const RegistryConfiguration &configuration, const RegistryAccess &access)
      : configuration_(configuration), access_(access) {
    if (configuration.root_keys.empty()) return;
    metadata_ = std::make_unique<RegistryMetadata>(access.trust / configuration.name, configuration.root_keys,
                                                   configuration.threshold);
  }

  const std::string &name() const override { return configuration_.name; }

  std::optional<FoundRelease> find(const PackageRequest &request, std::string &reason) override {
    if (metadata_ == nullptr) {
      reason = "registry " + name() + " has no root_keys, so it serves only what a lock file pins";
      return std::nullopt;
    }
    auto source = make_source();
    const std::vector<Release> releases = metadata_->releases(*source, request.id);
    ReleaseChoice choice =
        request.digest.empty() ? choose_version(releases, request.version) : choose_manifest(releases, request.digest);
    if (!choice.release) {
      reason = "registry " + name() + ": " + choice.reason;
      return std::nullopt;
    }
    const Release &release = *choice.release;
    FoundRelease found;
    found.registry = name();
    found.manifest = source->blob(release.manifest, static_cast<size_t>(release.size));
    if (!release.signatures.sha256.empty()) {
      found.signatures = source->blob(release.signatures.sha256, static_cast<size_t>(release.signatures.size));
    }
    found.fetch = from(source);
    return found;
  }

  FoundRelease pinned(const LockedKernel &kernel) override {
    FoundRelease found;
    found.registry = name();
    const auto source = make_source();
    found.manifest = source->blob(kernel.manifest, static_cast<size_t>(kernel.size));
    found.signatures = signatures_of(*source, kernel);
    found.fetch = from(source);
    return found;
  }

  std::string revoked(const std::string &id, const std::string &manifest) override {
    if (metadata_ == nullptr) return {};
    for (const Release &release : metadata_->known_releases(id)) {
      if (release.manifest == manifest) return release.revoked;
    }
    return {};
  }

 private:
  // What is pinned loads whatever the registry says of itself, or if it says nothing; but since it is asked, whether
  // the build was revoked and who signed it is worth knowing.
  std::string signatures_of(StaticSource &source, const LockedKernel &kernel) {
    if (metadata_ == nullptr) return {};
    try {
      for (const Release &release : metadata_->releases(source, kernel.id)) {
        if (release.manifest != kernel.manifest || release.signatures.sha256.empty()) continue;
        return source.blob(release.signatures.sha256, static_cast<size_t>(release.signatures.size));
      }
    } catch (const Error &error) {
      if (error.status() == QUERN_CANCELLED) throw;
    }
    return {};
  }

  static std::function<std::string(const ManifestFile &)> from(std::shared_ptr<StaticSource> source) {
    return [source](const ManifestFile &file) { return source->blob(file.sha256, static_cast<size_t>(file.size)); };
  }
  std::shared_ptr<StaticSource> make_source() const {
    return std::make_shared<StaticSource>(
        access_.client,
        StaticRegistry{configuration_.name, configuration_.url, configuration_.mirrors, configuration_.token_file},
        access_.progress);
  }

  const RegistryConfiguration configuration_;
  const RegistryAccess access_;
  std::unique_ptr<RegistryMetadata> metadata_;
};

// The Hub signs nothing: what its packages are worth, their own signatures or a lock file say.
class HuggingFaceClient final : public RegistryClient {
 public:
  HuggingFaceClient(const RegistryConfiguration &configuration, const RegistryAccess &access)
      : name_(configuration.name), access_(access) {}

  const std::string &name() const override { return name_; }
  bool has_commits() const override { return true; }

  std::optional<FoundRelease> find(const PackageRequest &request, std::string &reason) override {
    if (!request.digest.empty()) {
      reason = "registry " + name_ + " has versions and no digests; pin it in a lock file";
      return std::nullopt;
    }
    if (access_.hugging_face.offline) {
      if (auto held = find_offline(request)) return held;
    }
    const auto repository = open(request.id);
    const std::vector<HuggingFaceVersion> versions = repository->versions();
    const auto wanted = std::find_if(versions.begin(), versions.end(),
                                     [&](const HuggingFaceVersion &v) { return v.version == request.version; });
    if (wanted == versions.end()) {
      reason = text("registry ", name_, ": ", request.id, " has no version ", request.version);
      return std::nullopt;
    }
    return at(repository, wanted->commit.empty() ? text("v", request.version) : wanted->commit);
  }

  FoundRelease pinned(const LockedKernel &kernel) override {
    if (access_.hugging_face.offline) {
      if (auto held = pinned_offline(kernel)) return std::move(*held);
    }
    return at(open(kernel.id), revision_of(kernel));
  }

  std::optional<FoundRelease> find_offline(const PackageRequest &request) override {
    if (!request.digest.empty()) return std::nullopt;
    return held_at(request.id, text("v", request.version));
  }

  std::optional<FoundRelease> pinned_offline(const LockedKernel &kernel) override {
    if (!kernel.registry.empty() && kernel.registry != name_) return std::nullopt;
    auto held = held_at(kernel.id, revision_of(kernel));
    const bool other = held && kernel.pins_bytes() && hex(sha256(as_bytes(held->manifest))) != kernel.manifest;
    return other ? std::nullopt : std::move(held);
  }

  std::string revoked(const std::string &, const std::string &) override { return {}; }

 private:
  std::shared_ptr<HuggingFaceRepository> open(const std::string &id) const {
    return std::make_shared<HuggingFaceRepository>(access_.client, access_.hugging_face, id, access_.progress);
  }

  static std::string revision_of(const LockedKernel &kernel) {
    return kernel.commit.empty() ? text("v", kernel.version) : kernel.commit;
  }

  FoundRelease found_in(HuggingFaceRelease release) const {
    FoundRelease found;
    found.registry = name_;
    found.commit = std::move(release.commit);
    found.signatures = release.signature.value_or("");
    found.manifest = std::move(release.manifest);
    return found;
  }

  std::optional<FoundRelease> held_at(const std::string &id, const std::string &revision) const {
    const auto repository = open(id);
    auto release = repository->held(revision);
    if (!release) return std::nullopt;
    FoundRelease found = found_in(std::move(*release));
    found.fetch = [repository, commit = found.commit](const ManifestFile &file) {
      return repository->held_file(commit, file.path, file.sha256, static_cast<size_t>(file.size));
    };
    return found;
  }

  FoundRelease at(const std::shared_ptr<HuggingFaceRepository> &repository, const std::string &revision) const {
    FoundRelease found = found_in(repository->release(revision));
    found.fetch = [repository, commit = found.commit](const ManifestFile &file) {
      return repository->file(commit, file.path, file.sha256, static_cast<size_t>(file.size));
    };
    return found;
  }

  const std::string name_;
  const RegistryAccess access_;
};

}  // namespace

std::unique_ptr<RegistryClient> make_registry_client(const RegistryConfiguration &configuration,
                                                     const RegistryAccess &access) {
  if (configuration.url.starts_with("hf://")) return std::make_unique<HuggingFaceClient>(configuration, access);
  return std::make_unique<StaticClient>(configuration, access);
}

}  // namespace quern

// One configured registry, asked for a release of a package: a static one by its signed metadata, the Hugging Face Hub
// by its branches.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "registry/fetch/download.hpp"
#include "registry/fetch/hugging_face_settings.hpp"
#include "registry/format/package_request.hpp"
#include "registry/package/manifest.hpp"
#include "registry/trust/configuration.hpp"
#include "registry/trust/lock_file.hpp"

namespace quern {

// A release and where its bytes are. Nothing of it has been judged.
struct FoundRelease {
  std::string registry;
  std::string manifest;    // kernel.json as it came
  std::string signatures;  // kernel.json.sig, "" if there is none
  std::string commit;      // of a Hugging Face repository
  // A file's bytes, asked for once the manifest that names it has been judged and read, and only if the cache lacks it.
  std::function<std::string(const ManifestFile &)> fetch;
};

class RegistryClient {
 public:
  virtual ~RegistryClient() = default;
  virtual const std::string &name() const = 0;
  virtual bool has_commits() const { return false; }
  // Asks the registry. Nothing if it does not have the package or the version; `reason` then says why. Throws as
  // RegistryMetadata::releases().
  virtual std::optional<FoundRelease> find(const PackageRequest &request, std::string &reason) = 0;
  // What a lock file pins; asked only where the cache lacks some of it.
  virtual FoundRelease pinned(const LockedKernel &kernel) = 0;
  // What this machine holds of the registry outside the cache: nothing, unless others keep something of it here. Asks
  // nobody.
  virtual std::optional<FoundRelease> find_offline(const PackageRequest &) { return std::nullopt; }
  virtual std::optional<FoundRelease> pinned_offline(const LockedKernel &) { return std::nullopt; }
  // Why a manifest that is at hand was revoked, as far as is known without asking; "" if it was not.
  virtual std::string revoked(const std::string &id, const std::string &manifest) = 0;
};

struct RegistryAccess {
  std::shared_ptr<HttpClient> client;
  HuggingFaceSettings hugging_face;
  std::filesystem::path trust;  // where accepted metadata is kept
  Progress progress;
};

std::unique_ptr<RegistryClient> make_registry_client(const RegistryConfiguration &configuration,
                                                     const RegistryAccess &access);

}  // namespace quern

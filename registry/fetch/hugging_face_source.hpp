// Kernel repositories of the Hugging Face Hub. A repository's version N is its branch v<N>; the package lies in the
// folder quern/. Only bytes and their digests count, so it works behind proxies that drop the Hub's headers. What the
// Hub's own tools keep of a commit on this machine is not asked for again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "registry/fetch/download.hpp"
#include "registry/fetch/hugging_face_cache.hpp"
#include "registry/fetch/hugging_face_settings.hpp"
#include "registry/fetch/package_source.hpp"

namespace quern {

struct HuggingFaceVersion {
  int64_t version = 0;
  std::string commit;
};

struct HuggingFaceRelease {
  std::string commit;  // where the Hub tells none: the revision that was asked for
  std::string manifest;
  std::optional<std::string> signature;
};

// Thread-safe. All throw QUERN_OFFLINE, QUERN_NETWORK_ERROR, QUERN_CORRUPT, QUERN_CANCELLED, and QUERN_NOT_FOUND where
// the Hub has no such repository, revision or package.
class HuggingFaceRepository {
 public:
  // `id` is owner/name, with or without hf:// before it. Throws QUERN_INVALID_ARGUMENT.
  HuggingFaceRepository(std::shared_ptr<HttpClient> client, HuggingFaceSettings settings, const std::string &id,
                        Progress progress = {});

  const std::string &id() const { return id_; }
  // Branches v0, v1, ... in ascending order.
  std::vector<HuggingFaceVersion> versions();
  // kernel.json and kernel.json.sig at a branch, a tag or a commit.
  HuggingFaceRelease release(const std::string &revision);
  // A file of the package, `path` as its manifest names it.
  std::string file(const std::string &revision, const std::string &path, const std::string &sha256, size_t size);

  // The same of what this machine holds, without asking anybody; a branch is then what it was when it was last asked
  // for. A file that is not held is QUERN_OFFLINE.
  std::optional<HuggingFaceRelease> held(const std::string &revision) const;
  std::string held_file(const std::string &commit, const std::string &path, const std::string &sha256,
                        size_t size) const;

 private:
  std::string commit_of(const std::string &revision);
  std::optional<std::string> read(const std::string &revision, const std::string &path, size_t limit,
                                  std::optional<ExpectedBytes> expected);
  std::optional<std::string> read_held(const std::string &commit, const std::string &path, size_t limit,
                                       const std::optional<ExpectedBytes> &expected) const;
  std::string json(const std::string &route);
  Fetched fetch(FetchRequest request);
  Url resolve(const std::string &revision, const std::string &path) const;
  [[noreturn]] void refuse(const Fetched &fetched, const std::string &revision) const;

  std::shared_ptr<HttpClient> client_;
  HuggingFaceSettings settings_;
  std::string id_;
  HuggingFaceCache cache_;
  Progress progress_;
};

// One commit of a repository as a source of blobs: `paths` tells for each digest which file has it. It has no metadata.
class HuggingFaceSource : public PackageSource {
 public:
  HuggingFaceSource(std::shared_ptr<HuggingFaceRepository> repository, std::string revision,
                    std::map<std::string, std::string> paths)
      : repository_(std::move(repository)), revision_(std::move(revision)), paths_(std::move(paths)) {}

  std::string name() const override { return "hf://" + repository_->id(); }
  std::optional<std::string> metadata(const std::string &, size_t) override { return std::nullopt; }
  std::string blob(const std::string &sha256, size_t size) override;

 private:
  std::shared_ptr<HuggingFaceRepository> repository_;
  std::string revision_;
  std::map<std::string, std::string> paths_;
};

}  // namespace quern

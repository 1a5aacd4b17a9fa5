// A registry of static files, on a web server or in a directory, and its mirrors.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "registry/fetch/download.hpp"
#include "registry/fetch/package_source.hpp"

namespace quern {

struct StaticRegistry {
  std::string name;
  std::string url;                   // https://... or file:///...
  std::vector<std::string> mirrors;  // the same, asked in this order after the url
  std::filesystem::path token_file;  // sent to the url's server only; empty: none
};

// Cheap to make: what is learnt of servers and their connections lives in the client, which is shared.
class StaticSource : public PackageSource {
 public:
  // Throws QUERN_INVALID_ARGUMENT for an address that is none or may not be asked, QUERN_IO_ERROR for a token file that
  // cannot be read.
  StaticSource(std::shared_ptr<HttpClient> client, const StaticRegistry &registry, Progress progress = {});

  std::string name() const override { return name_; }
  // That the url does not have a file is final; that a mirror does not is an answer only while the url gives none.
  std::optional<std::string> metadata(const std::string &path, size_t limit) override;
  std::string blob(const std::string &sha256, size_t size) override;

 private:
  struct Failures;
  // `answered` without bytes: the server does not have the file.
  struct Answer {
    bool answered = false;
    std::optional<std::string> bytes;
  };
  using Expected = std::optional<ExpectedBytes>;
  Answer ask(size_t server, const std::string &path, size_t limit, const Expected &expected, Failures &failures);
  std::optional<std::string> read(size_t server, const std::string &path, size_t limit, const Expected &expected);
  std::optional<std::string> read_file(const Url &base, const std::string &path, size_t limit,
                                       const Expected &expected);

  std::shared_ptr<HttpClient> client_;
  std::string name_;
  std::vector<Url> servers_;            // the url, then its mirrors
  std::vector<std::string> addresses_;  // of the same
  Credential credential_;
  Progress progress_;
};

}  // namespace quern

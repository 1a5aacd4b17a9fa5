#include "registry/fetch/hugging_face_source.hpp"

#include <algorithm>
#include <utility>

#include "registry/format/plain_text.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr size_t kMaxManifest = 256 * 1024;
constexpr size_t kMaxSignature = 16 * 1024;
constexpr size_t kMaxAnswer = 256 * 1024;  // of the API

std::string header(const HttpHeaders &headers, const char *name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

// What the Hub says about an error, as one line of plain text.
std::string message_of(const HttpHeaders &headers) {
  const std::string message = plain_text(header(headers, "x-error-message"));
  return message.empty() ? message : ": " + message;
}

bool is_name(std::string_view name) {
  const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                     std::string_view::npos;
  return plain && !name.empty() && name.size() <= 96 && name.front() != '.' && name.front() != '-';
}

std::string checked_id(std::string id) {
  if (id.starts_with("hf://")) id.erase(0, 5);
  const size_t slash = id.find('/');
  if (slash == std::string::npos || !is_name(id.substr(0, slash)) || !is_name(id.substr(slash + 1))) {
    fail(QUERN_INVALID_ARGUMENT, "\"", plain_text(id), "\" names no repository of the Hub; write hf://owner/name");
  }
  return id;
}

// The package's folder in a repository.
std::string in_package(const std::string &path) { return "quern/" + path; }

// The N of a branch v<N>; nothing for all other branches, "v01" among them.
std::optional<int64_t> version_of(std::string_view branch) {
  const std::string_view digits = branch.substr(std::min<size_t>(1, branch.size()));
  const bool plain = branch.starts_with('v') && !digits.empty() && digits.size() <= 9 &&
                     digits.find_first_not_of("0123456789") == std::string_view::npos &&
                     (digits.size() == 1 || digits.front() != '0');
  if (!plain) return std::nullopt;
  return std::stoll(std::string(digits));
}

std::vector<HuggingFaceVersion> versions_of(const std::string &refs) {
  std::vector<HuggingFaceVersion> versions;
  const Json answer = parse_strict(refs, "the list of branches");
  JsonObject object(answer, "");
  for (const Json &branch : object.need_array("branches", 0, 100000)) {
    JsonObject fields(branch, "branches");
    const auto version = version_of(fields.need_string("name"));
    const std::string commit = fields.need_string("targetCommit");
    if (version && is_commit(commit)) versions.push_back({*version, commit});
  }
  std::sort(versions.begin(), versions.end(), [](const auto &a, const auto &b) { return a.version < b.version; });
  return versions;
}

}  // namespace

HuggingFaceRepository::HuggingFaceRepository(std::shared_ptr<HttpClient> client, HuggingFaceSettings settings,
                                             const std::string &id, Progress progress)
    : client_(std::move(client)),
      settings_(std::move(settings)),
      id_(checked_id(id)),
      cache_(settings_.cache, id_),
      progress_(std::move(progress)) {}

Url HuggingFaceRepository::resolve(const std::string &revision, const std::string &path) const {
  Url url = below(settings_.endpoint, "kernels/" + id_ + "/resolve");
  url.path += "/" + percent_encoded(revision);  // one segment, whatever slashes it has
  return below(url, in_package(path));
}

Fetched HuggingFaceRepository::fetch(FetchRequest request) {
  if (settings_.offline) {
    fail(QUERN_OFFLINE, "hf://", id_, " is needed, and HF_HUB_OFFLINE forbids the network; prefetch beforehand");
  }
  request.credential = settings_.credential;
  request.progress = progress_;
  try {
    return client_->fetch(request);
  } catch (const Error &error) {
    if (error.status() == QUERN_NETWORK_ERROR)
      fail(error.status(), error.what(), "; check the network and HF_ENDPOINT");
    if (error.status() == QUERN_CORRUPT) fail(error.status(), error.what(), "; tell who publishes hf://", id_);
    throw;
  }
}

void HuggingFaceRepository::refuse(const Fetched &fetched, const std::string &revision) const {
  const std::string code = header(fetched.headers, "x-error-code");
  const std::string message = message_of(fetched.headers);
  const bool has_token = !settings_.credential.header.empty();
  if (code == "GatedRepo" || fetched.status == 403) {
    fail(QUERN_NETWORK_ERROR, "hf://", id_, " is gated", message, "; ask for access on its page, and ",
         has_token ? "use a token that has it" : "set HF_TOKEN");
  }
  if (code == "RevisionNotFound") {
    fail(QUERN_NOT_FOUND, "hf://", id_, " has no revision ", revision, "; choose a version that it has");
  }
  if (code == "RepoNotFound" || fetched.status == 401 || fetched.status == 404) {
    fail(QUERN_NOT_FOUND, "hf://", id_, " does not exist, or may not be seen", message, "; check the name, and ",
         has_token ? "whether the token is valid" : "set HF_TOKEN if it is private");
  }
  fail(QUERN_NETWORK_ERROR, "hf://", id_, ": ", settings_.endpoint.origin(), " answers ", fetched.status, message,
       "; check HF_ENDPOINT");
}

std::optional<std::string> HuggingFaceRepository::read(const std::string &revision, const std::string &path,
                                                       size_t limit, std::optional<ExpectedBytes> expected) {
  if (auto held = read_held(revision, path, limit, expected)) return held;
  if (cache_.is_known_absent(revision, in_package(path))) return std::nullopt;
  FetchRequest request;
  request.url = resolve(revision, path);
  request.limit = limit;
  request.expected = std::move(expected);
  request.patience = settings_.download_timeout;
  Fetched fetched = fetch(std::move(request));
  if (fetched.status == 200) return std::move(fetched.body);
  const std::string code = header(fetched.headers, "x-error-code");
  // A 404 that says no more: a proxy has dropped the code, or it is no Hub.
  if (fetched.status == 404 && (code == "EntryNotFound" || code.empty())) return std::nullopt;
  refuse(fetched, revision);
}

std::optional<std::string> HuggingFaceRepository::read_held(const std::string &commit, const std::string &path,
                                                            size_t limit,
                                                            const std::optional<ExpectedBytes> &expected) const {
  auto held = cache_.read(commit, in_package(path), limit);
  if (held && expected && (held->size() != expected->size || hex(sha256(as_bytes(*held))) != expected->sha256)) {
    held.reset();
  }
  return held;
}

std::string HuggingFaceRepository::json(const std::string &route) {
  FetchRequest request;
  request.url = below(settings_.endpoint, "api/kernels/" + id_);
  request.url.path += route;
  request.limit = kMaxAnswer;
  request.patience = settings_.etag_timeout;
  Fetched fetched = fetch(std::move(request));
  if (fetched.status != 200) refuse(fetched, route);
  return std::move(fetched.body);
}

std::vector<HuggingFaceVersion> HuggingFaceRepository::versions() {
  const std::string refs = json("/refs");
  try {
    return versions_of(refs);
  } catch (const Error &error) {
    fail(QUERN_NETWORK_ERROR, "hf://", id_, ": ", settings_.endpoint.origin(), " answers what is no list of branches (",
         error.what(), "); check HF_ENDPOINT");
  }
}

// What the Hub tells with a file, else its API, else the revision itself: the digests of what is fetched decide.
std::string HuggingFaceRepository::commit_of(const std::string &revision) {
  if (is_commit(revision)) return revision;
  FetchRequest request;
  request.method = HttpMethod::kHead;
  request.url = resolve(revision, "kernel.json");
  request.leave_origin = false;
  request.patience = settings_.etag_timeout;
  const Fetched head = fetch(std::move(request));
  const std::string commit = header(head.headers, "x-repo-commit");
  const std::string code = header(head.headers, "x-error-code");
  if (is_commit(commit)) return commit;
  if (!code.empty() && code != "EntryNotFound") refuse(head, revision);
  try {
    const std::string answer = json("/revision/" + percent_encoded(revision));
    const Json facts = parse_strict(answer, "the revision");
    const std::string sha = JsonObject(facts, "").string_or("sha", "");
    if (is_commit(sha)) return sha;
  } catch (const Error &error) {
    if (error.status() == QUERN_CANCELLED) throw;
  }
  return revision;
}

HuggingFaceRelease HuggingFaceRepository::release(const std::string &revision) {
  HuggingFaceRelease release;
  release.commit = commit_of(revision);
  auto manifest = read(release.commit, "kernel.json", kMaxManifest, std::nullopt);
  if (!manifest) {
    fail(QUERN_NOT_FOUND, "hf://", id_, " has no quern/kernel.json at ", revision,
         "; choose a version that has one, or a repository made for Quern");
  }
  release.manifest = std::move(*manifest);
  release.signature = read(release.commit, "kernel.json.sig", kMaxSignature, std::nullopt);
  return release;
}

std::string HuggingFaceRepository::file(const std::string &revision, const std::string &path, const std::string &sha256,
                                        size_t size) {
  auto bytes = read(revision, path, size, ExpectedBytes{sha256, size});
  if (!bytes) {
    fail(QUERN_NETWORK_ERROR, "hf://", id_, " has no quern/", path, " at ", revision,
         ", though its manifest names it; tell who publishes it");
  }
  return std::move(*bytes);
}

std::optional<HuggingFaceRelease> HuggingFaceRepository::held(const std::string &revision) const {
  HuggingFaceRelease release;
  release.commit = is_commit(revision) ? revision : cache_.commit_of(revision).value_or("");
  auto manifest = read_held(release.commit, "kernel.json", kMaxManifest, std::nullopt);
  if (!manifest) return std::nullopt;
  release.manifest = std::move(*manifest);
  release.signature = read_held(release.commit, "kernel.json.sig", kMaxSignature, std::nullopt);
  return release;
}

std::string HuggingFaceRepository::held_file(const std::string &commit, const std::string &path,
                                             const std::string &sha256, size_t size) const {
  auto bytes = read_held(commit, path, size, ExpectedBytes{sha256, size});
  if (!bytes) {
    fail(QUERN_OFFLINE, "the Hugging Face cache lacks quern/", path, " of hf://", id_, " at ", commit,
         " and the network is forbidden; run quern prefetch where it is not");
  }
  return std::move(*bytes);
}

std::string HuggingFaceSource::blob(const std::string &sha256, size_t size) {
  const auto path = paths_.find(sha256);
  if (path == paths_.end()) {
    fail(QUERN_NETWORK_ERROR, name(), " has no file with the sha256 ", sha256, "; its manifest names none");
  }
  return repository_->file(revision_, path->second, sha256, size);
}

}  // namespace quern

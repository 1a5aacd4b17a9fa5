#include "registry/trust/lock_file.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "registry/format/package_path.hpp"
#include "registry/format/strict_document.hpp"
#include "runtime/base/json_writer.hpp"

namespace quern {
namespace {

constexpr size_t kMaxKernels = 4096;

std::string need_id(JsonObject &object, const std::string &key) {
  std::string id = object.need_string(key);
  if (!is_package_id(id)) fail(QUERN_INVALID_ARGUMENT, object.path(key), " is \"", id, "\"; write owner/name");
  return id;
}

std::string check_commit(const std::string &commit, const std::string &path) {
  const bool is_hex = commit.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hex || (commit.size() != 40 && commit.size() != 64)) {
    fail(QUERN_INVALID_ARGUMENT, path, " is no commit; write its 40 or 64 hex digits");
  }
  return commit;
}

// "dependency": what was asked for, by version or, in Hugging Face's file, by revision.
void read_dependency(const Json &value, const std::string &path, bool allow_revision, LockedKernel &kernel) {
  JsonObject object(value, path);
  kernel.id = need_id(object, "repo-id");
  if (allow_revision) kernel.revision = object.string_or("revision", "");
  if (kernel.revision.empty()) kernel.version = static_cast<int>(object.need_integer("version", 1, INT32_MAX));
  object.finish();
}

std::string check_registry(const std::string &name, const std::string &path) {
  if (name.empty() || name.size() > 64) fail(QUERN_INVALID_ARGUMENT, path, " is no registry's name");
  return name;
}

void read_files(JsonObject &object, LockedKernel &kernel) {
  JsonObject files(object.need("files"), object.path("files"));
  PackagePaths paths;
  for (const auto &[path, item] : files.members()) {
    const std::string where = files.path(path);
    files.find(path);
    const std::string problem = path == "kernel.json" ? "" : paths.add(path);
    if (!problem.empty()) fail(QUERN_INVALID_ARGUMENT, where, problem);
    const std::string digest = as_string(item, where);
    if (!is_hex_digest(digest)) fail(QUERN_INVALID_ARGUMENT, where, " is not 64 lower-case hex digits");
    kernel.files.emplace(path, digest);
  }
  const auto manifest = kernel.files.find("kernel.json");
  if (manifest == kernel.files.end() || manifest->second != kernel.manifest) {
    fail(QUERN_INVALID_ARGUMENT, object.path("files"), ": kernel.json is not the manifest; lock again");
  }
}

LockedKernel read_own(const Json &item, const std::string &path) {
  LockedKernel kernel;
  JsonObject object(item, path);
  read_dependency(object.need("dependency"), object.path("dependency"), false, kernel);
  JsonObject lock(object.need("lock"), object.path("lock"));
  kernel.registry = check_registry(lock.need_string("registry"), lock.path("registry"));
  if (lock.find("commit") != nullptr) kernel.commit = check_commit(lock.need_string("commit"), lock.path("commit"));
  kernel.build = static_cast<int>(lock.need_integer("build", 1, INT32_MAX));
  kernel.manifest = need_digest(lock, "manifest");
  kernel.size = lock.need_integer("size", 1, kMaxJsonBytes);
  read_files(lock, kernel);
  lock.finish();
  object.finish();
  return kernel;
}

// {"repo_id", "sha", "variants"}: what the `kernels` program writes.
LockedKernel read_old_foreign(JsonObject &object, std::vector<std::string> &notes) {
  LockedKernel kernel;
  kernel.id = need_id(object, "repo_id");
  kernel.commit = check_commit(object.need_string("sha"), object.path("sha"));
  kernel.revision = kernel.commit;
  if (object.find("variants") != nullptr) {
    notes.push_back(kernel.id + ": hashes of built variants are passed over: sources are compiled here");
  }
  object.finish();
  return kernel;
}

// {"dependency", "lock"}: what its library writes; with a hash where Nix is to check it.
LockedKernel read_new_foreign(JsonObject &object, std::vector<std::string> &notes) {
  LockedKernel kernel;
  read_dependency(object.need("dependency"), object.path("dependency"), true, kernel);
  JsonObject lock(object.need("lock"), object.path("lock"));
  kernel.commit = check_commit(lock.need_string("commit"), lock.path("commit"));
  if (lock.find("hash") != nullptr) notes.push_back(kernel.id + ": the hash for Nix is passed over");
  lock.finish();
  object.finish();
  return kernel;
}

LockFile read_foreign(const Json::Array &list, const std::string &what) {
  LockFile file;
  if (list.size() > kMaxKernels) fail(QUERN_INVALID_ARGUMENT, "more than ", kMaxKernels, " kernels");
  for (const Json &item : list) {
    JsonObject object(item, text("[", file.kernels.size(), "]"));
    file.kernels.push_back(object.find("repo_id") != nullptr ? read_old_foreign(object, file.notes)
                                                             : read_new_foreign(object, file.notes));
  }
  file.notes.push_back(what + " names commits and no bytes: run `quern lock` to pin them");
  return file;
}

auto rank(const LockedKernel &kernel) { return std::tie(kernel.id, kernel.version, kernel.revision); }

void sort_and_check(std::vector<LockedKernel> &kernels) {
  std::sort(kernels.begin(), kernels.end(),
            [](const LockedKernel &a, const LockedKernel &b) { return rank(a) < rank(b); });
  const auto twice = std::adjacent_find(
      kernels.begin(), kernels.end(), [](const LockedKernel &a, const LockedKernel &b) { return rank(a) == rank(b); });
  if (twice != kernels.end()) fail(QUERN_INVALID_ARGUMENT, twice->id, " is locked twice; remove one");
}

}  // namespace

const LockedKernel *LockFile::find(const std::string &id, int version) const {
  for (const LockedKernel &kernel : kernels) {
    if (kernel.id == id && kernel.version == version) return &kernel;
  }
  return nullptr;
}

const LockedKernel *LockFile::find_manifest(const std::string &id, const std::string &digest) const {
  for (const LockedKernel &kernel : kernels) {
    if (kernel.id == id && kernel.manifest == digest) return &kernel;
  }
  return nullptr;
}

LockFile parse_lock_file(std::string_view document, const std::string &what) {
  LockFile file;
  try {
    const Json json = parse_strict(document, "not a lock file", kMaxLockBytes);
    if (const auto *list = std::get_if<Json::Array>(&json.value())) {
      file = read_foreign(*list, what);
    } else {
      JsonObject root(json, "");
      if (const int64_t schema = root.need_integer("schema", 0, INT32_MAX); schema != 1) {
        fail(QUERN_INVALID_ARGUMENT, "schema is ", schema, "; this Quern reads schema 1");
      }
      for (const Json &item : root.need_array("kernels", 0, kMaxKernels)) {
        file.kernels.push_back(read_own(item, text("kernels[", file.kernels.size(), "]")));
      }
      root.finish();
    }
    sort_and_check(file.kernels);
    return file;
  } catch (const Error &error) {
    throw Error(QUERN_INVALID_ARGUMENT, what + ": " + error.what());
  }
}

std::string write_lock_file(std::vector<LockedKernel> kernels) {
  sort_and_check(kernels);
  JsonWriter out(2);
  out.begin_object();
  out.member("schema", 1);
  out.begin_array("kernels");
  for (const LockedKernel &kernel : kernels) {
    if (!kernel.pins_bytes() || kernel.version < 1) {
      fail(QUERN_INVALID_ARGUMENT, kernel.id, " has no version and manifest to lock; resolve it first");
    }
    out.begin_object();
    out.begin_object("dependency");
    out.member("repo-id", kernel.id);
    out.member("version", kernel.version);
    out.end_object();
    out.begin_object("lock");
    out.member("registry", kernel.registry);
    if (!kernel.commit.empty()) out.member("commit", kernel.commit);
    out.member("build", kernel.build);
    out.member("manifest", kernel.manifest);
    out.member("size", kernel.size);
    out.member("files", kernel.files);
    out.end_object();
    out.end_object();
  }
  out.end_array();
  return out.finish();
}

void require_locked(const LockedKernel &kernel, const std::map<std::string, std::string> &digests) {
  for (const auto &[path, digest] : kernel.files) {
    const auto found = digests.find(path);
    if (found == digests.end()) {
      fail(QUERN_LOCK_MISMATCH, kernel.id, ": ", path, " is locked and missing; lock again if that is meant");
    }
    if (found->second != digest) {
      fail(QUERN_LOCK_MISMATCH, kernel.id, ": ", path, " has sha256 ", found->second, " and ", digest,
           " is locked; lock again if the change is meant");
    }
  }
  for (const auto &[path, digest] : digests) {
    if (kernel.files.count(path) == 0) {
      fail(QUERN_LOCK_MISMATCH, kernel.id, ": ", path, " is not locked; lock again if it is meant");
    }
  }
}

}  // namespace quern

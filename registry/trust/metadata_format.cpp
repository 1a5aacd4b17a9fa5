#include "registry/trust/metadata_format.hpp"

#include "registry/format/package_path.hpp"
#include "registry/format/strict_document.hpp"
#include "runtime/base/json_writer.hpp"

namespace quern {
namespace {

void read_head(JsonObject &object, const char *role, int64_t &version, int64_t &expires) {
  if (object.need_string("role") != role) fail(QUERN_CORRUPT, "role is not \"", role, "\"");
  version = object.need_integer("version", 1, kMaxMetadataVersion);
  expires = need_time(object, "expires");
}

void write_head(JsonWriter &out, const char *role, int64_t version, int64_t expires) {
  out.begin_object();
  out.member("schema", 1);
  out.member("role", role);
  out.member("version", version);
  out.member("expires", format_utc_time(expires));
}

KeySet read_role(JsonObject &roles, const char *name, const KeySet &all) {
  JsonObject object(roles.need(name), roles.path(name));
  KeySet role;
  for (const Json &item : object.need_array("keys", 1, kMaxSignatures)) {
    const std::string id = as_string(item, object.path("keys"));
    const auto key = all.keys.find(id);
    if (key == all.keys.end()) fail(QUERN_CORRUPT, object.path("keys"), " names a key that is not among keys");
    if (!role.keys.insert(*key).second) fail(QUERN_CORRUPT, object.path("keys"), " names a key twice");
  }
  const auto count = static_cast<int64_t>(role.keys.size());
  role.threshold = static_cast<size_t>(object.need_integer("threshold", 1, count));
  object.finish();
  return role;
}

void write_role(JsonWriter &out, const char *name, const KeySet &role) {
  std::set<std::string> ids;
  for (const auto &[id, key] : role.keys) ids.insert(id);
  out.begin_object(name);
  out.member("keys", ids);
  out.member("threshold", role.threshold);
  out.end_object();
}

FileReference read_reference(const Json &value, const std::string &path, size_t limit) {
  JsonObject object(value, path);
  FileReference reference;
  reference.version = object.need_integer("version", 1, kMaxMetadataVersion);
  reference.sha256 = need_digest(object, "sha256");
  reference.size = object.need_integer("size", 0, static_cast<int64_t>(limit));
  object.finish();
  return reference;
}

void write_reference(JsonWriter &out, const std::string &name, const FileReference &reference) {
  out.begin_object(name);
  out.member("version", reference.version);
  out.member("sha256", reference.sha256);
  out.member("size", reference.size);
  out.end_object();
}

}  // namespace

RootDocument parse_root(std::string_view file, const std::string &what) {
  return read_document(file, what, QUERN_CORRUPT, kMaxRootBytes, [](JsonObject &object) {
    RootDocument root;
    read_head(object, "root", root.version, root.expires);
    KeySet all;
    const JsonObject checked(object.need("keys"), "keys");
    for (const auto &[id, item] : checked.members()) {
      const auto key = PublicKey::parse(as_string(item, checked.path(id)));
      if (!key) fail(QUERN_CORRUPT, checked.path(id), " is no Ed25519 public key");
      if (key->id() != id) fail(QUERN_CORRUPT, checked.path(id), " is not the key with that id");
      all.add(*key);
    }
    JsonObject roles(object.need("roles"), "roles");
    root.root = read_role(roles, "root", all);
    root.timestamp = read_role(roles, "timestamp", all);
    root.snapshot = read_role(roles, "snapshot", all);
    roles.finish();
    return root;
  });
}

TimestampDocument parse_timestamp(std::string_view file, const std::string &what) {
  return read_document(file, what, QUERN_CORRUPT, kMaxTimestampBytes, [](JsonObject &object) {
    TimestampDocument timestamp;
    read_head(object, "timestamp", timestamp.version, timestamp.expires);
    timestamp.snapshot = read_reference(object.need("snapshot"), "snapshot", kMaxSnapshotBytes);
    return timestamp;
  });
}

SnapshotDocument parse_snapshot(std::string_view file, const std::string &what) {
  return read_document(file, what, QUERN_CORRUPT, kMaxSnapshotBytes, [](JsonObject &object) {
    SnapshotDocument snapshot;
    read_head(object, "snapshot", snapshot.version, snapshot.expires);
    const JsonObject checked(object.need("packages"), "packages");
    for (const auto &[id, item] : checked.members()) {
      if (!is_package_id(id)) fail(QUERN_CORRUPT, checked.path(id), " is named by no package id");
      snapshot.packages.emplace(id, read_reference(item, checked.path(id), kMaxIndexBytes));
    }
    return snapshot;
  });
}

std::string write_root(const RootDocument &root) {
  JsonWriter out;
  write_head(out, "root", root.version, root.expires);
  std::map<std::string, std::string> keys;
  for (const KeySet *role : {&root.root, &root.timestamp, &root.snapshot}) {
    for (const auto &[id, key] : role->keys) keys.emplace(id, key.text());
  }
  out.member("keys", keys);
  out.begin_object("roles");
  write_role(out, "root", root.root);
  write_role(out, "timestamp", root.timestamp);
  write_role(out, "snapshot", root.snapshot);
  out.end_object();
  return out.finish();
}

std::string write_timestamp(const TimestampDocument &timestamp) {
  JsonWriter out;
  write_head(out, "timestamp", timestamp.version, timestamp.expires);
  write_reference(out, "snapshot", timestamp.snapshot);
  return out.finish();
}

std::string write_snapshot(const SnapshotDocument &snapshot) {
  JsonWriter out;
  write_head(out, "snapshot", snapshot.version, snapshot.expires);
  out.begin_object("packages");
  for (const auto &[id, reference] : snapshot.packages) write_reference(out, id, reference);
  out.end_object();
  return out.finish();
}

std::string root_path(int64_t version) { return text("root/", version, ".json"); }
std::string snapshot_path(int64_t version) { return text("snapshot/", version, ".json"); }
std::string index_path(const std::string &id, int64_t version) { return text("index/", id, "/", version, ".jsonl"); }

}  // namespace quern

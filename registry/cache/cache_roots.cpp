#include "registry/cache/cache_roots.hpp"

#include <algorithm>

#include "registry/cache/cache_entry.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/json_writer.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

constexpr size_t kMaxFile = 8 << 20;
constexpr size_t kMaxItems = 100000;
constexpr std::string_view kSuffix = ".json";

std::set<std::string> read_list(JsonObject &object, const char *key, bool (*accepts)(const std::string &)) {
  std::set<std::string> items;
  for (const Json &value : object.need_array(key, 0, kMaxItems)) {
    std::string item = as_string(value, object.path(key));
    if (!accepts(item)) fail(QUERN_BAD_MANIFEST, object.path(key), " has '", item, "', which names nothing here");
    items.insert(std::move(item));
  }
  return items;
}

bool is_digest(const std::string &text) { return is_hex_digest(text); }

bool is_entry_file(const std::string &text) { return is_entry_file_name(text); }

CacheRoot read_root(const std::string &name, const std::string &content) {
  const Json json = parse_strict(content, "roots/" + name + ".json");
  JsonObject object(json, "");
  CacheRoot root;
  root.name = name;
  object.need_integer("schema", 1, 1);
  root.manifests = read_list(object, "manifests", is_digest);
  root.entries = read_list(object, "entries", is_entry_file);
  object.finish();
  return root;
}

}  // namespace

bool is_root_name(const std::string &name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 64 && name[0] != '.' && std::all_of(name.begin(), name.end(), allowed);
}

bool CacheRoots::keeps_entry(const std::string &file) const {
  return !known() ||
         std::any_of(roots.begin(), roots.end(), [&](const CacheRoot &root) { return root.entries.count(file) != 0; });
}

bool CacheRoots::keeps_manifest(const std::string &sha256) const {
  return !known() || std::any_of(roots.begin(), roots.end(),
                                 [&](const CacheRoot &root) { return root.manifests.count(sha256) != 0; });
}

CacheRoots read_roots(const Directory &directory) {
  CacheRoots found;
  for (const std::string &file : directory.names("roots")) {
    if (!file.ends_with(kSuffix)) continue;
    const std::string name = file.substr(0, file.size() - kSuffix.size());
    const auto content = directory.read_text("roots/" + file, kMaxFile);
    if (!content && !directory.identify("roots/" + file)) continue;  // removed under us
    try {
      if (!content) fail(QUERN_IO_ERROR, "roots/", file, " cannot be read; write it anew with prefetch --root");
      found.roots.push_back(read_root(name, *content));
    } catch (const Error &error) {
      found.damaged.push_back(error.what());
    }
  }
  return found;
}

void write_root(const Directory &directory, const CacheRoot &root) {
  if (!is_root_name(root.name)) {
    fail(QUERN_INVALID_ARGUMENT, "'", root.name, "' is no name for a root; use letters, digits, '.', '_' and '-'");
  }
  JsonWriter out(1);
  out.begin_object();
  out.member("schema", 1);
  out.member("manifests", root.manifests);
  out.member("entries", root.entries);
  const std::string content = out.finish();
  directory.publish("roots/" + root.name + ".json", as_bytes(content));
}

bool remove_root(const Directory &directory, const std::string &name) {
  return is_root_name(name) && directory.remove("roots/" + name + ".json");
}

}  // namespace quern

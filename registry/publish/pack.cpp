#include "registry/publish/pack.hpp"

#include <algorithm>
#include <set>

#include "registry/format/file_tree.hpp"
#include "registry/package/package.hpp"
#include "registry/package/published_package.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/json_writer.hpp"
#include "runtime/base/sha256.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 64;  // of folders that are looked at

std::string digest_of(std::string_view bytes) { return hex(sha256(as_bytes(bytes))); }

// Past a value or key that begins at `begin`.
size_t end_of_value(std::string_view document, size_t begin) {
  int depth = 0;
  for (size_t i = begin; i < document.size(); ++i) {
    const char c = document[i];
    if (c == '"') {
      for (++i; i < document.size() && document[i] != '"'; ++i) i += document[i] == '\\' ? 1 : 0;
      if (depth == 0) return i + 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;  // of a number
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
      return i;  // of a number
    }
  }
  return document.size();
}

// The author's list of files with what each file is. An entry keeps its keys that begin with x-.
std::string write_files(std::string_view list, const std::map<std::string, std::string> &files) {
  std::string out;
  const Json items = parse_strict(list, "files");
  for (const Json &item : items.as<Json::Array>()) {
    const std::string &path = as_string(item.is<std::string>() ? item : *item.find("path"), "path");
    const std::string &content = files.at(path);
    JsonWriter entry;
    entry.begin_object();
    entry.member("path", path);
    entry.member("sha256", digest_of(content));
    entry.member("size", content.size());
    if (item.is<Json::Object>()) {
      for (const auto &[key, value] : item.as<Json::Object>()) {
        if (key.starts_with("x-")) entry.member(key, value);
      }
    }
    entry.end_object();
    out += (out.empty() ? "[\n    " : ",\n    ") + entry.take();
  }
  return out + "\n  ]";
}

std::string publish_document(const std::string &author, const std::map<std::string, std::string> &files,
                             const std::string &what) {
  const TextSpan span = find_member(author, "files", what);
  std::string document = author.substr(0, span.begin);
  document += write_files(std::string_view(author).substr(span.begin, span.end - span.begin), files);
  document += author.substr(span.end);
  // Nothing but the list may have changed, whatever the document looks like.
  Json before = parse_strict(author, what), after = parse_strict(document, what);
  before.erase("files");
  after.erase("files");
  if (before != after) fail(QUERN_INTERNAL, what, ": cannot be rewritten; write it plainly, one key a line");
  return document;
}

bool is_licence(const std::string &path) {
  std::string name = path.substr(0, path.find('.'));
  for (char &c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name.starts_with("license") || name.starts_with("licence") || name.starts_with("copying");
}

std::vector<std::string> find_warnings(const fs::path &directory, const Manifest &manifest) {
  std::vector<std::string> warnings;
  std::set<std::string> listed = {"kernel.json", "kernel.json.sig"};
  for (const ManifestFile &file : manifest.files) listed.insert(file.path);
  if (std::none_of(listed.begin(), listed.end(), is_licence)) {
    warnings.push_back("no licence file is listed in files: nobody may know whether they may use the package");
  }
  for (const std::string &file : list_files(Directory(directory), "", kMaxDepth)) {
    const bool is_hidden = file[0] == '.' || file.find("/.") != std::string::npos;
    if (!is_hidden && listed.count(file) == 0) warnings.push_back(file + " is not listed in files and is left out");
  }
  std::sort(warnings.begin(), warnings.end());
  return warnings;
}

}  // namespace

TextSpan find_member(std::string_view document, std::string_view key, const std::string &what) {
  const auto skip = [&](size_t at, const char *over) {
    return std::min(document.find_first_not_of(over, at), document.size());
  };
  const std::string quoted = "\"" + std::string(key) + "\"";
  size_t at = std::min(document.find('{'), document.size());
  while (at < document.size()) {
    const size_t begin = skip(at + 1, " \t\r\n,");
    if (begin >= document.size() || document[begin] != '"') break;
    const size_t end = end_of_value(document, begin);
    const size_t value = skip(end, " \t\r\n:");
    const size_t value_end = end_of_value(document, value);
    if (document.substr(begin, end - begin) == quoted) return {value, value_end};
    at = value_end - 1;
  }
  fail(QUERN_BAD_MANIFEST, what, ": ", quoted, " is not found; write the key without escapes");
}

PackedPackage pack(const fs::path &directory) {
  const std::shared_ptr<const Package> package = load_package(directory);
  const std::string what = directory.string() + "/kernel.json";
  PackedPackage packed;
  packed.files = package->files;
  packed.document = publish_document(package->manifest.text, package->files, what);
  packed.manifest = parse_published_manifest(packed.document, what);
  packed.digest = digest_of(packed.document);
  packed.warnings = find_warnings(directory, packed.manifest);
  return packed;
}

}  // namespace quern

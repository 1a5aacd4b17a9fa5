#include "registry/format/package_path.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

constexpr size_t kMaxPathBytes = 200;
constexpr int kMaxComponents = 8;

// Not std::isalnum, whose answer depends on the host's locale.
bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool is_plain(std::string_view name) {
  return !name.empty() && name[0] != '.' && std::all_of(name.begin(), name.end(), [](char c) { return is_plain(c); });
}

std::string folded(std::string text) {
  for (char &c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// Windows opens a device under these names, with any extension and in any folder.
bool is_device_name(std::string_view component) {
  const std::string stem = folded(std::string(component.substr(0, component.find('.'))));
  if (stem == "con" || stem == "prn" || stem == "aux" || stem == "nul") return true;
  return stem.size() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")) && stem[3] >= '1' && stem[3] <= '9';
}

// What is wrong with the path alone.
std::string path_problem(const std::string &path) {
  const std::string quoted = " is \"" + path.substr(0, kMaxPathBytes) + "\"";
  if (path.size() > kMaxPathBytes) return text(quoted, "..., of ", path.size(), " bytes; at most 200 are allowed");
  std::string_view rest = path;
  for (int components = 1;; ++components) {
    const size_t slash = rest.find('/');
    const std::string_view component = rest.substr(0, slash);
    if (!is_plain(component)) {
      return quoted + "; write a relative path of letters, digits, '-', '_' and '.', no part beginning with a dot";
    }
    if (component.back() == '.') return quoted + ", a part of which ends in a dot, which some systems drop; rename it";
    if (is_device_name(component)) return quoted + ", which is a device's name on some systems; rename it";
    if (components > kMaxComponents) return quoted + ", deeper than 8 parts; move the file up";
    if (slash == std::string_view::npos) return "";
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace

bool is_package_id(std::string_view id) {
  const size_t slash = id.find('/');
  return slash != std::string_view::npos && id.size() <= 96 && is_plain(id.substr(0, slash)) &&
         is_plain(id.substr(slash + 1));
}

std::string PackagePaths::add(const std::string &path) {
  if (std::string problem = path_problem(path); !problem.empty()) return problem;
  const std::string name = folded(path);
  if (name == "kernel.json" || name == "kernel.json.sig") {
    return ": " + path + " is the manifest itself, or its signature; leave it out of files";
  }
  if (const auto same = taken_.find(name); same != taken_.end()) {
    if (same->second.kind == Kind::kFile) return ": " + path + " is listed twice";
    return ": " + path + " is a folder of another file; rename one";
  }
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const auto [above, added] = taken_.try_emplace(name.substr(0, slash), Taken{Kind::kFolder, path.substr(0, slash)});
    if (above->second.kind == Kind::kFile) {
      return ": " + path + " is below " + above->second.path + ", which is a file; rename one";
    }
    if (above->second.path != path.substr(0, slash)) {
      return ": " + path + " and " + above->second.path + " differ in case alone; write the folder in one way";
    }
  }
  taken_.emplace(name, Taken{Kind::kFile, path});
  return "";
}

}  // namespace quern

// `quern cache scan`: all that this machine holds of kernels: packages, compiled entries, and a Hugging Face cache.
// `quern cache ls`: the compiled entries alone.
#include "cli/cache_entries.hpp"
#include "cli/failure.hpp"
#include "cli/hugging_face_cache.hpp"
#include "cli/joined.hpp"
#include "cli/quantity.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace quern::cli {
namespace {

struct Package {
  std::string id, manifest, trust;
  int32_t version, files;
  int64_t size_bytes, resolved;
};

// What is built in or in a directory, then what the cache can resolve.
std::vector<Package> packages_of(const host::Hub &hub) {
  std::vector<Package> packages;
  hub.visit_kernels([&](const quern_kernel_info &info) {
    const std::string id = info.package, trust = info.trust;
    const bool at_hand = trust == "builtin" || trust == "local";  // others are told of with what the cache has
    if (*info.refused || !at_hand || (!packages.empty() && packages.back().id == id)) return;
    packages.push_back({id, info.digest, trust, info.version, 0, 0, 0});
  });
  hub.visit_cached_packages([&](const quern_cache_package &package) {
    packages.push_back({package.id, package.manifest, package.trust, package.version, package.files, package.size_bytes,
                        package.resolved});
  });
  return packages;
}

std::string packages_text(const std::vector<Package> &packages) {
  Table table({"package", ">version", "digest", ">size", ">files", "resolved", "trust"});
  for (const Package &package : packages) {
    const bool cached = package.files > 0 || package.resolved > 0;
    table.add({package.id, text(package.version), package.manifest.substr(0, 12),
               cached ? format_bytes(package.size_bytes) : "-", cached ? text(package.files) : "-",
               cached ? age_text(package.resolved) : "-", package.trust});
  }
  return table.text();
}

Json packages_json(const std::vector<Package> &packages) {
  Json json = Json::array();
  for (const Package &package : packages) {
    json.push_back({{"id", package.id},
                    {"version", package.version},
                    {"digest", package.manifest},
                    {"size_bytes", package.size_bytes},
                    {"files", package.files},
                    {"resolved", time_json(package.resolved)},
                    {"trust", package.trust}});
  }
  return json;
}

std::string refs_text(const HuggingFaceRevision &revision) {
  return revision.refs.empty() ? "(detached)" : joined(revision.refs, ", ");
}

std::string hugging_face_text(const std::vector<HuggingFaceRevision> &revisions) {
  Table table({"repo", "revision", ">size", "last modified", "refs"});
  for (const HuggingFaceRevision &revision : revisions) {
    table.add({revision.repo, revision.revision.substr(0, 12), format_bytes(revision.size_bytes),
               age_text(revision.modified),
               refs_text(revision) + (revision.broken > 0 ? text(", ", revision.broken, " links broken") : "")});
  }
  return table.text();
}

Json hugging_face_json(const std::string &directory, const std::vector<HuggingFaceRevision> &revisions) {
  Json list = Json::array();
  for (const HuggingFaceRevision &revision : revisions) {
    list.push_back({{"repo", revision.repo},
                    {"revision", revision.revision},
                    {"refs", revision.refs},
                    {"size_bytes", revision.size_bytes},
                    {"files", revision.files},
                    {"broken_links", revision.broken},
                    {"last_modified", time_json(revision.modified)}});
  }
  return {{"path", directory}, {"kernels", list}};
}

std::vector<CacheEntry> entries_of(const host::Hub &hub, const CacheSelection &selection) {
  std::vector<CacheEntry> entries = select_entries(hub, selection);
  if (entries.empty() && !selection.filters.empty()) {
    fail(kNothingMatched, "no cache entry matches '", selection.filters.front(), "'; 'quern cache ls' lists all");
  }
  return entries;
}

}  // namespace

ExitCode run_cache_scan(const GlobalOptions &global, const CacheSelection &selection) {
  check_selection(selection);
  const host::Hub hub = open_hub(global);
  const std::vector<CacheEntry> entries = entries_of(hub, selection);
  const std::vector<Package> packages = packages_of(hub);
  const std::string elsewhere = hugging_face_directory();
  const std::vector<HuggingFaceRevision> revisions = scan_hugging_face(elsewhere);
  const std::string directory = hub.info().cache_dir;
  const auto count = static_cast<int64_t>(entries.size());
  if (global.json) {
    print_json({{"path", directory},
                {"packages", packages_json(packages)},
                {"entries", entries_json(entries)},
                {"count", count},
                {"size_bytes", total_bytes(entries)},
                {"hugging_face", hugging_face_json(elsewhere, revisions)}});
    return kDone;
  }
  std::string out = packages_text(packages) + "\n";
  if (!entries.empty()) out += entries_text(entries) + "\n";
  if (!revisions.empty()) out += hugging_face_text(revisions) + text("in ", elsewhere, "\n\n");
  print(out + counted(count, total_bytes(entries)) + " in " + directory + "\n");
  return kDone;
}

ExitCode run_cache_list(const GlobalOptions &global, const CacheSelection &selection) {
  check_selection(selection);
  const host::Hub hub = open_hub(global);
  const std::vector<CacheEntry> entries = entries_of(hub, selection);
  const auto count = static_cast<int64_t>(entries.size());
  if (global.json) {
    print_json({{"entries", entries_json(entries)}, {"count", count}, {"size_bytes", total_bytes(entries)}});
  } else if (global.quiet) {  // for scripts: what rm takes
    std::string keys;
    for (const CacheEntry &entry : entries) keys += entry.key + "\n";
    print(keys);
  } else {
    print((entries.empty() ? "" : entries_text(entries)) + "Found " + counted(count, total_bytes(entries)) +
          " on disk.\n");
  }
  return kDone;
}

}  // namespace quern::cli

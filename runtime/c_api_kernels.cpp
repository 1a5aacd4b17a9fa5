// The C ABI: the kernels a hub knows, compiling them ahead, checking an author's.
#include <algorithm>

#include "runtime/c_border.hpp"
#include "runtime/prefetch.hpp"

using namespace quern;

namespace {

std::vector<std::shared_ptr<const Package>> select_packages(const Catalog &catalog, const std::string &list) {
  if (list.empty()) return catalog.packages();
  std::vector<std::shared_ptr<const Package>> selected;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string id = list.substr(begin, end - begin);
    const auto found = std::find_if(catalog.packages().begin(), catalog.packages().end(),
                                    [&](const auto &package) { return package->manifest.id == id; });
    if (found == catalog.packages().end()) {
      fail(QUERN_NOT_FOUND, "no kernel package is called \"", id, "\"; quern kernels list shows all");
    }
    selected.push_back(*found);
    begin = end + 1;
  }
  return selected;
}

// Hands reports to the visitor and keeps count of what came of them.
class Tally {
 public:
  Tally(quern_unit_visitor visit, void *user, size_t total)
      : visit_(visit), user_(user), total_(static_cast<int32_t>(total)) {}

  bool add(const UnitReport &report) {
    if (report.status != QUERN_OK) {
      ++failed;
      if (first_failure_.empty()) {
        first_failure_ = report.message;
        status_ = report.status;
      }
    } else {
      ++(report.from_cache ? cached : compiled);
    }
    if (visit_ == nullptr) return true;
    const quern_unit_report out{sizeof(quern_unit_report),
                                report.kernel.c_str(),
                                report.target.c_str(),
                                report.types.c_str(),
                                report.status,
                                report.message.c_str(),
                                report.from_cache ? 1 : 0,
                                report.registers,
                                report.spill_bytes,
                                report.shared_bytes,
                                report.compile_ms,
                                compiled + cached + failed,
                                total_};
    return visit_(user_, &out) == 0;
  }
  void throw_failure() const {
    if (failed > 0) fail(status_, failed, " of ", total_, " units failed; the first: ", first_failure_);
  }

  int32_t compiled = 0, cached = 0, failed = 0;

 private:
  quern_unit_visitor visit_;
  void *user_;
  int32_t total_;
  std::string first_failure_;
  quern_status status_ = QUERN_OK;
};

}  // namespace

quern_status quern_kernels_visit(quern_hub *hub, quern_kernel_visitor visit, void *user) {
  return guard([&] {
    const Catalog &catalog = need(hub, "hub").hub->catalog();
    need(visit, "visit");
    for (const auto &package : catalog.packages()) {
      const Manifest &manifest = package->manifest;
      const std::string operation(manifest.operation->name);
      for (const Variant &variant : manifest.variants) {
        const std::string archs = variant.archs_text();
        visit_or_stop(
            visit, user,
            quern_kernel_info{sizeof(quern_kernel_info), manifest.id.c_str(), manifest.version, manifest.build,
                              package->digest.c_str(), package->origin.c_str(), operation.c_str(), variant.name.c_str(),
                              archs.c_str(), variant.priority, manifest.text.c_str(), ""});
      }
    }
    for (const RefusedPackage &refused : catalog.refused()) {
      visit_or_stop(visit, user,
                    quern_kernel_info{sizeof(quern_kernel_info), "", 0, 0, "", refused.origin.c_str(), "", "", "", 0,
                                      "", refused.reason.c_str()});
    }
  });
}

quern_status quern_prefetch(quern_hub *hub, const quern_prefetch_options *options, quern_prefetch_result *result) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    quern_prefetch_options read = QUERN_PREFETCH_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    if (read.jobs < 0) fail(QUERN_INVALID_ARGUMENT, "jobs is ", read.jobs, "; it must be 0 or more");
    if (result != nullptr) write_struct(result, quern_prefetch_result{}, "result");
    if (opened.cache().mode() != CacheMode::kReadWrite) {
      fail(QUERN_IO_ERROR, "cannot prefetch: the cache is ", opened.cache().state());
    }
    const auto units = units_of(select_packages(opened.catalog(), read.packages == nullptr ? "" : read.packages),
                                parse_targets(read.archs == nullptr ? "native" : read.archs));
    Tally tally(read.visit, read.user, units.size());
    const auto fill_result = [&] {
      quern_prefetch_result out = QUERN_PREFETCH_RESULT_INIT;
      out.compiled = tally.compiled;
      out.cached = tally.cached;
      out.failed = tally.failed;
      if (result != nullptr) write_struct(result, out, "result");
    };
    const auto make = [&](const CompileUnit &unit) {
      KernelStore::Code code = opened.store().get(unit);
      if (!code.kept) fail(QUERN_IO_ERROR, code.problem);
      return code;
    };
    try {
      for_each_unit(units, read.jobs, make, [&](const UnitReport &report) { return tally.add(report); });
    } catch (...) {
      fill_result();
      throw;
    }
    fill_result();
    tally.throw_failure();
  });
}

quern_status quern_package_check(quern_hub *hub, const char *directory, const char *archs, quern_unit_visitor visit,
                                 void *user) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    const auto package = load_package(&need(directory, "directory"));
    const auto units = units_of({package}, parse_targets(archs == nullptr ? "all" : archs));
    if (units.empty())
      fail(QUERN_NOT_FOUND, package->manifest.id, " has no variant for these architectures; name others");
    Tally tally(visit, user, units.size());
    for_each_unit(
        units, 0, [&](const CompileUnit &unit) { return opened.store().compile_afresh(unit); },
        [&](const UnitReport &report) { return tally.add(report); });
    tally.throw_failure();
  });
}

// The C ABI: compiling ahead, for a deployment or for an author.
#include <algorithm>

#include "runtime/base/split.hpp"
#include "runtime/c_api/border.hpp"
#include "runtime/hub/keep_prefetched.hpp"
#include "runtime/hub/prefetch.hpp"

using namespace quern;

namespace {

std::vector<std::shared_ptr<const Package>> select_packages(const Catalog &catalog, const std::string &list) {
  if (list.empty()) return catalog.packages();
  std::vector<std::shared_ptr<const Package>> selected;
  for (const std::string &id : split(list, ',')) {
    const auto found = std::find_if(catalog.packages().begin(), catalog.packages().end(),
                                    [&](const auto &package) { return package->manifest.id == id; });
    if (found == catalog.packages().end()) {
      fail(QUERN_NOT_FOUND, "no kernel package is called \"", id, "\"; quern kernels list shows all");
    }
    selected.push_back(*found);
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

// What of the options is looked at before anything is compiled.
Keeping read_keeping(const quern_prefetch_options &options) {
  Keeping keeping;
  if (options.check != 0 && (options.root != nullptr || options.seal_key != nullptr)) {
    fail(QUERN_INVALID_ARGUMENT, "check writes nothing, and root and seal_key do; ask for one of them");
  }
  if (options.root != nullptr) {
    keeping.root = options.root;
    if (!is_root_name(keeping.root)) {
      fail(QUERN_INVALID_ARGUMENT, "root is \"", keeping.root,
           "\"; write 1 to 64 letters, digits, '.', '_' and '-', not beginning with '.'");
    }
  }
  if (options.seal_days < 0 || options.seal_days > 36500) {
    fail(QUERN_INVALID_ARGUMENT, "seal_days is ", options.seal_days, "; it must be 0 to 36500");
  }
  if (options.seal_key != nullptr) keeping.seal_key = SecretKey::load(options.seal_key);
  keeping.seal_days = options.seal_days;
  return keeping;
}

}  // namespace

quern_status quern_prefetch(quern_hub *hub, const quern_prefetch_options *options, quern_prefetch_result *result) {
  return guard([&] {
    Hub &opened = *need(hub, "hub").hub;
    quern_prefetch_options read = QUERN_PREFETCH_OPTIONS_INIT;
    if (options != nullptr) read = read_struct(options, "options");
    if (read.jobs < 0) fail(QUERN_INVALID_ARGUMENT, "jobs is ", read.jobs, "; it must be 0 or more");
    const bool check = read.check != 0;
    const Keeping keeping = read_keeping(read);
    if (result != nullptr) write_struct(result, quern_prefetch_result{}, "result");
    if (!check) opened.cache().need_writable("prefetch");
    const std::string missing = opened.packages().missing();
    if (!missing.empty() && (check || keeping.wanted())) fail(QUERN_OFFLINE, missing);

    const std::shared_ptr<const Catalog> catalog = opened.catalog();
    const auto packages = select_packages(*catalog, read.packages == nullptr ? "" : read.packages);
    const auto units = units_of(packages, parse_targets(read.archs == nullptr ? "native" : read.archs));
    Tally tally(read.visit, read.user, units.size());
    const auto fill_result = [&] {
      quern_prefetch_result out = QUERN_PREFETCH_RESULT_INIT;
      out.compiled = tally.compiled;
      out.cached = tally.cached;
      out.failed = tally.failed;
      if (result != nullptr) write_struct(result, out, "result");
    };
    const auto make = [&](const CompileUnit &unit) {
      if (check) return opened.store().get_kept(unit);
      KernelStore::Code code = opened.store().get(unit);
      if (!code.kept) fail(QUERN_IO_ERROR, code.problem);
      return code;
    };
    std::set<std::string> entries;
    try {
      const int jobs = read.jobs > 0 ? read.jobs : opened.settings().jobs;
      for_each_unit(units, jobs, make, [&](const UnitReport &report) {
        entries.insert(report.entry);
        return tally.add(report);
      });
    } catch (...) {
      fill_result();
      throw;
    }
    fill_result();
    tally.throw_failure();
    if (keeping.wanted()) keep_prefetched(*opened.cache().writable(), packages, std::move(entries), keeping);
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
        units, opened.settings().jobs, [&](const CompileUnit &unit) { return opened.store().compile_afresh(unit); },
        [&](const UnitReport &report) { return tally.add(report); });
    tally.throw_failure();
  });
}

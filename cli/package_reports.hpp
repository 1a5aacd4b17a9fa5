// Packages as `fetch`, `lock` and `prefetch` show them, and their bytes on the way.
#pragma once

#include <string>

#include <quern/quern.hpp>

#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/table.hpp"

namespace quern::cli {

class PackageReports {
 public:
  explicit PackageReports(bool quiet);

  // Asks the hub to resolve; "" is everything in its lock file.
  void resolve(const host::Hub &hub, const std::string &requests, bool locked, bool offline);
  // Asks it to write a lock file.
  void lock(const host::Hub &hub, const std::string &requests, const std::string &path, quern_lock_options options);

  int count() const { return static_cast<int>(table_.rows()); }
  const Json &json() const { return json_; }
  std::string text() const { return (table_.rows() == 0 ? "" : table_.text()) + notes_; }

 private:
  bool show(const quern_fetch_progress &progress);
  void add(const quern_package &package);

  Progress progress_;
  Table table_;
  Json json_ = Json::array();
  std::string notes_;
};

}  // namespace quern::cli

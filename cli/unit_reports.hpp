// What came of compiled units, as `kernels check` and `prefetch` show it.
#pragma once

#include <string>

#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/table.hpp"

#include <quern/quern.h>

namespace quern::cli {

class UnitReports {
 public:
  explicit UnitReports(bool quiet);

  // Takes one report and shows it as progress.
  void add(const quern_unit_report &report);

  // No more will come: the progress leaves the terminal.
  void finish() { progress_.clear(); }

  int failed() const { return failed_; }
  const std::string &first_failure() const { return first_failure_; }
  quern_status first_status() const { return first_status_; }
  const Json &json() const { return json_; }
  std::string text() const { return table_.text() + notes_; }

 private:
  Progress progress_;
  Table table_;
  Json json_ = Json::array();
  std::string notes_, first_failure_;
  quern_status first_status_ = QUERN_OK;
  int failed_ = 0;
};

}  // namespace quern::cli

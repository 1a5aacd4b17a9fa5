#include "cli/unit_reports.hpp"

#include "cli/failure.hpp"
#include "cli/interrupt.hpp"

namespace quern::cli {
namespace {

std::string known(int32_t value) { return value < 0 ? "-" : std::to_string(value); }

}  // namespace

UnitReports::UnitReports(bool quiet)
    : progress_(quiet), table_({"kernel", "target", "types", ">registers", ">spills", ">shared", ">ms", "result"}) {}

void UnitReports::add(const quern_unit_report &report) {
  check_interrupt();
  const bool good = report.status == QUERN_OK;
  const char *result = !good ? "FAILED" : report.from_cache ? "cached" : "compiled";
  const std::string name = cli::text(report.kernel, " ", report.target, *report.types ? " " : "", report.types);
  progress_.step(cli::text("[", report.done, "/", report.total, "] ", name, ": ", result));

  table_.add({report.kernel, report.target, report.types, known(report.registers), known(report.spill_bytes),
              known(report.shared_bytes), known(report.compile_ms), result});
  if (*report.message) notes_ += cli::text("\n", name, ":\n  ", report.message, "\n");
  json_.push_back({{"kernel", report.kernel},
                   {"target", report.target},
                   {"types", report.types},
                   {"status", quern_status_name(report.status)},
                   {"message", report.message},
                   {"from_cache", report.from_cache != 0},
                   {"registers", report.registers},
                   {"spill_bytes", report.spill_bytes},
                   {"shared_bytes", report.shared_bytes},
                   {"compile_ms", report.compile_ms}});
  if (good) return;
  if (failed_++ == 0) {
    first_failure_ = name + ": " + report.message;
    first_status_ = report.status;
  }
}

}  // namespace quern::cli

#include "runtime/hub/dispatch.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

constexpr int64_t kMaxGridX = INT32_MAX;
constexpr int64_t kMaxGridYZ = 65535;
// Where a run size may change hands between variants of equal priority: the costs are compared at the end of each
// range.
constexpr int64_t kCostSteps[] = {1,   2,   4,   8,   12,   16,   24,   32,   48,   64,   96,   128,   192,
                                  256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 16384, 32768};

// Whether that is the candidate's name; the name itself is not made, since this is asked for every size.
bool is_called(const Candidate &candidate, std::string_view name) {
  const std::string &id = candidate.package->manifest.id, &variant = candidate.variant->name;
  return name.size() == id.size() + 1 + variant.size() && name.starts_with(id) && name[id.size()] == ':' &&
         name.ends_with(variant);
}

bool is_forced(const std::string &force, const Candidate &candidate) {
  return force == candidate.package->manifest.id || is_called(candidate, force);
}

std::array<int64_t, kSlots> slots_for(const DispatchRequest &request, int64_t size_of_run) {
  std::array<int64_t, kSlots> slots{};
  std::copy(request.problem.values.begin(), request.problem.values.end(), slots.begin());
  slots[kSmCountSlot] = request.facts.sm_count;
  slots[request.problem.operation->run_size] = size_of_run;
  return slots;
}

// What must hold when the variant runs at this size.
std::optional<std::string> refuse_launch(const Variant &variant, const DispatchRequest &request, int64_t size_of_run) {
  const std::array<int64_t, kSlots> slots = slots_for(request, size_of_run);
  const int64_t shared = variant.launch.shared_bytes.evaluate(slots);
  if (shared < 0 || shared > request.facts.shared_memory) {
    return text("needs ", shared, " bytes of shared memory; a block has ", request.facts.shared_memory);
  }
  for (size_t i = 0; i < 3; ++i) {
    const int64_t size = variant.launch.grid[i].evaluate(slots);
    const int64_t limit = i == 0 ? kMaxGridX : kMaxGridYZ;
    if (size < 1 || size > limit) return text("grid[", i, "] is ", size, "; it must be 1 to ", limit);
    if (size % variant.launch.cluster[i] != 0) {
      return text("grid[", i, "] is ", size, ", not a multiple of the cluster's ", variant.launch.cluster[i]);
    }
  }
  if (variant.workspace_bytes.evaluate(slots) < 0) return std::string("its workspace has no valid size");
  return std::nullopt;
}

std::optional<std::string> refuse(const Candidate &candidate, const DispatchRequest &request) {
  const Variant &variant = *candidate.variant;
  if (!request.force.empty() && !is_forced(request.force, candidate))
    return "another kernel is forced: " + request.force;
  if (!request.unusable.empty()) {
    const auto found = request.unusable.find(candidate.name());
    if (found != request.unusable.end()) return found->second;
  }
  if (auto reason = refuse_capability(variant, request.facts.capability)) return reason;
  const Operation &operation = *request.problem.operation;
  for (size_t i = 0; i < operation.fields.size(); ++i) {
    if (i == operation.run_size) continue;  // a range, looked at below
    if (auto reason = variant.accepts[i].refuse(operation.fields[i], request.problem.values[i])) return reason;
  }
  const int64_t maximum = request.problem.values[operation.run_size];
  const Constraint &sizes = variant.accepts[operation.run_size];
  if (sizes.least > maximum) return sizes.refuse(operation.fields[operation.run_size], maximum);
  if (request.one_variant && (sizes.least > 1 || sizes.most < maximum)) {
    return text("serves only ", operation.fields[operation.run_size].name, " = ", std::max<int64_t>(sizes.least, 1),
                " to ", sizes.most, ", and one kernel is to serve all");
  }
  if (auto reason = refuse_launch(variant, request, std::max<int64_t>(1, sizes.least))) return reason;
  return refuse_launch(variant, request, std::min(maximum, sizes.most));
}

// Priority first; among equals the variant made for fewer capabilities; then the catalog's order.
bool is_better(const Candidate &a, const Candidate &b) {
  if (a.variant->priority != b.variant->priority) return a.variant->priority > b.variant->priority;
  const auto width = [](const Variant &variant) {
    return static_cast<int64_t>(variant.most_capability) - variant.least_capability;
  };
  return width(*a.variant) < width(*b.variant);
}

// The kernel that was measured to be the fastest at this size; "" where nothing is known.
std::string_view measured_kernel(const DispatchRequest &request, int64_t size_of_run) {
  for (const MeasuredStep &step : request.measured) {
    if (size_of_run <= step.last) return step.kernel;
  }
  return {};
}

int64_t cost(const Candidate &candidate, const DispatchRequest &request, int64_t size_of_run) {
  if (is_called(candidate, measured_kernel(request, size_of_run))) return INT64_MIN;
  if (!candidate.variant->cost) return INT64_MAX;
  const int64_t estimate = candidate.variant->cost->evaluate(slots_for(request, size_of_run));
  return estimate == Expression::kInvalid ? INT64_MAX : estimate;
}

// Of the candidates that accept all these sizes the one of the highest priority, then of the least cost at the largest,
// then the first. `eligible` is in order.
const Candidate *best_for(const std::vector<Candidate> &eligible, const DispatchRequest &request, int64_t first,
                          int64_t last) {
  const Candidate *best = nullptr;
  int64_t best_cost = 0;
  for (const Candidate &candidate : eligible) {
    const Constraint &sizes = candidate.variant->accepts[request.problem.operation->run_size];
    if (sizes.least > first || last > sizes.most) continue;
    if (best != nullptr && candidate.variant->priority < best->variant->priority) break;
    const int64_t its_cost = cost(candidate, request, last);
    if (best == nullptr || its_cost < best_cost) {
      best = &candidate;
      best_cost = its_cost;
    }
  }
  return best;
}

// The candidates that can run, best first; the others go to `result` with their reasons.
std::vector<Candidate> find_eligible(const Catalog &catalog, const DispatchRequest &request, Dispatch &result) {
  std::vector<Candidate> eligible;
  for (const auto &package : catalog.packages()) {
    if (package->manifest.operation != request.problem.operation) continue;
    for (const Variant &variant : package->manifest.variants) {
      const Candidate candidate{package, &variant};
      if (auto reason = refuse(candidate, request)) {
        result.refusals.push_back({candidate, *reason});
      } else {
        eligible.push_back(candidate);
      }
    }
  }
  std::stable_sort(eligible.begin(), eligible.end(), is_better);
  return eligible;
}

// A kernel more to compile and load must promise something: one that is close to the best, as far as costs can tell,
// goes on serving.
bool goes_on(const Choice &before, const Candidate &best, const DispatchRequest &request, int64_t last) {
  constexpr int64_t kClosePercent = 5;
  const Constraint &sizes = before.candidate.variant->accepts[request.problem.operation->run_size];
  if (last > sizes.most || before.candidate.variant->priority != best.variant->priority) return false;
  const int64_t its_cost = cost(before.candidate, request, last), best_cost = cost(best, request, last);
  if (best_cost <= 0 || its_cost > INT64_MAX / 100) return false;
  return its_cost * 100 <= best_cost * (100 + kClosePercent);
}

// Why nothing serves, from the refusals: the forced kernel's own reason, else those of the most general kernels.
std::string explain_failure(const DispatchRequest &request, const std::vector<Refusal> &refusals, int64_t uncovered) {
  std::string reasons;
  for (const Refusal &refusal : refusals) {
    if (!request.force.empty() && !is_forced(request.force, refusal.candidate)) continue;
    reasons += text(reasons.empty() ? "" : "; ", refusal.candidate.name(), ": ", refusal.reason);
  }
  const Operation &operation = *request.problem.operation;
  if (reasons.empty() && !request.force.empty()) {
    reasons = "there is no kernel called " + request.force;
  } else if (reasons.empty()) {
    reasons = uncovered > 0 ? text("none accepts ", operation.fields[operation.run_size].name, " = ", uncovered)
                            : text("there is no kernel for ", operation.name);
  }
  return text("no kernel serves this ", operation.name, ": ", reasons);
}

}  // namespace

std::optional<std::string> refuse_capability(const Variant &variant, int capability) {
  const bool listed =
      variant.archs.empty() || std::any_of(variant.archs.begin(), variant.archs.end(),
                                           [&](const Target &arch) { return arch.capability == capability; });
  if (listed && capability >= variant.least_capability && capability <= variant.most_capability) return std::nullopt;
  return text("capability ", capability_name(capability), " is not ", variant.archs_text());
}

std::vector<int64_t> cost_steps(int64_t maximum) {
  std::vector<int64_t> steps;
  for (const int64_t step : kCostSteps) {
    if (step < maximum) steps.push_back(step);
  }
  steps.push_back(maximum);
  return steps;
}

std::vector<Candidate> competitors(const Catalog &catalog, const DispatchRequest &request, int64_t size) {
  Dispatch ignored;
  std::vector<Candidate> found;
  for (const Candidate &candidate : find_eligible(catalog, request, ignored)) {
    const Constraint &sizes = candidate.variant->accepts[request.problem.operation->run_size];
    if (sizes.least > size || size > sizes.most) continue;
    if (!found.empty() && candidate.variant->priority < found.front().variant->priority) break;
    if (candidate.variant->cost) found.push_back(candidate);
  }
  return found;
}

Dispatch dispatch(const Catalog &catalog, const DispatchRequest &request) {
  const size_t run_size = request.problem.operation->run_size;
  int64_t maximum = request.problem.values[run_size];
  Dispatch result;
  const std::vector<Candidate> eligible = find_eligible(catalog, request, result);

  // A variant forced by its own name serves the sizes it accepts; else every size must be served.
  int64_t first = 1;
  if (eligible.size() == 1 && is_called(eligible.front(), request.force)) {
    const Constraint &sizes = eligible.front().variant->accepts[run_size];
    first = std::max<int64_t>(1, sizes.least);
    maximum = std::min(maximum, sizes.most);
  }
  // The best candidate can change only where some range begins or ends, or at a step of costs.
  std::set<int64_t> starts{first};
  for (const Candidate &candidate : eligible) {
    const Constraint &sizes = candidate.variant->accepts[run_size];
    if (sizes.least > first && sizes.least <= maximum) starts.insert(sizes.least);
    if (sizes.most < maximum) starts.insert(sizes.most + 1);
    if (!candidate.variant->cost || request.one_variant) continue;
    for (const int64_t step : kCostSteps) {
      if (step >= first && step < maximum) starts.insert(step + 1);
    }
  }
  for (const MeasuredStep &step : request.measured) {
    if (!request.one_variant && step.last >= first && step.last < maximum) starts.insert(step.last + 1);
  }
  int64_t uncovered = 0;
  for (auto start = starts.begin(); start != starts.end() && uncovered == 0; ++start) {
    const int64_t last = std::next(start) == starts.end() ? maximum : *std::next(start) - 1;
    const Candidate *best = best_for(eligible, request, *start, last);
    if (best == nullptr) {
      uncovered = *start;
    } else if (!result.choices.empty() && (result.choices.back().candidate.variant == best->variant ||
                                           goes_on(result.choices.back(), *best, request, last))) {
      result.choices.back().last = last;
    } else {
      result.choices.push_back({*best, *start, last});
    }
  }
  if (uncovered > 0) result.choices.clear();
  for (const Candidate &candidate : eligible) {
    const bool chosen = std::any_of(result.choices.begin(), result.choices.end(), [&](const Choice &choice) {
      return choice.candidate.variant == candidate.variant;
    });
    if (chosen) continue;
    const Constraint &sizes = candidate.variant->accepts[run_size];
    const std::string field(request.problem.operation->fields[run_size].name);
    result.refusals.push_back(
        {candidate, result.choices.empty()
                        ? text("serves only ", field, " = ", std::max<int64_t>(sizes.least, 1), " to ", sizes.most)
                        : text(candidate.variant->cost ? "others are faster or preferred" : "others are preferred",
                               ": its priority is ", candidate.variant->priority)});
  }
  if (result.choices.empty()) result.failure = explain_failure(request, result.refusals, uncovered);
  return result;
}

}  // namespace quern

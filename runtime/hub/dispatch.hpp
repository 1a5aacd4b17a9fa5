// Problem and device facts to the variants that serve it: for each range of the run size the best one, and for every
// other candidate the reason it was refused.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "registry/package/catalog.hpp"

namespace quern {

struct DeviceFacts {
  int capability = 0;
  int sm_count = 0;
  int64_t shared_memory = 0;  // per block, opt-in maximum
  std::string model;          // "NVIDIA H200"; "" without hardware
};

struct Candidate {
  std::shared_ptr<const Package> package;
  const Variant *variant;

  std::string name() const { return package->kernel_name(*variant); }
};

struct Choice {
  Candidate candidate;
  int64_t first, last;  // run sizes
};

struct Refusal {
  Candidate candidate;
  std::string reason;
};

struct Dispatch {
  // By run size, without gaps, from 1 to the problem's maximum, or over what a variant forced by its own name accepts;
  // empty if some size cannot be served.
  std::vector<Choice> choices;
  std::vector<Refusal> refusals;
  std::string failure;  // why choices is empty, one line
};

// What plans are asked to do besides solving the problem.
struct DispatchRequest {
  Problem problem;
  DeviceFacts facts;
  std::string force;         // "": free choice; "package" or "package:variant"
  bool one_variant = false;  // that serves every size
  // Of candidates of equal priority these win, each up to its size; where they say nothing, costs decide.
  std::vector<MeasuredStep> measured;
  // Candidates that proved unusable (they do not compile, or lie about their parameters), by name, with the reason.
  std::map<std::string, std::string> unusable;
};

Dispatch dispatch(const Catalog &catalog, const DispatchRequest &request);

// Why the variant does not run on devices of this capability, if it does not.
std::optional<std::string> refuse_capability(const Variant &variant, int capability);

// The run sizes up to a maximum at which costs are compared and tuning measures.
std::vector<int64_t> cost_steps(int64_t maximum);

// Those that compete by cost at this run size: they accept it, have a cost, and no other has a higher priority.
std::vector<Candidate> competitors(const Catalog &catalog, const DispatchRequest &request, int64_t size);

}  // namespace quern

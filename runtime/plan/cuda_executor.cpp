#include "runtime/plan/cuda_executor.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"
#include "runtime/cuda/launch_attributes.hpp"
#include "runtime/plan/tuning.hpp"

namespace quern {
namespace {

// The kernel that the descriptor or, for packages of this operation, QUERN_KERNEL_FORCE names; "" for free choice.
std::string forced_kernel(const Hub &hub, const ExecutorRequest &request) {
  const std::shared_ptr<const Catalog> known = hub.catalog();
  const auto names_package = [&](const std::string &name, bool of_operation) {
    const std::string id = name.substr(0, name.find(':'));
    return std::any_of(known->packages().begin(), known->packages().end(), [&](const auto &package) {
      return package->manifest.id == id && (!of_operation || package->manifest.operation == request.problem.operation);
    });
  };
  const std::string &variable = hub.settings().environment.kernel_force;
  const std::string &name = request.kernel.empty() ? variable : request.kernel;
  if (name.empty()) return {};
  if (!names_package(name, false)) {
    fail(QUERN_NOT_FOUND, "no kernel package is called ", name.substr(0, name.find(':')), " (",
         request.kernel.empty() ? "QUERN_KERNEL_FORCE" : "the descriptor's kernel", "); quern kernels list shows all");
  }
  if (request.kernel.empty() && !names_package(name, true)) return {};  // it forces another operation
  return name;
}

// What is known of the problem on this model: from tuning, else from the packages.
std::vector<MeasuredStep> measured_steps(const Device &device, const Problem &problem) {
  const std::string &model = device.facts().model;
  if (model.empty()) return {};
  if (auto tuned = load_tuning(device.hub(), problem, model)) return tuned->steps;
  const std::shared_ptr<const Catalog> known = device.hub().catalog();
  for (const auto &package : known->packages()) {
    if (package->manifest.operation != problem.operation) continue;
    for (const Measurement &measurement : package->manifest.measured) {
      if (measurement.fits(problem, model)) return measurement.steps;
    }
  }
  return {};
}

std::vector<Explanation> explain_dispatch(const Dispatch &dispatched, const std::string &target) {
  std::vector<Explanation> rows;
  for (const Choice &choice : dispatched.choices) {
    const Candidate &candidate = choice.candidate;
    rows.push_back({candidate.name(), candidate.package->origin, candidate.variant->priority, true, choice.first,
                    choice.last, target, ""});
  }
  for (const Refusal &refusal : dispatched.refusals) {
    const Candidate &candidate = refusal.candidate;
    rows.push_back(
        {candidate.name(), candidate.package->origin, candidate.variant->priority, false, 0, 0, "", refusal.reason});
  }
  return rows;
}

}  // namespace

DispatchRequest dispatch_request(const Device &device, const ExecutorRequest &request, const Target &target) {
  DispatchRequest out{request.problem,
                      device.facts(),
                      forced_kernel(device.hub(), request),
                      request.one_variant,
                      measured_steps(device, request.problem),
                      {}};
  out.facts.capability = target.capability;
  return out;
}

// A candidate that cannot be compiled, or lies about itself, is one refusal more; the next best takes its place.
CudaExecutor::CudaExecutor(std::shared_ptr<Device> device, const ExecutorRequest &request)
    : device_(std::move(device)),
      operation_(request.problem.operation),
      describe_operand_(request.describe_operand),
      overlap_(request.overlap),
      run_size_(request.problem.operation->run_size) {
  std::copy(request.problem.values.begin(), request.problem.values.end(), slots_.begin());
  slots_[kSmCountSlot] = device_->facts().sm_count;
  const Target target = choose_target(*device_, request.target);
  DispatchRequest ask = dispatch_request(*device_, request, target);
  PlanKernels kernels(*device_, target, request.problem.values);
  std::exception_ptr first_problem;
  for (;;) {
    const Dispatch dispatched = dispatch(*device_->hub().catalog(), ask);
    if (dispatched.choices.empty()) {
      if (first_problem) std::rethrow_exception(first_problem);
      throw Error(QUERN_UNSUPPORTED, dispatched.failure + " on " + device_->name());
    }
    ranges_.clear();
    explanation_ = explain_dispatch(dispatched, "");
    const Candidate *trying = nullptr;
    kernels.obtain(dispatched.choices);
    try {
      for (size_t i = 0; i < dispatched.choices.size(); ++i) {
        trying = &dispatched.choices[i].candidate;
        const LoadedUnit &loaded = kernels.load(*trying);
        add_range(dispatched.choices[i], loaded);
        explanation_[i].target = loaded.target.name();
      }
      return;
    } catch (const Error &error) {
      const bool its_own_fault = error.status() == QUERN_COMPILE_FAILED || error.status() == QUERN_BAD_MANIFEST;
      if (!its_own_fault) throw;
      if (!first_problem) first_problem = std::current_exception();
      ask.unusable[trying->name()] = error.what();
      device_->hub().log().write(QUERN_LOG_WARN, "dispatch", trying->name(), " is refused: ", error.what());
    }
  }
}

void CudaExecutor::add_range(const Choice &choice, const LoadedUnit &loaded) {
  const Slots largest = slots(choice.last);
  const int64_t shared_bytes = choice.candidate.variant->launch.shared_bytes.evaluate(largest);
  ranges_.push_back({choice, loaded.module, static_cast<unsigned>(shared_bytes)});
  if (loaded.module == nullptr) return;
  const CurrentContext context(*device_);
  loaded.module->prepare(device_->ordinal(), shared_bytes);
}

size_t CudaExecutor::workspace_bytes(int64_t size) const {
  int64_t bytes = 0;
  for (const Range &range : ranges_) {
    if (range.choice.first > size) break;
    const Slots values = slots(std::min(size, range.choice.last));
    bytes = std::max(bytes, range.choice.candidate.variant->workspace_bytes.evaluate(values));
  }
  return static_cast<size_t>(bytes);
}

void CudaExecutor::encode(const TensorMapRequest &map, const void *parameters, cu::TensorMap &encoded) const {
  const TensorOperand &operand = operation_->operands[map.operand];
  const TensorView view = describe_operand_(parameters, map.operand);
  constexpr uint32_t kDense[kTensorRank] = {1, 1};
  const int swizzle = cu::kTensorMapSwizzle[map.swizzle == 0 ? 0 : map.swizzle == 32 ? 1 : map.swizzle == 64 ? 2 : 3];
  cu::check(cu::driver()->tensor_map_encode(
                &encoded, operand.element_bytes == 8 ? cu::kTensorMapUint64 : cu::kTensorMapUint16,
                static_cast<unsigned>(kTensorRank), const_cast<void *>(view.address), view.sizes.data(), &view.stride,
                map.box.data(), kDense, cu::kTensorMapInterleaveNone, swizzle,
                // Weights are streamed once, X is read again and again.
                operand.element_bytes == 8 ? cu::kTensorMapL2Promotion128 : cu::kTensorMapL2Promotion256,
                cu::kTensorMapFillZero),
            "describe a tensor for TMA");
}

void CudaExecutor::run(void *parameters, int64_t size, quern_stream stream) const {
  const auto range =
      std::find_if(ranges_.begin(), ranges_.end(), [&](const Range &r) { return size <= r.choice.last; });
  if (range->module == nullptr) {
    fail(QUERN_CUDA_UNAVAILABLE, device_->name(), " is an architecture without hardware; plan on cuda:N or cpu to run");
  }
  const Launch &launch = range->choice.candidate.variant->launch;
  const Slots values = slots(size);
  cu::LaunchConfig config;
  config.grid_x = static_cast<unsigned>(launch.grid[0].evaluate(values));
  config.grid_y = static_cast<unsigned>(launch.grid[1].evaluate(values));
  config.grid_z = static_cast<unsigned>(launch.grid[2].evaluate(values));
  config.block_x = launch.block[0];
  config.block_y = launch.block[1];
  config.block_z = launch.block[2];
  config.shared_bytes = range->shared_bytes;
  config.stream = stream;
  LaunchAttributes attributes;
  attributes.add_cluster(launch.cluster);
  if (launch.dependent && overlap_) attributes.add_overlap();
  config.attributes = attributes.items;
  config.attribute_count = attributes.count;
  const CurrentContext context(*device_);
  cu::TensorMap maps[kMaxTensorMaps];
  void *arguments[1 + kMaxTensorMaps] = {parameters};
  for (size_t i = 0; i < launch.tensor_maps.size(); ++i) {
    encode(launch.tensor_maps[i], parameters, maps[i]);
    arguments[1 + i] = &maps[i];
  }
  cu::check(cu::driver()->launch(&config, range->module->function(), arguments, nullptr), "launch a kernel");
}

std::vector<Explanation> explain_cuda(const Device &device, const ExecutorRequest &request) {
  const Target target = choose_target(device, request.target);
  return explain_dispatch(dispatch(*device.hub().catalog(), dispatch_request(device, request, target)), target.name());
}

}  // namespace quern

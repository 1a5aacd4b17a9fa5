// A kernel that a host launches itself, with parameters and geometry of its own.
#pragma once

#include <string>
#include <vector>

#include "runtime/plan/loaded_unit.hpp"

namespace quern {

class LoadedKernel {
 public:
  // `name` is "owner/package:variant" or, where the package has one variant, "owner/package"; `options` the values of
  // the options that the variant is specialised for, "x_dtype=bf16,layout=mma16_bf16". Throws as quern_kernel_load()
  // says.
  LoadedKernel(std::shared_ptr<Device> device, const std::string &name, const std::string &options,
               const std::string &target, size_t shared_bytes);

  // Throws as quern_kernel_launch() says. No lock, no allocation.
  void launch(const quern_launch &launch, quern_stream stream) const;

  const std::string &name() const { return name_; }
  const std::string &entry() const { return entry_; }
  const std::string &target() const { return target_; }
  const std::string &digest() const { return package_->digest; }
  const std::string &origin() const { return package_->origin; }
  Trust trust() const { return package_->trust; }
  const std::vector<size_t> &parameter_bytes() const { return parameter_bytes_; }
  int registers() const { return registers_; }
  int spill_bytes() const { return spill_bytes_; }
  int static_shared_bytes() const { return static_shared_bytes_; }

 private:
  void check(const quern_launch &launch) const;

  std::shared_ptr<Device> device_;
  std::shared_ptr<const Package> package_;
  std::string name_, entry_, target_;
  size_t shared_bytes_;
  std::shared_ptr<const Module> module_;
  std::vector<size_t> parameter_bytes_;
  int registers_ = -1, spill_bytes_ = -1, static_shared_bytes_ = -1;
};

}  // namespace quern

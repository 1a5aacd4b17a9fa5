// cuBLAS, opened at run time where it is installed: what the same product costs on weights of 16 bits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <quern/quern.hpp>

#include "cli/cublas_api.hpp"

namespace quern::cli {

class Cublas {
 public:
  // Empty, and why, where there is no library that can be used. The context of `stream` must be current.
  static std::unique_ptr<Cublas> open(const host::Device &device, quern_stream stream, std::string &missing);
  Cublas(const Cublas &) = delete;
  Cublas &operator=(const Cublas &) = delete;
  ~Cublas();

  // Y[m, n] = X[m, k] W[n, k]^T, all of one 16-bit type and dense, sums in f32. May be captured. Throws Failure.
  void multiply(quern_dtype dtype, int64_t m, int64_t n, int64_t k, const void *x, const void *w, void *y) const;

  std::string version() const;

 private:
  Cublas() = default;

  cublas::Api api_{};
  cublas::Handle handle_ = nullptr;
  host::DeviceMemory workspace_;
};

}  // namespace quern::cli

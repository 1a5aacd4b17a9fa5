// One unit to compile: everything that can change the code, and nothing else. Its request names it in the cache.
#pragma once

#include <string>
#include <vector>

#include "registry/package/package.hpp"

namespace quern {

struct UnitFields {
  std::shared_ptr<const UnitSource> source;
  std::vector<std::string> options;  // all of NVRTC's, in order
  Target target;
  std::string entry;
  std::vector<size_t> parameter_sizes;  // of what the entry must take: the operation's block, then tensor maps;
                                        // empty: whatever it takes
  std::string kernel;                   // "quern/mxfp4-gemm:mma_sm80"
  std::string digest;                   // of the package
  std::string types;                    // "x_dtype=bf16"
  bool built_in = false;                // its source is the library's own, and may be compiled in this process
};

// Fields that no longer change, so that the request, which is asked for again and again, is computed once.
class CompileUnit {
 public:
  explicit CompileUnit(UnitFields fields);

  const UnitFields *operator->() const { return &fields_; }
  const UnitFields &operator*() const { return fields_; }
  // 64 hex digits over source, headers, target, options and entry: no path, host, time or driver.
  const std::string &request() const { return request_; }

 private:
  UnitFields fields_;
  std::string request_;
};

CompileUnit make_compile_unit(const Package &package, const Variant &variant, const Target &target,
                              const Specialization &values);

}  // namespace quern

// For tests of quern-cc: compiling with it, and the error it comes to.
#pragma once

#include <gtest/gtest.h>

#include "nvrtc_required.hpp"
#include "runtime/base/error.hpp"
#include "runtime/compile/compile_child.hpp"
#include "runtime/compile/nvrtc_api.hpp"

namespace quern {

class CompileChildTest : public testing::Test {
 protected:
  void SetUp() override { require_nvrtc(nvrtc_.missing()); }

  static CompileJob job(const std::string &text) {
    return {"kernel.cu", text, {{"seven.h", "#define SEVEN 7\n"}}, {"--gpu-architecture=sm_80"}, false};
  }
  CompileAnswer run(const CompileJob &job, const CompileLimits &limits = {}) {
    return CompileChild(read_environment(), limits).run(nvrtc_.path(), job, "you/test:one");
  }
  Error error_of(const CompileJob &job, const CompileLimits &limits = {}) {
    try {
      const CompileAnswer answer = run(job, limits);
      ADD_FAILURE() << "nothing was thrown; the log is " << answer.log.substr(0, 2000);
    } catch (const Error &error) {
      return error;
    }
    return {QUERN_OK, ""};
  }

  inline static const std::string kSound =
      "#include \"seven.h\"\nextern \"C\" __global__ void k(int *p) { *p = SEVEN; }\n";
  Nvrtc nvrtc_{"", read_environment()};
};

}  // namespace quern

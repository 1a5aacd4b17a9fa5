#include "runtime/compile/compile_options.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(CompileOptions, AllowsWhatManifestsCanAskFor) {
  EXPECT_EQ(refused_option({"--gpu-architecture=sm_90a", "--std=c++17", "--no-source-include", "--ptxas-options=-v",
                            "-DTILE=64", "-DQUERN_X_DTYPE=3", "-DOFFSET=-9223372036854775807"}),
            "");
  EXPECT_EQ(refused_option({"--gpu-architecture=compute_120", "--gpu-architecture=sm_100f"}), "");
}

TEST(CompileOptions, RefusesEveryOther) {
  for (const std::string option : {"",
                                   "-",
                                   "--time=/tmp/x",
                                   "--create-pch=x",
                                   "--use-pch=x",
                                   "--pch",
                                   "--pch-dir=/tmp",
                                   "--pch-messages=true",
                                   "--fdevice-time-trace=x",
                                   "-I/etc",
                                   "-I",
                                   "--include-path=/etc",
                                   "--pre-include=/etc/passwd",
                                   "-include",
                                   "--ptxas-options=-v,--warn-on-spills",
                                   "--ptxas-options=-o/tmp/x",
                                   "--ptxas-options",
                                   "-Xptxas",
                                   "-lineinfo",
                                   "-G",
                                   "--dlink-time-opt",
                                   "-U__CUDACC__",
                                   "@/etc/passwd",
                                   "-D",
                                   "-DX",
                                   "-DX=",
                                   "-D=1",
                                   "-DX=1 ",
                                   "-DX=1\n2",
                                   "-DX=\"1\"",
                                   "-DX=f()",
                                   "-DX(a)=1",
                                   "-D1X=1",
                                   "-D X=1",
                                   "-DX=1;2",
                                   "-DX=--1",
                                   "-DX=12345678901234567890",
                                   "--gpu-architecture=sm_",
                                   "--gpu-architecture=sm_9",
                                   "--gpu-architecture=sm_90a,x",
                                   "--gpu-architecture=sm_80\n",
                                   "--gpu-architecture",
                                   "sm_80",
                                   "--std=c++20",
                                   "--std",
                                   "c++17"}) {
    EXPECT_NE(refused_option({"--std=c++17", option}), "") << option;
  }
  EXPECT_EQ(refused_option({std::string("-DX=1\0", 6)}).empty(), false);
  EXPECT_EQ(refused_option(std::vector<std::string>(10000, "--std=c++17")), "10000 options");
}

}  // namespace
}  // namespace quern

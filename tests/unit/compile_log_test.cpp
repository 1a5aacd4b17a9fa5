#include "runtime/compile/compile_log.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

constexpr const char *kReport =
    "ptxas info    : 0 bytes gmem\n"
    "ptxas info    : Compiling entry function 'k' for 'sm_80'\n"
    "ptxas info    : Function properties for k\n"
    "    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\n"
    "ptxas info    : Used 24 registers, used 1 barriers, 128 bytes smem, 360 bytes cmem[0]\n"
    "ptxas info    : Compile time = 1.9 ms\n";

TEST(CompileLog, ReadsWhatPtxasReports) {
  const ResourceReport report = resources_in(kReport);
  EXPECT_EQ(report.registers, 24);
  EXPECT_EQ(report.spill_bytes, 12);
  EXPECT_EQ(report.shared_bytes, 128);
  EXPECT_EQ(warnings_in(kReport), "");
  EXPECT_EQ(resources_in("").registers, -1);
  EXPECT_EQ(resources_in("").shared_bytes, 0);
}

TEST(CompileLog, KeepsWarningsAndFindsTheFirstError) {
  const std::string log = std::string("k.cu(1): warning #1: odd\n") + kReport + "k.cu(2): error: wrong\nsecond error\n";
  EXPECT_EQ(warnings_in(log), "k.cu(1): warning #1: odd\nk.cu(2): error: wrong\nsecond error");
  EXPECT_EQ(first_error(log), "k.cu(2): error: wrong");
  EXPECT_EQ(first_error("only this\nand that"), "only this");
  EXPECT_EQ(first_error(std::string(100000, 'x')).size(), 403u);
}

// A source prints what it likes: regular expressions would run out of stack over these, and sums overflow.
TEST(CompileLog, SurvivesLinesOfAnyLengthAndAbsurdNumbers) {
  const std::string long_line = std::string(4 << 20, '9') + " registers " + std::string(1 << 20, ' ') + "info : error";
  EXPECT_EQ(resources_in(long_line).registers, -1);
  EXPECT_EQ(warnings_in(long_line), long_line);
  std::string many;
  for (int i = 0; i < 5; ++i) many += "Used 999999999 registers\n";
  EXPECT_GT(resources_in(many).registers, 0);
}

TEST(CompileLog, IsCutAndCleanedForTheEyes) {
  EXPECT_EQ(sanitized_log("a\x1b[31mred\r\n\tb\x7f", ""), "a?[31mred?\n\tb?");
  EXPECT_EQ(sanitized_log("failed to open /opt/cuda/lib/libnvrtc-builtins.so", "/opt/cuda/lib/"),
            "failed to open libnvrtc-builtins.so");
  EXPECT_EQ(sanitized_log(std::string(100, 'x'), "", 10), "xxxxxxxxxx\n(cut here)");
  EXPECT_EQ(sanitized_log("a/b", "/"), "a/b");
}

}  // namespace
}  // namespace quern

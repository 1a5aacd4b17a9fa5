// The messages between the library and quern-cc: what is sent arrives, and nothing else is taken for a message.
#include "runtime/compile/wire.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

const CompileJob kJob{"k.cu", std::string("a\0b", 3), {{"x.h", "1"}, {"y.h", ""}}, {"-DX=1"}, true};

std::string body_of(const std::string &message) {
  EXPECT_EQ(body_size(message), message.size() - kMessageHead);
  return message.substr(kMessageHead);
}

TEST(CompileWire, WhatIsSentArrives) {
  const auto job = decode_job(body_of(encode(kJob)));
  ASSERT_TRUE(job);
  EXPECT_EQ(job->name, kJob.name);
  EXPECT_EQ(job->text, kJob.text);
  EXPECT_EQ(job->headers, kJob.headers);
  EXPECT_EQ(job->options, kJob.options);
  EXPECT_TRUE(job->ptx);
  const auto orders = decode_orders(body_of(encode(ChildOrders{7, 60, 1 << 30, kLandlock, "/lib/nvrtc"})));
  ASSERT_TRUE(orders);
  EXPECT_EQ(orders->parent, 7u);
  EXPECT_EQ(orders->confinement, static_cast<uint32_t>(kLandlock));
  EXPECT_EQ(orders->nvrtc_path, "/lib/nvrtc");
  const auto answer =
      decode_answer(body_of(encode(CompileAnswer{CompileOutcome::kCrashed, kFullyConfined, "log", {1, 2}})));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->outcome, CompileOutcome::kCrashed);
  EXPECT_EQ(answer->code, (std::vector<uint8_t>{1, 2}));
}

TEST(CompileWire, WhatEndsEarlyOrGoesOnIsNone) {
  const std::string job = body_of(encode(kJob));
  const std::string answer = body_of(encode(CompileAnswer{CompileOutcome::kCompiled, 0, "log", {1}}));
  for (size_t size = 0; size < job.size(); ++size) EXPECT_FALSE(decode_job(job.substr(0, size))) << size;
  for (size_t size = 0; size < answer.size(); ++size) EXPECT_FALSE(decode_answer(answer.substr(0, size))) << size;
  EXPECT_FALSE(decode_job(job + "x"));
  EXPECT_FALSE(decode_answer(answer + "x"));
}

TEST(CompileWire, SizesAndNumbersThatLieAreNone) {
  std::string answer = body_of(encode(CompileAnswer{CompileOutcome::kCompiled, 0, "log", {1}}));
  std::string outcome = answer, length = answer;
  outcome[0] = 9;
  length.replace(16, 8, 8, '\xff');
  EXPECT_FALSE(decode_answer(outcome));
  EXPECT_FALSE(decode_answer(length));
  std::string head = encode(kJob);
  EXPECT_FALSE(body_size(head.substr(0, 15)));
  head.replace(8, 8, 8, '\xff');
  EXPECT_FALSE(body_size(head));
  EXPECT_FALSE(body_size(std::string(16, 'x')));
}

}  // namespace
}  // namespace quern

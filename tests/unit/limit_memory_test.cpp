#include "runtime/hub/limit_memory.hpp"

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

TEST(LimitMemory, LastsAMinute) {
  LimitMemory memory;
  const auto now = LimitMemory::Clock::now();
  memory.add("a", "too long", now);
  EXPECT_NO_THROW(memory.throw_if_known("b", now));
  EXPECT_NO_THROW(memory.throw_if_known("a", now + std::chrono::seconds(60)));
  try {
    memory.throw_if_known("a", now + std::chrono::seconds(20));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_LIMIT_EXCEEDED);
    EXPECT_STREQ(error.what(), "too long (not tried again for 40 s)");
  }
}

TEST(LimitMemory, HoldsSoManyAndForgetsTheOld) {
  LimitMemory memory;
  const auto now = LimitMemory::Clock::now();
  for (size_t i = 0; i < LimitMemory::kMost; ++i) memory.add(std::to_string(i), "", now);
  memory.add("one more", "", now);
  EXPECT_NO_THROW(memory.throw_if_known("one more", now));
  memory.add("later", "", now + std::chrono::seconds(60));
  EXPECT_THROW(memory.throw_if_known("later", now + std::chrono::seconds(60)), Error);
}

}  // namespace
}  // namespace quern

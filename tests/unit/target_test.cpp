#include "registry/package/target.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace quern {
namespace {

TEST(ParseTarget, RefusesWhatIsNoArchitecture) {
  for (const char *name : {"",         "a",          "90",          "90a",    "sm_",
                           "sm_a",     "sm_90b",     "sm_90aa",     "sm_74",  "sm_1000",
                           "sm_-90",   "sm_+90",     "sm_ 90",      "SM_90",  "sm_9.0",
                           "compute_", "compute_70", "compute_80x", "cuda:0", "sm_99999999999999999999"}) {
    try {
      parse_target(name);
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error &error) {
      EXPECT_EQ(error.status(), QUERN_INVALID_ARGUMENT);
      EXPECT_NE(std::string(error.what()).find("\"" + std::string(name) + "\" is no architecture"), std::string::npos);
    }
  }
}

TEST(ParseTarget, MachineCodeIsForAllInstructionsOfTheDevice) {
  EXPECT_EQ(parse_target("sm_75").name(), "sm_75");
  EXPECT_EQ(parse_target("sm_89").name(), "sm_89");
  EXPECT_EQ(parse_target("sm_90").name(), "sm_90a");
  EXPECT_EQ(parse_target("sm_90a"), parse_target("sm_90"));
  EXPECT_EQ(parse_target("sm_121a").name(), "sm_121a");
  EXPECT_EQ(parse_target("compute_80").name(), "compute_80");
  EXPECT_EQ(parse_target("compute_90").name(), "compute_90");
  EXPECT_EQ(parse_target("compute_90a").name(), "compute_90a");
  EXPECT_NE(parse_target("compute_90"), parse_target("compute_90a"));
}

TEST(ParseCapability, RefusesWhatIsNone) {
  for (const char *text :
       {"", "9", "9.", ".0", "9.0.0", "9.0a", "a.0", "6.1", "7.10", "100.0", "9.-1", "-9.0", "9,0"}) {
    try {
      parse_capability(text, "capability.min");
      ADD_FAILURE() << text << " was accepted";
    } catch (const Error &error) {
      EXPECT_EQ(error.status(), QUERN_BAD_MANIFEST);
      EXPECT_EQ(std::string(error.what()).rfind("capability.min is \"" + std::string(text) + "\"", 0), 0u)
          << error.what();
    }
  }
}

TEST(ParseCapability, AndBack) {
  for (const char *text : {"7.5", "8.0", "9.0", "10.3", "12.1"})
    EXPECT_EQ(capability_name(parse_capability(text, "")), text);
  EXPECT_EQ(parse_capability("10.3", ""), 103);
}

TEST(KnownTargets, AreSortedAndUniqueAndReadable) {
  const std::vector<Target> targets = known_targets();
  ASSERT_FALSE(targets.empty());
  EXPECT_TRUE(std::is_sorted(targets.begin(), targets.end()));
  EXPECT_EQ(std::adjacent_find(targets.begin(), targets.end()), targets.end());
  for (const Target &target : targets) {
    EXPECT_FALSE(target.ptx);
    EXPECT_EQ(parse_target(target.name()), target);
  }
}

TEST(SharedMemory, OfKnownUnknownAndOldArchitectures) {
  EXPECT_EQ(shared_memory_of(75), 64 << 10);
  EXPECT_EQ(shared_memory_of(90), 227 << 10);
  EXPECT_EQ(shared_memory_of(120), 99 << 10);
  EXPECT_EQ(shared_memory_of(88), shared_memory_of(87));  // the next older one stands in
  EXPECT_EQ(shared_memory_of(999), shared_memory_of(121));
  EXPECT_EQ(shared_memory_of(10), shared_memory_of(75));
}

}  // namespace
}  // namespace quern

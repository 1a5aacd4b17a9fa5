#include "runtime/base/shared_library.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(SharedLibrary, OnlyWhatIsLoadedIsAlreadyOpen) {
  const SharedLibrary loaded = SharedLibrary::already_open("libc.so.6");
  ASSERT_TRUE(loaded);
  EXPECT_NE(loaded.path().find("/libc.so.6"), std::string::npos) << loaded.path();
  EXPECT_NE(loaded.find("strlen"), nullptr);
  for (const char *other : {"libc.so.5", "libnvrtc.so.99", "libquern-nowhere.so.1", "c.so.6"}) {
    EXPECT_FALSE(SharedLibrary::already_open(other)) << other;
  }
}

}  // namespace
}  // namespace quern

// Where NVRTC is looked for, and what is said where it is not.
#include "runtime/compile/nvrtc_api.hpp"

#include <gtest/gtest.h>

#include "temporary_directory.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;

class NvrtcTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_symlink(loop_, loop_); }
  const TemporaryDirectory directory_;
  const fs::path loop_ = directory_ / "loop";  // looking at what is below fails, even for root
};

TEST_F(NvrtcTest, AMissingFileIsNamedWithTheFix) {
  const fs::path none = directory_ / "none.so";
  EXPECT_EQ(Nvrtc(none, Environment()).missing(),
            "NVRTC not found: tried " + none.string() + "; install it, or set QUERN_NVRTC_PATH to libnvrtc.so.13");
}

TEST_F(NvrtcTest, AFileThatCannotBeLookedAtIsNamedWithTheReason) {
  Nvrtc nvrtc(loop_ / "libnvrtc.so", Environment());
  EXPECT_NE(nvrtc.missing().find((loop_ / "libnvrtc.so").string() + " (Too many levels of symbolic links)"),
            std::string::npos)
      << nvrtc.missing();
}

// Present or not: the machine decides. But the folder before it must not.
TEST_F(NvrtcTest, AFolderThatCannotBeLookedAtHidesNoOther) {
  Environment environment;
  const std::string without = Nvrtc("", environment).missing();
  environment.cuda_home = loop_;
  EXPECT_EQ(Nvrtc("", environment).missing().empty(), without.empty());
}

TEST_F(NvrtcTest, AFileThatIsNoLibraryIsNamedWithTheReason) {
  const fs::path file = directory_ / "text.so";
  write_text(file, "no library");
  const std::string missing = Nvrtc(file, Environment()).missing();
  EXPECT_NE(missing.find(file.string() + " ("), std::string::npos) << missing;
}

}  // namespace
}  // namespace quern

#include "registry/package/constraint.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

const Field &field(const char *name) {
  const Operation &gemm = gemm_operation();
  return gemm.fields[static_cast<size_t>(gemm.find(name))];
}

TEST(Constraint, SizesAreRefusedWithTheirReason) {
  Constraint constraint;
  constraint.least = 64;
  constraint.most = 1024;
  constraint.multiple_of = 64;
  EXPECT_EQ(constraint.refuse(field("k"), 63), "k = 63 is below 64");
  EXPECT_EQ(constraint.refuse(field("k"), 1025), "k = 1025 is above 1024");
  EXPECT_EQ(constraint.refuse(field("k"), 96), "k = 96 is not a multiple of 64");
  EXPECT_EQ(constraint.refuse(field("k"), 64), std::nullopt);
  EXPECT_EQ(constraint.refuse(field("k"), 1024), std::nullopt);
}

TEST(Constraint, ASizeThatIsNotMentionedAcceptsAll) {
  EXPECT_EQ(Constraint().refuse(field("n"), 1), std::nullopt);
  EXPECT_EQ(Constraint().refuse(field("n"), INT64_MAX), std::nullopt);
}

TEST(Constraint, OptionsAreRefusedByName) {
  Constraint constraint;
  constraint.one_of = {2, 3};
  EXPECT_EQ(constraint.refuse(field("x_dtype"), 1), "x_dtype = f32 is not among f16, bf16");
  EXPECT_EQ(constraint.refuse(field("x_dtype"), 9), "x_dtype = 9 is not among f16, bf16");
  EXPECT_EQ(constraint.refuse(field("x_dtype"), 3), std::nullopt);
  constraint.one_of = {0};
  EXPECT_EQ(constraint.refuse(field("bias_dtype"), 3), "bias_dtype = bf16 is not among none");
}

}  // namespace
}  // namespace quern

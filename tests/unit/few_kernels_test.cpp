#include "runtime/operations/few_kernels.hpp"

#include <gtest/gtest.h>

namespace quern {
namespace {

std::vector<std::string> names(const std::vector<KernelTime> &times) {
  std::vector<std::string> out;
  for (const KernelTime &time : times) out.push_back(time.kernel);
  return out;
}

TEST(FewKernels, OneThatIsGoodEverywhereIsEnough) {
  const std::vector<std::vector<KernelTime>> sizes = {
      {{"a", 10.0}, {"b", 10.1}}, {{"b", 20.1}, {"c", 20.0}}, {{"a", 50.0}, {"b", 30.0}, {"d", 29.9}}};
  EXPECT_EQ(names(few_kernels(sizes, 1.02)), (std::vector<std::string>{"b", "b", "b"}));
}

TEST(FewKernels, WithoutToleranceTheFastestOfEachSize) {
  const std::vector<std::vector<KernelTime>> sizes = {{{"a", 10.0}, {"b", 10.1}}, {{"b", 20.1}, {"c", 20.0}}};
  EXPECT_EQ(names(few_kernels(sizes, 1.0)), (std::vector<std::string>{"a", "c"}));
}

TEST(FewKernels, NoneIsSlowerThanTheTolerance) {
  const std::vector<std::vector<KernelTime>> sizes = {
      {{"a", 10.0}, {"b", 10.3}}, {{"b", 20.0}}, {{"a", 5.0}, {"b", 5.05}}};
  const std::vector<KernelTime> chosen = few_kernels(sizes, 1.02);
  EXPECT_EQ(names(chosen), (std::vector<std::string>{"a", "b", "a"}));  // of the two chosen, the faster at 5.0
  EXPECT_EQ(chosen[0].microseconds, 10.0);
}

TEST(FewKernels, OfTwoThatServeAsManyTheFasterIsTaken) {
  const std::vector<std::vector<KernelTime>> sizes = {{{"a", 10.1}, {"b", 10.0}}, {{"a", 20.1}, {"b", 20.0}}};
  EXPECT_EQ(names(few_kernels(sizes, 1.02)), (std::vector<std::string>{"b", "b"}));
}

TEST(FewKernels, NothingMeasuredNothingChosen) { EXPECT_TRUE(few_kernels({}, 1.02).empty()); }

}  // namespace
}  // namespace quern

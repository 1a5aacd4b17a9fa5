// What sources that nobody vouches for can do to who compiles them: nothing.
#include "compile_child.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/compile/nvrtc_program.hpp"
#include "temporary_directory.hpp"

namespace quern {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr CompileLimits kShort{milliseconds(20000), 1, uint64_t{1} << 30, kFullyConfined};

long resident_kib() {
  std::ifstream status("/proc/self/statm");
  long size = 0, resident = 0;
  status >> size >> resident;
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

bool has_landlock() { return ::syscall(444, nullptr, 0, 1) >= 1; }

std::string repeated(const std::string &part, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += part;
  return all;
}

TEST_F(CompileChildTest, GivesTheBytesThatThisProcessWouldGive) {
  for (const bool ptx : {false, true}) {
    CompileJob same = job(kSound);
    same.ptx = ptx;
    same.options = {ptx ? "--gpu-architecture=compute_80" : "--gpu-architecture=sm_80", "--std=c++17",
                    "--no-source-include", "-DTILE=64"};
    if (!ptx) same.options.push_back("--ptxas-options=-v");
    const CompileAnswer here = run_nvrtc(nvrtc_.need(), same), there = run(same);
    EXPECT_FALSE(there.code.empty());
    EXPECT_TRUE(here.code == there.code);
    const auto untimed = [](const std::string &log) { return log.substr(0, log.find("Compile time")); };
    EXPECT_EQ(untimed(here.log), untimed(there.log));
  }
}

TEST_F(CompileChildTest, IsConfinedAsFarAsTheKernelCan) {
  EXPECT_EQ(run(job(kSound)).confinement, static_cast<uint32_t>(has_landlock() ? kFullyConfined : kSystemCalls));
}

TEST_F(CompileChildTest, ARefusedSourceComesWithItsLog) {
  const CompileAnswer answer = run(job("#error this way\n"));
  EXPECT_EQ(answer.outcome, CompileOutcome::kRefused);
  EXPECT_NE(answer.log.find("this way"), std::string::npos) << answer.log;
  EXPECT_TRUE(answer.code.empty());
}

struct Bomb {
  const char *name;
  std::string source;
};

// Each is stopped at a limit or refused by the compiler; the host neither grows nor waits, and the next one compiles.
TEST_F(CompileChildTest, BombsAreStopped) {
  std::string macros = "#define A0 1\n";
  for (int i = 1; i <= 35; ++i) macros += text("#define A", i, " A", i - 1, " + A", i - 1, "\n");
  const Bomb bombs[] = {
      {"macros", macros + "int x = A35;\n"},
      {"templates",
       "template <unsigned long D, unsigned long P> struct T { static const int v = T<D - 1, 2 * P>::v + T<D - 1, 2 * "
       "P + 1>::v; };\ntemplate <unsigned long P> struct T<0, P> { static const int v = 1; };\nint x = T<22, 1>::v;\n"},
      {"constexpr",
       "constexpr unsigned f(unsigned n) { unsigned s = 0; for (unsigned i = 0; i < n; ++i) for (unsigned j = 0; j < "
       "n; "
       "++j) s += j; return s; }\nstatic_assert(f(4000000000u) == 1, \"\");\n"},
      {"parentheses", "int x = " + std::string(200000, '(') + "1" + std::string(200000, ')') + ";\n"},
      {"itself", "#include \"again.h\"\n"},
  };
  const long before = resident_kib();
  for (const Bomb &bomb : bombs) {
    SCOPED_TRACE(bomb.name);
    CompileJob doomed = job(bomb.source);
    doomed.headers.emplace_back("again.h", "#include \"again.h\"\n#include \"again.h\"\n");
    const auto start = Clock::now();
    try {
      const CompileAnswer answer = run(doomed, kShort);
      EXPECT_EQ(answer.outcome, CompileOutcome::kRefused);
      EXPECT_TRUE(answer.code.empty());
    } catch (const Error &error) {
      EXPECT_TRUE(error.status() == QUERN_LIMIT_EXCEEDED || error.status() == QUERN_COMPILE_FAILED) << error.what();
      RecordProperty(bomb.name, error.what());
    }
    EXPECT_LT(Clock::now() - start, milliseconds(25000));
    EXPECT_LT(resident_kib() - before, 64 << 10);
    EXPECT_EQ(run(job(kSound)).outcome, CompileOutcome::kCompiled);
  }
}

TEST_F(CompileChildTest, EachLimitIsNamed) {
  std::string macros = "#define A0 1\n";
  for (int i = 1; i <= 35; ++i) macros += text("#define A", i, " A", i - 1, " + A", i - 1, "\n");
  const CompileJob endless = job(macros + "int x = A35;\n");
  const Error time = error_of(endless, {milliseconds(120000), 1, uint64_t{4} << 30, kFullyConfined});
  EXPECT_EQ(time.status(), QUERN_LIMIT_EXCEEDED);
  EXPECT_STREQ(time.what(),
               "compiling you/test:one took more than 1 s of processor time; the package is at fault: remove it, or "
               "tell its author");
  const Error wall = error_of(endless, {milliseconds(300), 60, uint64_t{4} << 30, kFullyConfined});
  EXPECT_EQ(wall.status(), QUERN_LIMIT_EXCEEDED);
  EXPECT_NE(std::string(wall.what()).find("more than 300 ms;"), std::string::npos) << wall.what();
  const CompileJob large = job("/*" + std::string(24 << 20, 'x') + "*/\n" + kSound);
  const Error memory = error_of(large, {milliseconds(20000), 60, uint64_t{200} << 20, kFullyConfined});
  EXPECT_EQ(memory.status(), QUERN_LIMIT_EXCEEDED) << memory.what();
  EXPECT_NE(std::string(memory.what()).find("more than 200 MiB of memory"), std::string::npos) << memory.what();
}

TEST_F(CompileChildTest, ASourceThatIsTooLargeIsNotSent) {
  const Error error = error_of(job(std::string(50 << 20, ' ')));
  EXPECT_EQ(error.status(), QUERN_LIMIT_EXCEEDED);
  EXPECT_STREQ(error.what(), "you/test:one has 50 MiB of sources; at most 32 MiB are compiled: make them smaller");
}

TEST_F(CompileChildTest, OptionsThatAreNotAllowedAreNotSent) {
  TemporaryDirectory directory;
  CompileJob timed = job(kSound);
  timed.options.push_back("--time=" + (directory / "times").string());
  EXPECT_EQ(error_of(timed).status(), QUERN_BAD_MANIFEST);
  EXPECT_EQ(count_files(directory.path()), 0u);
}

// Eleven spellings of reading a file, without the scan that refuses most of them, under each wall alone and both.
class Disclosure : public CompileChildTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(Disclosure, NoSpellingOfAnIncludeReadsAFile) {
  if ((GetParam() & kLandlock) != 0 && !has_landlock()) GTEST_SKIP() << "this kernel has no Landlock";
  TemporaryDirectory directory;
  const std::string secret = "TheSecretOfThisHost42";
  const std::string file = (directory / "secret.txt").string();
  write_text(file, secret + "\n");
  write_text(directory / "seven2.h", secret + "\n");
  CompileLimits limits;
  limits.confinement = GetParam();
  const CompileChild child(read_environment(), limits);
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  const std::string quoted = "\"" + file + "\"", up = repeated("../", 20) + file.substr(1);
  const std::string sources[] = {
      "#include " + quoted + "\n",
      "%:include " + quoted + "\n",
      "#inc\\\nlude " + quoted + "\n",
      "#/* */include/**/" + quoted + "\n",
      "#define F " + quoted + "\n#include F\n",
      "#define S(x) #x\n#define Q(x) S(x)\n#include Q(" + file + ")\n",
      "#include <" + file + ">\n",
      "#include \"" + up + "\"\n",
      "#include \"secret.txt\"\n",
      "#include \"./seven2.h\"\n",
      "#if __has_include(" + quoted + ")\n#error TheSecretOfThisHost42 is there\n#endif\n",
  };
  for (const std::string &source : sources) {
    SCOPED_TRACE(source);
    const CompileAnswer answer =
        child.run(nvrtc_.path(), job(source + "extern \"C\" __global__ void k() {}\n"), "you/test:one");
    EXPECT_EQ(answer.confinement, GetParam());
    const std::string code(answer.code.begin(), answer.code.end());
    EXPECT_EQ(answer.log.find(secret), std::string::npos) << answer.log;
    EXPECT_EQ(code.find(secret), std::string::npos);
  }
  std::filesystem::current_path(before);
}

INSTANTIATE_TEST_SUITE_P(Walls, Disclosure, testing::Values(kLandlock, kSystemCalls, kFullyConfined));

// Without any wall the same sources do read the file: the test above can fail.
TEST_F(CompileChildTest, WithoutWallsAFileIsRead) {
  TemporaryDirectory directory;
  write_text(directory / "secret.txt", "TheSecretOfThisHost42\n");
  CompileLimits limits;
  limits.confinement = kNotConfined;
  const CompileAnswer answer = run(job("#include \"" + (directory / "secret.txt").string() + "\"\n"), limits);
  EXPECT_NE(answer.log.find("TheSecretOfThisHost42"), std::string::npos) << answer.log;
}

TEST_F(CompileChildTest, NoIncludeHangsOrReadsADevice) {
  TemporaryDirectory directory;
  const std::string fifo = (directory / "fifo").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string &file : {fifo, std::string("/dev/zero"), std::string("/proc/self/mem"),
                                  std::string("/proc/self/fd/0"), std::string("/dev/stdin")}) {
    SCOPED_TRACE(file);
    const auto start = Clock::now();
    const CompileAnswer answer = run(job("#include \"" + file + "\"\n"));
    EXPECT_EQ(answer.outcome, CompileOutcome::kRefused);
    EXPECT_LT(Clock::now() - start, milliseconds(10000));
  }
}

TEST_F(CompileChildTest, WhereQuernCcOrNvrtcIsMissingTheFixIsNamed) {
  Environment elsewhere = read_environment();
  elsewhere.compile_child_path = "/nonexistent/quern-cc";
  try {
    CompileChild(elsewhere).run(nvrtc_.path(), job(kSound), "you/test:one");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), QUERN_NVRTC_UNAVAILABLE);
    EXPECT_STREQ(error.what(),
                 "you/test:one is not built in and is compiled by quern-cc, which is not there: tried "
                 "/nonexistent/quern-cc; install it, set QUERN_CC_PATH to it, or allow compiling in this process with "
                 "QUERN_CC=inproc");
  }
  elsewhere.compile_child_path = "/bin/true";
  EXPECT_THROW(CompileChild(elsewhere).run(nvrtc_.path(), job(kSound), "you/test:one"), Error);
  EXPECT_THROW(CompileChild(read_environment()).run("/nonexistent/libnvrtc.so", job(kSound), "you/test:one"), Error);
  elsewhere.compile_child = "maybe";
  EXPECT_THROW(CompileChild{elsewhere}, Error);
}

}  // namespace
}  // namespace quern

// A package that somebody trusted has published and that sets out to harm: resolved, judged, then compiled as any
// other. It is stopped, it learns nothing of this machine, and what was there before still works. (T31, T32)
#include <chrono>
#include <csignal>

#include <sys/stat.h>

#include "compile_child.hpp"
#include "published_registry.hpp"
#include "runtime/compile/compile_unit.hpp"
#include "runtime/hub/kernel_store.hpp"

namespace quern {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

const std::string kSecret = "TheSecretOfThisHost42";

class ResolvedPackageTest : public CompileChildTest {
 protected:
  // A release as a hostile publisher makes it: `source` is not looked at. Its digest.
  std::string publish_source(const std::string &source) {
    const TemporaryDirectory work;
    PackedPackage package =
        pack(write_package(work / "package", gemm_manifest("acme/gemm", {gemm_variant("a")}), "// honest\n"));
    package.manifest.build = ++build_;
    nlohmann::json manifest = nlohmann::json::parse(package.document);
    manifest["build"] = build_;
    manifest["files"][0]["sha256"] = test_digest(source);
    manifest["files"][0]["size"] = source.size();
    package.files["kernel.cu"] = source;
    package.document = manifest.dump();
    package.digest = test_digest(package.document);
    return registry_.publish_packed(package);
  }
  // Its code, by this build of the registry's package.
  std::vector<uint8_t> compile(const std::string &digest, const CompileLimits &limits) {
    const ResolvedPackage found = make_resolver(cache_, {registry_.url(), {}, {}})
                                      ->resolve(parse_package_request("acme/gemm@sha256:" + digest), nullptr, {});
    const Log log(
        QUERN_LOG_DEBUG,
        [](void *text, quern_log_level, const char *, const char *line) {
          *static_cast<std::string *>(text) += std::string(line) + "\n";
        },
        &said_);
    KernelStore store(cache_, nvrtc_, true, log, CompileChild(read_environment(), limits));
    const CompileUnit unit =
        make_compile_unit(*found.package, found.package->manifest.variants[0], parse_target("sm_80"), {});
    EXPECT_FALSE(unit->built_in);
    return store.get(unit).entry.code;
  }
  quern_status status_of_compiling(const std::string &digest, const CompileLimits &limits) {
    try {
      compile(digest, limits);
      return QUERN_OK;
    } catch (const Error &error) {
      said_ += std::string(error.what()) + "\n" + error.log() + "\n";
      return error.status();
    }
  }
  std::string all_in_cache() const {
    std::string all;
    for (const fs::directory_entry &item : fs::recursive_directory_iterator(root_ / "cache")) {
      if (item.is_regular_file()) all += text_of(item.path());
    }
    return all;
  }
  size_t entries() const {
    size_t count = 0;
    for (const fs::directory_entry &item : fs::recursive_directory_iterator(root_ / "cache/jit")) {
      count += item.is_regular_file();
    }
    return count;
  }

  const TemporaryDirectory root_;
  PublishedRegistry registry_{root_ / "registry"};
  Cache cache_{root_ / "cache", CacheMode::kReadWrite};
  std::string said_;  // in logs and errors
  int build_ = 0;
};

TEST_F(ResolvedPackageTest, BombsAreStopped) {
  std::string macros = "#define A0 1\n";
  for (int i = 1; i <= 35; ++i) macros += text("#define A", i, " A", i - 1, " + A", i - 1, "\n");
  const std::pair<const char *, std::string> bombs[] = {
      {"macros", macros + "int x = A35;\n"},
      {"templates",
       "template <unsigned long D, unsigned long P> struct T { static const int v = T<D - 1, 2 * P>::v + T<D - 1, 2 * "
       "P "
       "+ 1>::v; };\ntemplate <unsigned long P> struct T<0, P> { static const int v = 1; };\nint x = T<22, 1>::v;\n"},
      {"constexpr",
       "constexpr unsigned f(unsigned n) { unsigned s = 0; for (unsigned i = 0; i < n; ++i) for (unsigned j = 0; j < "
       "n; "
       "++j) s += j; return s; }\nstatic_assert(f(4000000000u) == 1, \"\");\n"},
      {"parentheses", "int x = " + std::string(200000, '(') + "1" + std::string(200000, ')') + ";\n"},
      {"itself", "#include \"kernel.cu\"\n"},
      {"large", std::string(50 << 20, ' ')},
  };
  const CompileLimits limits{milliseconds(20000), 1, uint64_t{1} << 30, kFullyConfined};
  const std::string sound = publish_source(kEmptyGemm);
  int stopped = 0;
  for (const auto &[name, source] : bombs) {
    SCOPED_TRACE(name);
    const auto began = Clock::now();
    const quern_status status = status_of_compiling(publish_source(source), limits);
    EXPECT_TRUE(status == QUERN_LIMIT_EXCEEDED || status == QUERN_COMPILE_FAILED || status == QUERN_BAD_MANIFEST)
        << status << said_;
    EXPECT_LT(Clock::now() - began, milliseconds(25000));
    EXPECT_EQ(entries(), 0u);
    ++stopped;
  }
  EXPECT_FALSE(compile(sound, {}).empty());
  EXPECT_EQ(entries(), 1u);
  std::printf("%d bombs in resolved packages: all stopped, nothing kept of them\n", stopped);
}

TEST_F(ResolvedPackageTest, NoSpellingOfAnIncludeReadsAFile) {
  const std::string file = (root_ / "secret.txt").string(), fifo = (root_ / "fifo").string();
  write_text(file, kSecret + "\n");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const fs::path before = fs::current_path();
  fs::current_path(root_.path());
  const std::string quoted = "\"" + file + "\"";
  std::string up;
  for (int i = 0; i < 20; ++i) up += "../";
  const std::string sources[] = {
      "#include " + quoted + "\n",
      "%:include " + quoted + "\n",
      "#inc\\\nlude " + quoted + "\n",
      "#/* */include/**/" + quoted + "\n",
      "#define F " + quoted + "\n#include F\n",
      "#define S(x) #x\n#define Q(x) S(x)\n#include Q(" + file + ")\n",
      "#include <" + file + ">\n",
      "#include \"" + up + file.substr(1) + "\"\n",
      "#include \"secret.txt\"\n",
      "#include \"./secret.txt\"\n",
      "#if __has_include(" + quoted + ")\n#error " + kSecret + " is there\n#endif\n",
      "#include \"" + fifo + "\"\n",
      "#include \"/dev/zero\"\n",
      "#include \"/proc/self/mem\"\n",
  };
  int refused = 0, confined = 0;
  for (const std::string &source : sources) {
    SCOPED_TRACE(source);
    said_.clear();
    const std::string digest = publish_source(source + kEmptyGemm);
    const quern_status status = status_of_compiling(digest, {});
    EXPECT_TRUE(status == QUERN_BAD_MANIFEST || status == QUERN_COMPILE_FAILED) << status;
    ++(status == QUERN_BAD_MANIFEST ? refused : confined);
    // The message may say what the source says, not what the file does.
    const bool told = said_.find(kSecret) != std::string::npos && source.find(kSecret) == std::string::npos;
    EXPECT_FALSE(told) << said_;
  }
  EXPECT_EQ(entries(), 0u);
  fs::current_path(before);
  std::printf("14 includes in resolved packages: %d refused by the scan, %d by the walls; nothing leaked\n", refused,
              confined);
}

// The new build cannot be used; the one before, which was resolved, serves on.
TEST_F(ResolvedPackageTest, ABuildThatIsRefusedDoesNotTakeThePlaceOfOneThatIsNot) {
  const std::string sound = publish_source(kEmptyGemm);
  const auto resolve = [&](bool offline) {
    ResolveRules rules;
    rules.offline = offline;
    return make_resolver(cache_, {registry_.url(), {}, {}})
        ->resolve(parse_package_request("acme/gemm@1"), nullptr, rules);
  };
  EXPECT_EQ(resolve(false).pin.manifest, sound);
  publish_source("#include \"/etc/passwd\"\n");
  EXPECT_EQ(status_of([&] { resolve(false); }), QUERN_BAD_MANIFEST);
  EXPECT_EQ(resolve(true).pin.manifest, sound);
}

}  // namespace
}  // namespace quern

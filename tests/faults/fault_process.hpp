// Processes that use one cache and may die of it: forked, so that hundreds cost little, each with faults of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "registry/cache/cache.hpp"
#include "runtime/compile/compile_unit.hpp"
#include "temporary_directory.hpp"

namespace quern::faults {

enum ExitStatus : int { kRight = 0, kWrongBytes = 3, kFailedCleanly = 4, kUnexpected = 5, kLeaked = 6 };

// Times as many repetitions as on a push: QUERN_FAULT_SCALE, 1 if unset; scripts/reliability sets it.
int scale();

CompileUnit unit_of(int key);

CacheSettings settings_of(const std::filesystem::path &directory);

// A rule by which fsync only says that it is done.
inline constexpr const char *kNoSync = "sync:0:skip";

struct Progress {  // in memory that parent and child share
  int kept[1024];  // by key: its publish was confirmed
  double seconds;  // of the whole
  bool struck;     // whether its fault came
};

// Gets each unit and compares its bytes. What the process is to end with.
ExitStatus get_keys(const CacheSettings &settings, const std::vector<int> &keys, Progress *progress = nullptr,
                    const std::string &nvrtc = FAKE_NVRTC);

// A child that runs `body` under the faults given (failpoint.hpp) and ends with what it returns.
pid_t start(const std::string &faults, const std::function<int()> &body);
// Its exit status; minus the signal that killed it.
int wait_for(pid_t child);
int run(const std::string &faults, const std::function<int()> &body);

// As many children at once, let go together. Their exit statuses.
std::vector<int> run_together(int count, const std::string &faults, const std::function<int(int)> &body);

// Children that run `live` in a cache of their own: at one allocation after the other memory runs out, for that one and
// for good. On a push the later ones are sampled. `expect_recovered` looks at what each left; the number of children.
using InCache = std::function<ExitStatus(const CacheSettings &settings)>;
using AfterFault = std::function<void(const CacheSettings &settings, const std::string &after)>;
int each_allocation_fails(const InCache &live, const AfterFault &expect_recovered);

// Whether a fresh process gets the keys and then finds the cache sound, once it has repaired the index.
void expect_recovered(const CacheSettings &settings, const std::vector<int> &keys, const std::string &after);

// Lines that compiles have logged since the test began, sorted.
class CompileLog {
 public:
  explicit CompileLog(int delay_ms);
  ~CompileLog();
  std::vector<std::string> lines() const;

 private:
  TemporaryDirectory directory_;
};

template <typename T>
T *shared_memory();
extern template Progress *shared_memory<Progress>();
void release(Progress *progress);

}  // namespace quern::faults

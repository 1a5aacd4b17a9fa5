// What the emulator's parts share: the cluster that runs.
#pragma once

#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <ucontext.h>

#include "emulator/gpu.hpp"

namespace emulator {

constexpr uint32_t kSharedBase = 1024;  // no address is 0
constexpr size_t kMostShared = 227 << 10;

// Sums that wgmma are under way for: the thread's own are poisoned meanwhile.
struct SumsUnderWay {
  std::vector<float> values;
  int operations = 0;
};

// On their way to shared memory.
struct BytesUnderWay {
  int cta;
  uint32_t offset;
  std::vector<uint8_t> bytes;
  bool swizzled = false;

  void write() const;
};

struct Thread {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  int cta = 0;
  Index index;
  bool ended = false;
  std::function<bool()> ready;  // null: it can go on
  const char *waits_for = "";

  bool arrived_at_cluster = false;
  uint64_t cluster_phase = 0;  // that it arrived in
  std::deque<std::vector<BytesUnderWay>> copies{1};
  int stores = 0;  // that have not read
  size_t wgmma_issued = 0, wgmma_seen = 0;
  std::deque<size_t> wgmma_groups;  // where each that was committed ends
  std::map<float *, SumsUnderWay> sums;
};

struct WgmmaOfWarp {
  Wgmma operation;
  int lanes = 0;
  float *sums[32];
  const uint32_t *fragments[32];
  uint32_t copies[32][4];
};

struct Warp {
  int live = 32;
  int rests = 0;      // rounds
  bool lazy = false;  // rests for longer and more often
  const char *what = nullptr;
  int arrived = 0;
  uint64_t meetings = 0;
  void *brought[32] = {};
  std::function<void(Brought)> together;
  std::deque<WgmmaOfWarp> wgmma;
  size_t wgmma_done = 0;
};

struct Mbarrier {
  uint32_t arrivals, pending;
  int64_t bytes = 0;
  uint32_t phase = 0;
};

struct NamedBarrier {
  int expected = 0, arrived = 0;
  uint64_t generation = 0;
};

struct Cta {
  Index index;
  int live = 0;
  std::vector<uint8_t> shared;  // while another one's is in the window
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<Warp> warps;
  std::map<uint32_t, Mbarrier> mbarriers;
  NamedBarrier barriers[16];
};

struct Cluster {
  const Launch *launch = nullptr;
  std::vector<Cta> ctas;
  uint64_t phase = 0;
  std::vector<std::function<void()>> later;
  std::mt19937_64 random;
  int in_window = -1;  // whose shared memory `memory` is
  Thread *running = nullptr;
  ucontext_t scheduler;
  std::exception_ptr failure;

  Cta &cta() { return ctas[static_cast<size_t>(running->cta)]; }
  Warp &warp() { return cta().warps[running->index.x / 32]; }
  unsigned lane() const { return running->index.x % 32; }
  bool chance(int of) { return random() % static_cast<unsigned>(of) == 0; }
};
extern Cluster *cluster;

uint8_t *shared_of(int cta, uint32_t offset);
int cta_of(uint32_t address);
uint32_t offset_of(uint32_t address);
void must_live(int cta);

// A thread has ended: those that wait for all that are left may be complete.
void leave_barriers(Cta &cta, Warp &warp);
void arrive_at(int cta, uint32_t mbarrier);
void bytes_came(int cta, uint32_t mbarrier, size_t bytes);

// An address with the bits of its row of 128 bytes mixed in, as a swizzle of 128 bytes has it.
inline uint32_t swizzled(uint32_t address) { return address ^ (address >> 7 & 7u) << 4; }

}  // namespace emulator

#include "emulator/gpu.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#include "emulator/gpu_state.hpp"

// What `extern __shared__` names, of the CTA that runs.
alignas(1024) uint8_t memory[emulator::kMostShared];

namespace emulator {

Cluster *cluster = nullptr;

namespace {

constexpr size_t kStackBytes = 128 << 10;

// A sanitizer must know whose stack it looks at.
#if defined(__SANITIZE_ADDRESS__)
const void *scheduler_stack = nullptr;
size_t scheduler_stack_bytes = 0;
void begin_switch(void **own, const void *stack, size_t bytes) { __sanitizer_start_switch_fiber(own, stack, bytes); }
void end_switch(void *own, bool from_scheduler) {
  __sanitizer_finish_switch_fiber(own, from_scheduler ? &scheduler_stack : nullptr,
                                  from_scheduler ? &scheduler_stack_bytes : nullptr);
}
#else
constexpr const void *scheduler_stack = nullptr;
constexpr size_t scheduler_stack_bytes = 0;
void begin_switch(void **, const void *, size_t) {}
void end_switch(void *, bool) {}
#endif

void enter(Thread &thread) {
  void *own = nullptr;
  begin_switch(&own, thread.stack.get(), kStackBytes);
  swapcontext(&cluster->scheduler, &thread.context);
  end_switch(own, false);
}

void leave(Thread &thread, bool for_good) {
  void *own = nullptr;
  begin_switch(for_good ? nullptr : &own, scheduler_stack, scheduler_stack_bytes);
  swapcontext(&thread.context, &cluster->scheduler);
  end_switch(own, true);
}

void move_window(int cta) {
  if (cluster->in_window == cta) return;
  const size_t bytes = cluster->launch->shared_bytes;
  if (cluster->in_window >= 0) {
    std::copy_n(memory, bytes, cluster->ctas[static_cast<size_t>(cluster->in_window)].shared.begin());
  }
  std::copy_n(cluster->ctas[static_cast<size_t>(cta)].shared.begin(), bytes, memory);
  cluster->in_window = cta;
}

void end_thread(Thread &thread) {
  if (thread.stores > 0) fault("ends before its bulk stores have read");
  thread.ended = true;
  Cta &cta = cluster->cta();
  Warp &warp = cluster->warp();
  --cta.live;
  --warp.live;
  leave_barriers(cta, warp);
}

void thread_main() {
  end_switch(nullptr, true);
  Thread &thread = *cluster->running;
  try {
    cluster->launch->kernel();
    end_thread(thread);
  } catch (...) {
    cluster->failure = std::current_exception();
    thread.ended = true;
  }
  leave(thread, true);
}

std::string who_waits() {
  std::map<std::string, int> counts;
  for (const Cta &cta : cluster->ctas) {
    for (const auto &thread : cta.threads) {
      if (!thread->ended) {
        ++counts["CTA " + std::to_string(cta.index.x) + ", warp " + std::to_string(thread->index.x / 32) + ": " +
                 thread->waits_for];
      }
    }
  }
  std::string out;
  for (const auto &[what, count] : counts) out += "\n  " + std::to_string(count) + " threads of " + what;
  for (const Cta &cta : cluster->ctas) {
    for (const auto &[offset, barrier] : cta.mbarriers) {
      out += "\n  CTA " + std::to_string(cta.index.x) + ", mbarrier at " + std::to_string(offset) + ": " +
             std::to_string(barrier.pending) + " of " + std::to_string(barrier.arrivals) + " arrivals and " +
             std::to_string(barrier.bytes) + " bytes to come, phase " + std::to_string(barrier.phase);
    }
  }
  return out;
}

void do_one_later() {
  auto &later = cluster->later;
  const size_t which = cluster->random() % later.size();
  std::swap(later[which], later.back());
  const auto action = std::move(later.back());
  later.pop_back();
  action();
}

void go_on(Thread &thread) {
  move_window(thread.cta);
  thread.ready = nullptr;
  cluster->running = &thread;
  enter(thread);
  cluster->running = nullptr;
  if (cluster->failure) std::rethrow_exception(cluster->failure);
}

// Lets the threads of a CTA that can go on do so, in an order of its own; false if none could.
bool sweep(Cta &cta) {
  std::vector<Thread *> threads;
  for (const auto &thread : cta.threads) {
    if (!thread->ended && cta.warps[thread->index.x / 32].rests == 0) threads.push_back(thread.get());
  }
  // Warps in any order, and now and then their lanes too.
  if (cluster->chance(2)) {
    std::shuffle(threads.begin(), threads.end(), cluster->random);
  } else if (cluster->chance(2)) {
    std::reverse(threads.begin(), threads.end());
  }
  bool any = false;
  for (Thread *thread : threads) {
    if (thread->ready && !thread->ready()) continue;
    go_on(*thread);
    any = true;
  }
  return any;
}

// Now and then a warp, or a whole CTA of a cluster, rests while the others go on: a lazy one until they have finished
// what does not depend on it.
bool rest() {
  bool any = false;
  for (Cta &cta : cluster->ctas) {
    const bool all = cluster->ctas.size() > 1 && cluster->chance(40);
    const int rounds = static_cast<int>(cluster->random() % 60);
    for (Warp &warp : cta.warps) {
      if (all) warp.rests = rounds;
      if (warp.rests == 0 && cluster->chance(warp.lazy ? 4 : 100)) {
        warp.rests = static_cast<int>(cluster->random() % (warp.lazy ? 400 : 20));
      }
      if (warp.rests > 0) --warp.rests, any = true;
    }
  }
  return any;
}

// False if nothing happened and nothing will.
bool one_round() {
  bool any = rest();
  std::vector<Cta *> ctas;
  for (Cta &cta : cluster->ctas) ctas.push_back(&cta);
  std::shuffle(ctas.begin(), ctas.end(), cluster->random);
  for (Cta *cta : ctas) {
    while (sweep(*cta)) {
      any = true;
      if (cluster->chance(4)) break;
    }
    // A few, or many at once: what a whole CTA sends can be there while one warp rests.
    size_t least = cluster->chance(8) ? cluster->random() % (cluster->later.size() + 1) : 0;
    for (; !cluster->later.empty() && (least > 0 || cluster->chance(3)); any = true) {
      do_one_later();
      if (least > 0) --least;
    }
  }
  return any;
}

void run_cluster(const Launch &launch, unsigned first_cta, uint64_t seed) {
  Cluster state;
  cluster = &state;
  state.launch = &launch;
  state.random.seed(seed + first_cta);
  state.ctas.resize(launch.cluster);
  for (unsigned rank = 0; rank < launch.cluster; ++rank) {
    Cta &cta = state.ctas[rank];
    cta.index.x = first_cta + rank;
    cta.live = static_cast<int>(launch.block);
    cta.shared.resize(launch.shared_bytes);
    const uint64_t garbage = state.random();
    for (size_t at = 0; at < cta.shared.size(); ++at) cta.shared[at] = static_cast<uint8_t>(garbage >> (at % 8 * 8));
    cta.warps.resize(launch.block / 32);
    cta.warps[state.random() % cta.warps.size()].lazy = true;
    for (unsigned i = 0; i < launch.block; ++i) {
      auto thread = std::make_unique<Thread>();
      thread->cta = static_cast<int>(rank);
      thread->index.x = i;
      thread->stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
      getcontext(&thread->context);
      thread->context.uc_stack.ss_sp = thread->stack.get();
      thread->context.uc_stack.ss_size = kStackBytes;
      makecontext(&thread->context, thread_main, 0);
      cta.threads.push_back(std::move(thread));
    }
  }
  const auto anyone_left = [&] {
    return std::any_of(state.ctas.begin(), state.ctas.end(), [](const Cta &cta) { return cta.live > 0; });
  };
  while (anyone_left()) {
    if (one_round()) continue;
    if (state.later.empty()) throw std::runtime_error("no thread can go on:" + who_waits());
    do_one_later();
  }
  while (!state.later.empty()) do_one_later();
}

}  // namespace

void run(const Launch &launch, uint64_t seed) {
  if (launch.grid % launch.cluster != 0) throw std::runtime_error("the grid is no multiple of the cluster");
  if (launch.block % 32 != 0) throw std::runtime_error("the block is no multiple of a warp");
  if (launch.shared_bytes > kMostShared) throw std::runtime_error("too much shared memory");
  struct Reset {
    ~Reset() { cluster = nullptr; }
  } reset;
  for (unsigned first = 0; first < launch.grid; first += launch.cluster) run_cluster(launch, first, seed);
}

void fault(const std::string &what) {
  if (cluster->running == nullptr) throw std::runtime_error(what);
  throw std::runtime_error("CTA " + std::to_string(cluster->cta().index.x) + ", thread " +
                           std::to_string(cluster->running->index.x) + ": " + what);
}

void wait_until(std::function<bool()> ready, const char *what) {
  Thread &thread = *cluster->running;
  thread.waits_for = what;
  thread.ready = std::move(ready);
  leave(thread, false);
}

const Index &thread_index() { return cluster->running->index; }
const Index &block_index() { return cluster->cta().index; }
const Index &grid_size() {
  static Index size;
  size = {cluster->launch->grid, 1, 1};
  return size;
}

uint8_t *shared_of(int cta, uint32_t offset) {
  return cta == cluster->in_window ? memory + offset : cluster->ctas[static_cast<size_t>(cta)].shared.data() + offset;
}

// A cluster address carries the rank plus one in its upper bits.
int cta_of(uint32_t address) {
  return address >> 24 != 0 ? static_cast<int>(address >> 24) - 1 : cluster->running->cta;
}
uint32_t offset_of(uint32_t address) { return (address & 0xffffffu) - kSharedBase; }

void must_live(int cta) {
  if (cluster->ctas[static_cast<size_t>(cta)].live == 0) fault("something is sent to a CTA that has ended");
}

uint8_t *shared(uint32_t address, size_t bytes, size_t alignment) {
  const uint32_t offset = offset_of(address);
  if (offset > cluster->launch->shared_bytes || bytes > cluster->launch->shared_bytes - offset) {
    fault("shared memory at " + std::to_string(offset) + " is outside of the CTA's " +
          std::to_string(cluster->launch->shared_bytes) + " bytes");
  }
  if (offset % alignment != 0) {
    fault("shared memory at " + std::to_string(offset) + " is not aligned to " + std::to_string(alignment));
  }
  return shared_of(cta_of(address), offset);
}

uint32_t shared_address(const void *pointer) {
  return static_cast<uint32_t>(static_cast<const uint8_t *>(pointer) - memory) + kSharedBase;
}

uint32_t cluster_rank() { return static_cast<uint32_t>(cluster->running->cta); }

uint32_t cluster_address(uint32_t address, uint32_t rank) {
  if (rank >= cluster->ctas.size()) fault("no CTA of the cluster has rank " + std::to_string(rank));
  return (address & 0xffffffu) | (rank + 1) << 24;
}

}  // namespace emulator

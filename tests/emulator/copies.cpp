// What comes to shared memory and leaves it beside the threads.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "emulator/gpu_state.hpp"

namespace emulator {

void BytesUnderWay::write() const {
  for (size_t i = 0; i < bytes.size(); i += 16) {
    const uint32_t at = offset + kSharedBase + static_cast<uint32_t>(i);
    std::memcpy(shared_of(cta, (swizzled ? emulator::swizzled(at) : at) - kSharedBase), bytes.data() + i,
                std::min<size_t>(16, bytes.size() - i));
  }
}

void copy_later(uint32_t destination, std::vector<uint8_t> bytes, uint32_t barrier, bool swizzled) {
  shared(destination, bytes.size(), swizzled ? 1024 : 16);
  const int cta = cta_of(barrier);
  if (cta != cta_of(destination)) fault("bytes and their barrier are in two CTAs");
  cluster->later.push_back(
      [cta, at = offset_of(barrier), copy = BytesUnderWay{cta, offset_of(destination), std::move(bytes), swizzled}] {
        must_live(cta);
        copy.write();
        bytes_came(cta, at, copy.bytes.size());
      });
}

void thread_copy(uint32_t destination, std::vector<uint8_t> bytes) {
  shared(destination, bytes.size(), bytes.size());
  Thread &thread = *cluster->running;
  thread.copies.back().push_back({thread.cta, offset_of(destination), std::move(bytes)});
}

void thread_copies_commit() { cluster->running->copies.emplace_back(); }

void thread_copies_wait(size_t pending) {
  auto &groups = cluster->running->copies;
  while (groups.size() > pending + 1) {
    for (const BytesUnderWay &copy : groups.front()) copy.write();
    groups.pop_front();
  }
}

void thread_copies_then_arrive(uint32_t barrier) {
  auto &groups = cluster->running->copies;
  std::vector<BytesUnderWay> all;
  for (auto &group : groups) std::move(group.begin(), group.end(), std::back_inserter(all));
  groups.clear();
  groups.emplace_back();
  cluster->later.push_back([cta = cta_of(barrier), at = offset_of(barrier), all = std::move(all)] {
    for (const BytesUnderWay &copy : all) copy.write();
    arrive_at(cta, at);
  });
}

void thread_store(void *destination, uint32_t source, uint32_t bytes) {
  shared(source, bytes, 16);
  Thread &thread = *cluster->running;
  ++thread.stores;
  cluster->later.push_back([&thread, destination, offset = offset_of(source), bytes] {
    std::memcpy(destination, shared_of(thread.cta, offset), bytes);
    --thread.stores;
  });
}

void thread_stores_wait() {
  const Thread &thread = *cluster->running;
  if (thread.stores > 0) wait_until([&thread] { return thread.stores == 0; }, "its bulk stores");
}

}  // namespace emulator

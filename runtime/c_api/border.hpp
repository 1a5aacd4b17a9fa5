// The border between C++ and the C ABI: exceptions become statuses, structs of any age become the structs of today.
#pragma once

#include <cstring>
#include <new>
#include <string>

#include "runtime/base/error.hpp"
#include "runtime/hub/device.hpp"
#include "runtime/plan/plan.hpp"

// The handles. Each shares ownership of what it needs, so they may be closed in any order.
struct quern_hub {
  std::shared_ptr<quern::Hub> hub;
  // Strings that quern_hub_get_info() hands out, made at its first call.
  std::mutex info_mutex;
  std::unique_ptr<struct HubStrings> strings;
  ~quern_hub();
};
struct quern_device {
  std::shared_ptr<quern::Device> device;
};
struct quern_plan {
  std::unique_ptr<quern::Plan> plan;
};

namespace quern {

// Runs the body of a C function; what it throws becomes the status and this thread's last error.
template <typename Body>
quern_status guard(Body &&body) noexcept {
  try {
    body();
    return QUERN_OK;
  } catch (const Error &error) {
    set_last_error(error.what(), error.log().c_str());
    return error.status();
  } catch (const std::bad_alloc &) {
    set_last_error("out of host memory; free some", "");
    return QUERN_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    set_last_error((std::string("unexpected: ") + error.what() + "; please report it").c_str(), "");
    return QUERN_INTERNAL;
  } catch (...) {
    set_last_error("unexpected exception; please report it", "");
    return QUERN_INTERNAL;
  }
}

template <typename T>
T &need(T *pointer, const char *name) {
  if (pointer == nullptr) fail(QUERN_INVALID_ARGUMENT, name, " is NULL; pass a valid pointer");
  return *pointer;
}

// A copy of the caller's struct, of the size that the library knows. A caller built against a newer header is
// understood as long as what is unknown here is zero.
template <typename T>
T read_struct(const T *given, const char *name) {
  const size_t size = need(given, name).struct_size;
  if (size < sizeof(size_t)) {
    fail(QUERN_INVALID_ARGUMENT, name, ".struct_size is ", size, "; initialise the struct with its INIT macro");
  }
  const auto *bytes = reinterpret_cast<const unsigned char *>(given);
  for (size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) {
      fail(QUERN_INVALID_ARGUMENT, name, " has ", size, " bytes, of which this library knows ", sizeof(T),
           ", and uses the others; update the library");
    }
  }
  T copy{};
  std::memcpy(&copy, given, size < sizeof(T) ? size : sizeof(T));
  copy.struct_size = sizeof(T);
  return copy;
}

// Fills the caller's output struct as far as the caller knows it.
template <typename T>
void write_struct(T *out, T value, const char *name) {
  const size_t size = need(out, name).struct_size;
  if (size < sizeof(size_t)) {
    fail(QUERN_INVALID_ARGUMENT, name, ".struct_size is ", size, "; initialise the struct with its INIT macro");
  }
  value.struct_size = size;
  std::memcpy(out, &value, size < sizeof(T) ? size : sizeof(T));
}

// Calls a visitor and turns its wish to stop into QUERN_CANCELLED.
template <typename Visitor, typename Item>
void visit_or_stop(Visitor visit, void *user, const Item &item) {
  if (visit != nullptr && visit(user, &item) != 0) fail(QUERN_CANCELLED, "stopped by the callback");
}

}  // namespace quern

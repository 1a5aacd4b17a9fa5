#include "cli/interrupt.hpp"

#include <csignal>

#include "cli/failure.hpp"

namespace quern::cli {
namespace {

volatile std::sig_atomic_t signal_came = 0;

extern "C" void note_signal(int) { signal_came = 1; }

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    // nohup and shells that start jobs in the background ask for signals to be ignored.
    if (sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    sigaction(number, &action, nullptr);
  }
}

bool interrupted() { return signal_came != 0; }

void check_interrupt() {
  if (interrupted()) throw Interrupted{};
}

}  // namespace quern::cli

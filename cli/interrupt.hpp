// SIGINT: the first one is noticed between two pieces of work, so that temporaries are removed on the way out; the
// second ends the process at once. SIGTERM and SIGHUP do the same.
#pragma once

namespace quern::cli {

void install_interrupt_handler();
bool interrupted();
// Throws Interrupted once a signal has come.
void check_interrupt();

}  // namespace quern::cli

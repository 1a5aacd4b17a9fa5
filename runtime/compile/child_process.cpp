#include "runtime/compile/child_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"

namespace quern {
namespace {

using Clock = std::chrono::steady_clock;
// Between looks at a child that no descriptor tells of (Linux before 5.3).
constexpr int kLookEveryMs = 20;

// Started and not yet reaped. By a descriptor where there is one: a host that ignores SIGCHLD has the system reap the
// child, whose number may then be another's.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid), handle_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  ~Child() {
    kill();
    wait(0);
  }
  Child(const Child &) = delete;
  Child &operator=(const Child &) = delete;

  int handle() const { return handle_.get(); }
  void kill() {
    if (ended_) return;
    if (handle_) {
      ::syscall(SYS_pidfd_send_signal, handle_.get(), SIGKILL, nullptr, 0);
    } else {
      ::kill(pid_, SIGKILL);
    }
  }
  bool has_ended() { return wait(WNOHANG); }
  const std::optional<int> &status() const { return status_; }

 private:
  bool wait(int flags) {
    while (!ended_) {
      int status = 0;
      const pid_t got = ::waitpid(pid_, &status, flags);
      if (got == pid_) status_ = status;
      if (got == 0) return false;
      if (got < 0 && errno == EINTR) continue;
      ended_ = true;  // reaped here, or by others (ECHILD)
    }
    return true;
  }

  pid_t pid_;
  FileDescriptor handle_;
  bool ended_ = false;
  std::optional<int> status_;
};

// Above the standard ones, which a host may have closed and which are the child's to fill.
FileDescriptor raised(FileDescriptor fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  return FileDescriptor(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

struct Actions {
  Actions() { posix_spawn_file_actions_init(&files), posix_spawnattr_init(&attributes); }
  ~Actions() { posix_spawn_file_actions_destroy(&files), posix_spawnattr_destroy(&attributes); }
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
};

// Not fork(): no lock of the host's is taken, none of its handlers run, and none of its memory is copied.
int spawn(const std::string &program, int socket, pid_t &pid) {
  Actions actions;
  posix_spawn_file_actions_adddup2(&actions.files, socket, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions.files, socket, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions.files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&actions.attributes, &none);
  posix_spawnattr_setsigdefault(&actions.attributes, &all);
  posix_spawnattr_setpgroup(&actions.attributes, 0);
  posix_spawnattr_setflags(&actions.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  char *arguments[] = {const_cast<char *>("quern-cc"), nullptr};
  char *environment[] = {nullptr};
  return ::posix_spawn(&pid, program.c_str(), &actions.files, &actions.attributes, arguments, environment);
}

// Whatever lies in the socket now. False when nothing will come any more.
bool receive(int socket, size_t most, ChildEnd &end) {
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::recv(socket, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got > 0) {
      end.output.append(buffer, static_cast<size_t>(got));
      end.too_much = end.output.size() > most;
      if (end.too_much) return false;
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
      return false;
    } else if (errno == EAGAIN) {
      return true;
    }
  }
}

// As much as the socket takes. False when nobody reads any more, which raises no signal.
bool send_some(int socket, std::string_view &input) {
  const ssize_t sent = ::send(socket, input.data(), input.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return errno == EINTR || errno == EAGAIN;
  input.remove_prefix(static_cast<size_t>(sent));
  return true;
}

ChildEnd converse(Child &child, int socket, std::string_view input, size_t most_output, Clock::time_point deadline) {
  ChildEnd end;
  bool listening = true;
  while (!child.has_ended()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      end.timed_out = true;
      child.kill();
      break;
    }
    const short wanted = static_cast<short>(POLLIN | (input.empty() ? 0 : POLLOUT));
    pollfd watched[2] = {{child.handle(), POLLIN, 0}, {listening ? socket : -1, wanted, 0}};
    const auto wait = child.handle() >= 0 ? std::min<int64_t>(left, 1000000) : std::min<int64_t>(left, kLookEveryMs);
    if (::poll(watched, 2, static_cast<int>(wait)) <= 0) continue;
    if ((watched[1].revents & POLLOUT) != 0 && !send_some(socket, input)) input = {};
    if ((watched[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) listening = receive(socket, most_output, end);
    if (end.too_much) {
      child.kill();
      break;
    }
  }
  if (listening && !end.timed_out && !end.too_much) receive(socket, most_output, end);
  return end;
}

}  // namespace

std::optional<ChildEnd> run_child(const std::string &program, std::string_view input, size_t most_output,
                                  std::chrono::milliseconds patience, std::string &reason) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    reason = std::strerror(errno);
    return std::nullopt;
  }
  const FileDescriptor ours = raised(FileDescriptor(pair[0]));
  FileDescriptor theirs = raised(FileDescriptor(pair[1]));
  pid_t pid = -1;
  if (!ours || !theirs) {
    reason = std::strerror(errno);
    return std::nullopt;
  }
  if (const int error = spawn(program, theirs.get(), pid); error != 0) {
    reason = std::strerror(error);
    return std::nullopt;
  }
  theirs = FileDescriptor();
  std::optional<ChildEnd> end;
  {
    Child child(pid);
    end = converse(child, ours.get(), input, most_output, Clock::now() + patience);
    while (!child.has_ended()) {  // killed, and about to die
      pollfd watched{child.handle(), POLLIN, 0};
      ::poll(&watched, 1, kLookEveryMs);
    }
    end->status = child.status();
  }
  return end;
}

}  // namespace quern

// SPDX-License-Identifier: Apache-2.0
#include "router/cli/child_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace router::cli {

namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error{errno, std::generic_category(), what};
}

/// What the child does between fork and exec: async-signal-safe calls alone.
[[noreturn]] void become(char* const* arguments, int stdout_fd, int stderr_fd, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {  // it has died before prctl
    _exit(127);
  }
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const int stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(stdin_fd, STDIN_FILENO);
  dup2(stdout_fd, STDOUT_FILENO);
  dup2(stderr_fd, STDERR_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::filesystem::path& log) {
  std::vector<std::string> texts = arguments;
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  std::array<int, 2> out{};
  if (pipe2(out.data(), O_CLOEXEC) != 0) {
    fail("pipe");
  }
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    become(pointers.data(), out[1], log_fd, parent);
  }
  const int fork_error = errno;
  close(out[1]);
  close(log_fd);
  stdout_fd_ = out[0];
  if (pid_ < 0) {
    close(stdout_fd_);
    errno = fork_error;
    fail("fork");
  }
  fcntl(stdout_fd_, F_SETFL, O_NONBLOCK);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)},
      stdout_fd_{std::exchange(other.stdout_fd_, -1)},
      unfinished_line_{std::move(other.unfinished_line_)},
      exit_code_{other.exit_code_} {}

ChildProcess::~ChildProcess() {
  if (stdout_fd_ >= 0) {
    close(stdout_fd_);
  }
  if (pid_ > 0 && !exit_code_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

std::vector<std::string> ChildProcess::read_lines() {
  std::array<char, 65536> buffer{};
  while (stdout_fd_ >= 0) {
    const ssize_t size = read(stdout_fd_, buffer.data(), buffer.size());
    if (size > 0) {
      unfinished_line_.append(buffer.data(), static_cast<std::size_t>(size));
    } else if (size == 0) {
      close(std::exchange(stdout_fd_, -1));
    } else if (errno != EINTR) {
      break;  // EAGAIN: nothing more for the moment
    }
  }
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end = unfinished_line_.find('\n'); end != std::string::npos;
       end = unfinished_line_.find('\n', begin)) {
    lines.push_back(unfinished_line_.substr(begin, end - begin));
    begin = end + 1;
  }
  unfinished_line_.erase(0, begin);
  return lines;
}

void ChildProcess::signal(int number) noexcept {
  if (!exit_code_) {  // until it is reaped the id is its own
    kill(pid_, number);
  }
}

std::optional<int> ChildProcess::wait_for(std::chrono::milliseconds limit) {
  constexpr std::chrono::milliseconds kLook{5};
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!exit_code_) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (std::chrono::steady_clock::now() >= until) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(kLook);
    }
  }
  return exit_code_;
}

}  // namespace router::cli

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/router_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace test {
namespace {

constexpr std::size_t kMaxStderrLines = 2000;
constexpr std::size_t kMaxStdoutLines = 100'000;

std::pair<Fd, Fd> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Failure{"pipe: " + std::generic_category().message(errno)};
  }
  return {Fd{ends[0]}, Fd{ends[1]}};
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_with(const Headers& extra) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  for (const Header& variable : extra) {
    environment.push_back(variable.name + "=" + variable.value);
  }
  return environment;
}

/// In the child: only calls that are safe after fork in a process with threads.
[[noreturn]] void become(char* const* command, char* const* environment, int out, int err) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves nothing behind
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execve(command[0], command, environment);
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command, const Headers& environment) {
  std::vector<std::string> arguments = command;
  std::vector<std::string> variables = environment_with(environment);
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> variable_pointers = pointers_to(variables);
  auto [out_read, out_write] = make_pipe();
  auto [err_read, err_write] = make_pipe();
  pid_ = fork();
  if (pid_ < 0) {
    throw Failure{"fork: " + std::generic_category().message(errno)};
  }
  if (pid_ == 0) {
    become(argument_pointers.data(), variable_pointers.data(), out_write.get(), err_write.get());
  }
  out_.fd = std::move(out_read);
  err_.fd = std::move(err_read);
  reader_ = std::thread{[this] { read_until_end(); }};
}

ChildProcess::~ChildProcess() {
  if (!has_exited()) {
    signal(SIGKILL);
    wait_exit();
  }
  reader_.join();
}

void ChildProcess::read_until_end() {
  while (out_.fd.is_open() || err_.fd.is_open()) {
    std::array wanted{pollfd{.fd = out_.fd.get(), .events = POLLIN, .revents = 0},
                      pollfd{.fd = err_.fd.get(), .events = POLLIN, .revents = 0}};
    poll(wanted.data(), wanted.size(), -1);
    const std::lock_guard lock{mutex_};
    if (wanted[0].revents != 0) {
      read_lines(out_, kMaxStdoutLines);
    }
    if (wanted[1].revents != 0) {
      read_lines(err_, kMaxStderrLines);
    }
    changed_.notify_all();
  }
  const std::lock_guard lock{mutex_};
  at_end_ = true;
  changed_.notify_all();
}

void ChildProcess::read_lines(Pipe& pipe, std::size_t max_lines) {
  std::array<char, 4096> buffer{};
  const ssize_t n = read(pipe.fd.get(), buffer.data(), buffer.size());
  if (n <= 0) {
    pipe.fd.close();
    return;
  }
  pipe.partial.append(buffer.data(), static_cast<std::size_t>(n));
  for (auto end = pipe.partial.find('\n'); end != std::string::npos;
       end = pipe.partial.find('\n')) {
    pipe.lines.push_back(pipe.partial.substr(0, end));
    pipe.partial.erase(0, end + 1);
    ++pipe.n_lines;
    if (pipe.lines.size() > max_lines) {
      pipe.lines.pop_front();
    }
  }
}

std::string ChildProcess::wait_stdout_line(std::size_t n, Milliseconds patience) {
  std::unique_lock lock{mutex_};
  const bool came =
      changed_.wait_for(lock, patience, [&] { return out_.lines.size() > n || at_end_; });
  if (out_.lines.size() > n) {
    return out_.lines[n];
  }
  lock.unlock();
  throw Failure{"line " + std::to_string(n) + " of stdout has not come " +
                (came ? "before the process ended" : "in time") + "; stderr:\n" + stderr_text()};
}

std::vector<std::string> ChildProcess::stdout_lines() const {
  const std::lock_guard lock{mutex_};
  return {out_.lines.begin(), out_.lines.end()};
}

std::vector<std::string> ChildProcess::stderr_lines() const {
  const std::lock_guard lock{mutex_};
  return {err_.lines.begin(), err_.lines.end()};
}

std::string ChildProcess::stderr_text() const {
  std::string text;
  for (const std::string& line : stderr_lines()) {
    text += line + "\n";
  }
  return text;
}

void ChildProcess::signal(int number) const {
  if (!exit_code_) {
    kill(pid_, number);
  }
}

void ChildProcess::freeze() const {
  signal(SIGSTOP);
  int status = 0;
  if (waitpid(pid_, &status, WUNTRACED) != pid_ || !WIFSTOPPED(status)) {
    throw Failure{"it cannot be stopped: it has ended"};
  }
}

bool ChildProcess::has_exited() {
  int status = 0;
  if (!exit_code_ && waitpid(pid_, &status, WNOHANG) == pid_) {
    exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return exit_code_.has_value();
}

int ChildProcess::wait_exit(Milliseconds patience) {
  eventually(
      "the process to end", [&] { return has_exited(); }, patience);
  // What it said last is part of how it ended.
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, patience, [&] { return at_end_; });
  return *exit_code_;
}

}  // namespace test

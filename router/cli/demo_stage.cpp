// SPDX-License-Identifier: Apache-2.0
#include "router/cli/demo_stage.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace router::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kShownLogBytes = 2000;  // a screenful

}  // namespace

std::string_view DemoProcess::line(const std::string& event) const {
  const auto found = lines.find(event);
  return found == lines.end() ? std::string_view{} : found->second;
}

DemoStage::DemoStage() {
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGINT);
  sigaddset(&awaited, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &awaited, &old_signals_);
  signal_fd_ = signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd_ < 0) {
    throw std::system_error{errno, std::generic_category(), "signalfd"};
  }
}

DemoStage::~DemoStage() {
  processes_.clear();  // before the folder that they write to
  take_signals();      // an impatient second Ctrl-C; unblocked it would change our exit code
  close(signal_fd_);
  pthread_sigmask(SIG_SETMASK, &old_signals_, nullptr);
}

DemoProcess& DemoStage::start(const std::string& name, const std::vector<std::string>& arguments) {
  return *processes_.emplace_back(new DemoProcess{
      .name = name, .child = {arguments, folder_.log_of(name)}, .may_end = false, .lines = {}});
}

void DemoStage::forget(DemoProcess& process) {
  std::erase_if(processes_, [&](const auto& owned) { return owned.get() == &process; });
}

bool DemoStage::wait(std::chrono::milliseconds limit, const std::function<bool()>& is_done) {
  const Clock::time_point until = Clock::now() + limit;
  while (!is_done()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (is_interrupted_ || left <= std::chrono::milliseconds::zero()) {
      return false;
    }
    poll_once(left);
    for (const auto& process : processes_) {
      if (process->child.stdout_fd() < 0 && !process->may_end) {
        process->may_end = true;  // it is told of once
        throw std::runtime_error{process->name + " ended by itself" + end_of_log(process->name)};
      }
    }
  }
  return true;
}

std::string_view DemoStage::wait_for_line(DemoProcess& process,
                                          const std::string& event,
                                          std::chrono::milliseconds limit) {
  const bool came = wait(limit, [&] { return !process.line(event).empty(); });
  if (!came && !is_interrupted_) {
    throw std::runtime_error{process.name + " did not say \"" + event + "\" within " +
                             std::to_string(limit.count()) + " ms" + end_of_log(process.name)};
  }
  return process.line(event);
}

void DemoStage::read_all() {
  for (const auto& process : processes_) {
    read_news(*process);
  }
}

void DemoStage::poll_once(std::chrono::milliseconds limit) {
  std::vector<pollfd> watched{{.fd = signal_fd_, .events = POLLIN, .revents = 0}};
  watched.reserve(processes_.size() + 1);
  for (const auto& process : processes_) {
    watched.push_back({.fd = process->child.stdout_fd(), .events = POLLIN, .revents = 0});
  }
  if (poll(watched.data(), watched.size(), static_cast<int>(limit.count())) <= 0) {
    return;
  }
  if (watched[0].revents != 0) {
    take_signals();
  }
  for (std::size_t i = 1; i < watched.size(); ++i) {
    if (watched[i].revents != 0) {
      read_news(*processes_[i - 1]);
    }
  }
}

void DemoStage::take_signals() {
  signalfd_siginfo info{};
  while (read(signal_fd_, &info, sizeof info) == sizeof info) {
    is_interrupted_ = true;
  }
}

void DemoStage::read_news(DemoProcess& process) {
  for (std::string& line : process.child.read_lines()) {
    const nlohmann::json parsed = nlohmann::json::parse(line, nullptr, false);
    if (parsed.is_object() && parsed.contains("event") && parsed["event"].is_string()) {
      process.lines[parsed["event"].get<std::string>()] = std::move(line);
    }
  }
}

std::string DemoStage::end_of_log(const std::string& name) const {
  std::ifstream file{folder_.log_of(name)};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (text.empty()) {
    return "; its log is empty";
  }
  return "; its log ends:\n" + text.substr(text.size() - std::min(text.size(), kShownLogBytes));
}

std::string find_calculator(const std::string& given, const std::filesystem::path& self) {
  constexpr const char* kName = "nodeway-calculator";
  std::vector<std::filesystem::path> places;
  if (!given.empty()) {
    places.emplace_back(given);
  } else {
    places.push_back(self.parent_path() / kName);
    places.push_back(self.parent_path().parent_path() / "tests" / "demo" / kName);
    const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread
    std::istringstream folders{path == nullptr ? "" : path};
    for (std::string folder; std::getline(folders, folder, ':');) {
      places.push_back(std::filesystem::path{folder} / kName);
    }
  }
  for (const std::filesystem::path& place : places) {
    if (access(place.c_str(), X_OK) == 0 && !std::filesystem::is_directory(place)) {
      return place;
    }
  }
  throw std::runtime_error{
      given.empty()
          ? std::string{kName} + " is neither beside " + self.string() +
                ", nor in ../tests/demo of it, nor on PATH; --calculator tells where it is"
          : given + " is no program"};
}

}  // namespace router::cli

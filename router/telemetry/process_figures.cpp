// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/process_figures.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace router::telemetry {
namespace {

// Fields of /proc/self/stat that follow the command's name, counted from 0. Source: proc(5).
constexpr std::size_t kUserTicks = 11;
constexpr std::size_t kSystemTicks = 12;
constexpr std::size_t kThreads = 17;
constexpr std::size_t kStartTicks = 19;
constexpr std::size_t kVirtualBytes = 20;
constexpr std::size_t kResidentPages = 21;

std::vector<std::string> stat_fields() {
  std::ifstream file{"/proc/self/stat"};
  std::string line;
  std::getline(file, line);
  // The name stands in parentheses and may hold any character, so the fields begin after the last
  // one.
  const std::size_t end_of_name = line.rfind(')');
  std::vector<std::string> fields;
  if (end_of_name == std::string::npos) {
    return fields;
  }
  std::istringstream rest{line.substr(end_of_name + 1)};
  for (std::string field; rest >> field;) {
    fields.push_back(field);
  }
  return fields;
}

double boot_time_seconds() {
  std::ifstream file{"/proc/stat"};
  for (std::string name; file >> name;) {
    if (double value = 0; name == "btime" && file >> value) {
      return value;
    }
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

std::uint64_t count_open_fds() {
  std::error_code failed;
  std::filesystem::directory_iterator entry{"/proc/self/fd", failed};
  std::uint64_t count = 0;
  for (; !failed && entry != std::filesystem::directory_iterator{}; entry.increment(failed)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // one of them is the folder itself, open for this reading
}

}  // namespace

ProcessFigures read_process_figures() {
  ProcessFigures figures;
  const std::vector<std::string> fields = stat_fields();
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  if (fields.size() > kResidentPages) {
    figures.cpu_seconds =
        (std::stod(fields[kUserTicks]) + std::stod(fields[kSystemTicks])) / ticks_per_second;
    figures.threads = std::stoull(fields[kThreads]);
    figures.start_time_seconds =
        boot_time_seconds() + std::stod(fields[kStartTicks]) / ticks_per_second;
    figures.virtual_memory_bytes = std::stoull(fields[kVirtualBytes]);
    figures.resident_memory_bytes =
        std::stoull(fields[kResidentPages]) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  figures.open_fds = count_open_fds();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    figures.max_fds = limit.rlim_cur;
  }
  return figures;
}

}  // namespace router::telemetry

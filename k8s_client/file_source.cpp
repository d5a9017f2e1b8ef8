// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/file_source.hpp"

#include "k8s_client/cancellation.hpp"
#include "k8s_client/object_folder.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <sys/inotify.h>
#include <unistd.h>
#include <utility>
#include <variant>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace k8s_client {

namespace asio = boost::asio;

namespace {

/// A save is several events (truncate, write, close; or create, write, rename); the folder is read
/// once they have ended.
constexpr std::chrono::milliseconds kQuiet{30};
/// Something that is written without a pause is read nevertheless.
constexpr std::chrono::milliseconds kLongestWait{500};
/// Links may lead to files elsewhere, of which inotify says nothing; and the folder may be gone and
/// come back.
constexpr std::chrono::seconds kLookAnyway{5};

constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE |
                                  IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR;

}  // namespace

struct FileSource::State {
  State(const asio::any_io_executor& executor, Options given, Stores& filled, Clock& time)
      : options{std::move(given)},
        stores{filled},
        clock{time},
        folder{options.folder, filled},
        inotify{executor} {
    status.resource = "files";
    const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (descriptor >= 0) {
      inotify.assign(descriptor);
    }
  }

  void watch_folder();
  void read_folder();
  void report(const std::vector<FileProblem>& now);
  void notify(Notice::Level level, std::string text) const;
  asio::awaitable<void> run();
  asio::awaitable<void> wait_for_event();
  asio::awaitable<void> wait_for_quiet();

  Options options;
  Stores& stores;
  Clock& clock;
  ObjectFolder folder;
  asio::posix::stream_descriptor inotify;
  asio::cancellation_signal cancel;
  WatchStatus status;
  std::string folder_error;  // "" while the folder itself can be read
  std::vector<FileProblem> told;
  bool is_stopped = false;
};

void FileSource::State::watch_folder() {
  // Repeated now and then: a folder that was replaced by another of its name must be watched anew,
  // and for one that is watched already the kernel gives the same watch again.
  if (inotify.is_open() &&
      ::inotify_add_watch(inotify.native_handle(), options.folder.c_str(), kEvents) >= 0) {
    status.watches = 1;
  }
}

void FileSource::State::read_folder() {
  const Result<std::size_t> changes = folder.read_changes();
  if (!changes) {
    const std::string text = changes.error().message();
    if (std::exchange(folder_error, text) != text) {
      ++status.errors;
      status.last_error_at = clock.now();
      notify(Notice::Level::warning, text);
    }
    return;
  }
  if (!std::exchange(folder_error, {}).empty()) {
    notify(Notice::Level::info, options.folder.string() + ": can be read again");
  }
  ++status.lists;
  if (*changes > 0) {
    status.events += *changes;
    status.last_event_at = clock.now();
  }
  report(folder.problems());
}

void FileSource::State::report(const std::vector<FileProblem>& now) {
  const auto has = [](const std::vector<FileProblem>& list, const FileProblem& problem) {
    return std::find(list.begin(), list.end(), problem) != list.end();
  };
  for (const FileProblem& problem : now) {
    if (!has(told, problem)) {
      ++status.errors;
      status.last_error_at = clock.now();
      notify(Notice::Level::warning, problem.message());
    }
  }
  if (now.empty() && !told.empty()) {
    notify(Notice::Level::info, options.folder.string() + ": nothing is wrong any more");
  }
  told = now;
}

void FileSource::State::notify(Notice::Level level, std::string text) const {
  if (options.notices) {
    options.notices({.level = level, .text = std::move(text)});
  }
}

asio::awaitable<void> FileSource::State::run() {
  using boost::asio::experimental::awaitable_operators::operator||;
  while (!is_stopped) {
    co_await (wait_for_event() || clock.sleep_for(kLookAnyway));
    co_await (wait_for_quiet() || clock.sleep_for(kLongestWait));
    if (is_stopped) {
      co_return;
    }
    watch_folder();
    read_folder();
  }
}

asio::awaitable<void> FileSource::State::wait_for_event() {
  // What the events say does not matter: what is in the folder is looked up afterwards.
  std::array<char, 4096> events{};
  const auto [failed, size] =
      co_await inotify.async_read_some(asio::buffer(events), asio::as_tuple(asio::use_awaitable));
  if (failed) {
    co_await clock.sleep_for(kLookAnyway);  // the user has no inotify left: look now and then
  }
}

asio::awaitable<void> FileSource::State::wait_for_quiet() {
  using boost::asio::experimental::awaitable_operators::operator||;
  for (;;) {
    const auto first = co_await (wait_for_event() || clock.sleep_for(kQuiet));
    if (first.index() == 1) {
      co_return;
    }
  }
}

FileSource::FileSource(const asio::any_io_executor& executor,
                       Options options,
                       Stores& stores,
                       Clock& clock)
    : state_{std::make_shared<State>(executor, std::move(options), stores, clock)} {}

FileSource::~FileSource() {
  FileSource::stop();
}

void FileSource::start() {
  state_->watch_folder();  // before the reading, so that no change falls between the two
  state_->read_folder();
  // The handler holds the state for as long as the coroutine runs.
  auto on_end = [state = state_](const std::exception_ptr& thrown) {
    rethrow_unless_cancelled(thrown);
  };
  asio::co_spawn(state_->inotify.get_executor(),
                 state_->run(),
                 asio::bind_cancellation_slot(state_->cancel.slot(), std::move(on_end)));
}

void FileSource::stop() {
  state_->is_stopped = true;
  state_->cancel.emit(asio::cancellation_type::terminal);
}

std::vector<WatchStatus> FileSource::status() const {
  WatchStatus status = state_->status;
  status.synced = state_->stores.is_synced();
  status.watching = status.watches > 0 && state_->folder_error.empty();
  status.last_error = state_->folder_error;
  if (status.last_error.empty() && !state_->told.empty()) {
    status.last_error = state_->told.front().message();
  }
  return {std::move(status)};
}

std::optional<std::string> FileSource::doubt_about_config_map(const ConfigMap* known) const {
  const FileProblem* const problem = state_->folder.doubt_about_config_map(known);
  return problem == nullptr ? std::nullopt : std::optional{problem->message()};
}

asio::awaitable<Result<void>> FileSource::create_event(EventNote /*note*/) {
  co_return Result<void>{};
}

std::vector<FileProblem> FileSource::problems() const {
  return state_->told;
}

}  // namespace k8s_client

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/source.hpp"
#include "k8s_client/store.hpp"
#include "router/control/external_names.hpp"
#include "router/control/log_sink.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace router::control {

/// How the saved view is doing. Plain copy.
struct SavedViewStatus {
  bool is_kept = false;  ///< `--saved-view` was given
  /// While anything that is served comes from the saved view: when that was known to be right.
  std::optional<k8s_client::Clock::TimePoint> served_as_of{};
  std::optional<k8s_client::Clock::TimePoint> saved_at{};  ///< last time that it was written
  std::uint64_t saves = 0;
  std::uint64_t failures = 0;  ///< to write it
  std::string last_error{};    ///< of the last try to write it; "" if that succeeded
};

/// Keeps the view of the cluster in a file, and gives it back to the next process: one that was
/// killed is followed by one that serves at once, also where the API server is away. Control
/// thread; the file is written on an executor of its own.
class ViewKeeper {
 public:
  using ConfigMapPtr = k8s_client::Store<k8s_client::ConfigMap>::Pointer;

  struct Options {
    std::filesystem::path folder;
    std::string boot_id;  ///< of the machine's run; "": not known, and no saved view is used
    boost::asio::any_io_executor writer;  ///< may block; runs one thing at a time
  };

  /// An older one is not used: addresses of pods are given to others. Above the 5 minutes that
  /// kubelet puts off the start of a container that crashes again and again. It is the time since
  /// a process has last said that it serves from it; how long the API server had been away by then
  /// does not matter, since that process would have served on, too.
  static constexpr std::chrono::minutes kMaxAge{10};
  /// After a change. What a crash loses by it the API server tells within moments; if it is away,
  /// there are no changes.
  static constexpr std::chrono::seconds kInterval{10};
  /// Without a change, so that its age stays far below `kMaxAge` while it is served from.
  static constexpr std::chrono::seconds kRenewal{60};
  /// Between two beginnings lies at least so many times what the last one took: no more than 2 % of
  /// a CPU go into it, however large the cluster.
  static constexpr int kMinPauses = 50;

  /// `node` is this router's. The references must outlive the keeper, and the context of `executor`
  /// what `writer` still has to run.
  ViewKeeper(const boost::asio::any_io_executor& executor,
             k8s_client::Clock& clock,
             Options options,
             std::string node,
             k8s_client::Stores& stores,
             ExternalNames& external_names,
             LogSink log);
  ViewKeeper(const ViewKeeper&) = delete;
  ViewKeeper& operator=(const ViewKeeper&) = delete;
  ~ViewKeeper();

  /// Fills the stores and the external names from the file; whether the stores are known by it.
  /// Otherwise the log says why not. Blocks for as long as the file is read. Called once, before
  /// the source is started.
  [[nodiscard]] bool restore();

  /// Something in the stores has changed.
  void see_change() noexcept;

  /// Writes the file if it is time. Called about each second, while `stores` is known whole.
  /// `config_map`: the last good configuration; null if there is none.
  void look(const std::vector<k8s_client::WatchStatus>& watches, const ConfigMapPtr& config_map);

  /// Writes it in any case, after what is being written: for the end of the process. Nothing is
  /// told of how it went.
  void save(const std::vector<k8s_client::WatchStatus>& watches, const ConfigMapPtr& config_map);

  [[nodiscard]] SavedViewStatus status() const;

 private:
  struct State;
  // Shared with the write under way, whose end may come later than that of the keeper.
  std::shared_ptr<State> state_;
};

}  // namespace router::control

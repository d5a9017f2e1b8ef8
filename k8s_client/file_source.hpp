// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/file_problem.hpp"
#include "k8s_client/source.hpp"
#include "k8s_client/store.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace k8s_client {

/// A folder of Kubernetes YAML and JSON as if it were the API. Control thread.
///
/// Takes `*.yaml`, `*.yml` and `*.json` (not below subfolders, not hidden), several documents a
/// file, `kind: List` too, and follows changes by inotify. Kinds that are not known are ignored.
/// Each file is replaced as a whole: a broken one is reported while its last good content stays.
/// Synced after the first reading of the folder, whatever was broken in it. An object without
/// `resourceVersion` gets one made from its content.
class FileSource final : public Source {
 public:
  struct Options {
    std::filesystem::path folder;
    NoticeSink notices;  ///< may be empty
  };

  /// `stores` and `clock` must outlive the source, and `clock` also the executor's context.
  FileSource(const boost::asio::any_io_executor& executor,
             Options options,
             Stores& stores,
             Clock& clock);
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  ~FileSource() override;

  /// The first reading happens within this call, so that the stores are synced when it returns,
  /// unless the folder itself cannot be read: that is retried for ever.
  void start() override;
  void stop() override;
  [[nodiscard]] std::vector<WatchStatus> status() const override;
  [[nodiscard]] std::optional<std::string> doubt_about_config_map(
      const ConfigMap* known) const override;
  void recheck_endpoint(const ObjectKey& /*service*/,
                        const boost::asio::ip::address& /*address*/) override {}
  [[nodiscard]] boost::asio::awaitable<Result<void>> create_event(EventNote note) override;

  /// What is wrong in the folder at this moment, by file name.
  [[nodiscard]] std::vector<FileProblem> problems() const;

 private:
  struct State;
  // Shared with the running coroutine, which lives on until the loop has delivered its
  // cancellation.
  std::shared_ptr<State> state_;
};

}  // namespace k8s_client

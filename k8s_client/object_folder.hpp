// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"
#include "k8s_client/file_problem.hpp"
#include "k8s_client/object_file.hpp"
#include "k8s_client/store.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace k8s_client {

/// The objects of all files of a folder, kept in the stores. Reads when told to; knows no inotify
/// and no time.
///
/// The same object in two files: that of the first file by name counts, and the other is reported.
class ObjectFolder {
 public:
  /// Of one file; keeps a wrong link (a log, a disk image) from filling the memory.
  static constexpr std::size_t kMaxFileBytes = std::size_t{64} * 1024 * 1024;

  /// `stores` must outlive the folder.
  ObjectFolder(std::filesystem::path path, Stores& stores);

  /// Reads the files that have changed since the last time, and brings the stores up to date. The
  /// number of files that were read or are gone; one that cannot be read is reported, keeps its
  /// last good content, and is tried again each time. `bad_file`: the folder itself cannot be read;
  /// the stores keep what they have.
  [[nodiscard]] Result<std::size_t> read_changes();

  /// What is wrong at this moment, by file name.
  [[nodiscard]] const std::vector<FileProblem>& problems() const noexcept { return problems_; }

  /// What keeps a ConfigMap from being known: the first problem of the file that `known` was taken
  /// from; with null, of a file that has never been good and may hold the one that is looked for.
  /// Null if there is no such thing.
  [[nodiscard]] const FileProblem* doubt_about_config_map(const ConfigMap* known) const;

 private:
  /// What `stat` tells of a file; a write or a rename over it changes something of it.
  struct Stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size_bytes = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;

    bool operator==(const Stamp&) const = default;
  };

  /// What a look at the folder tells of a file.
  struct Seen {
    Stamp stamp;
    std::string error;  ///< why there is no stamp
  };

  struct File {
    Stamp stamp;                     ///< of the content that is known; none if it could not be read
    std::optional<ObjectFile> good;  ///< the last content without a problem
    std::vector<FileProblem> problems;  ///< of the content that is there
    bool may_hold_config_maps = false;  ///< the content that is there
  };

  [[nodiscard]] Result<std::map<std::string, Seen>> scan() const;
  /// Whether it could be read, whatever is in it.
  bool read_file(const std::string& name, const Seen& seen);
  void update_stores();
  template <class Object>
  void update_store(Store<Object>& store);

  std::filesystem::path path_;
  Stores& stores_;
  std::map<std::string, File> files_;
  std::vector<FileProblem> problems_;
};

}  // namespace k8s_client

// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/saved_view.hpp"

#include "k8s_client/splitters.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

namespace k8s_client {
namespace {

using nlohmann::json;

constexpr const char* kApiVersion = "nodeway/v1";
constexpr const char* kKind = "SavedView";

/// The file while it is written. Hidden, so that no folder source takes it for one of its own.
constexpr const char* kUnfinishedFile = ".saved-view.json.new";

/// Written and read in parts of this size: few calls of the system, little memory.
constexpr std::size_t kChunkBytes = std::size_t{64} * 1024;

std::int64_t milliseconds(Clock::TimePoint time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Clock::TimePoint time_at(std::int64_t milliseconds) {
  return Clock::TimePoint{std::chrono::milliseconds{milliseconds}};
}

Failure system_failure(const std::filesystem::path& file, int error) {
  return {Errc::bad_file, file.string() + ": " + std::generic_category().message(error)};
}

/// An open file. Closed at the end.
class File {
 public:
  File(const std::filesystem::path& path, int flags)
      // For its owner alone: names and addresses of a whole cluster are nobody else's business.
      : descriptor_{::open(path.c_str(), flags | O_CLOEXEC, 0600)} {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (is_open()) {
      ::close(descriptor_);
    }
  }

  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }

  /// All of it; false with `errno`.
  [[nodiscard]] bool write(std::string_view text) const {
    while (!text.empty()) {
      const ::ssize_t written = ::write(descriptor_, text.data(), text.size());
      if (written < 0 && errno != EINTR) {
        return false;
      }
      text.remove_prefix(static_cast<std::size_t>(std::max<::ssize_t>(written, 0)));
    }
    return true;
  }

  /// The next bytes, 0 at the end, below 0 with `errno`.
  [[nodiscard]] ::ssize_t read(std::array<char, kChunkBytes>& into) const {
    ::ssize_t size = 0;
    do {
      size = ::read(descriptor_, into.data(), into.size());
    } while (size < 0 && errno == EINTR);
    return size;
  }

 private:
  int descriptor_;
};

/// Writes the items of a list, one in a line.
class ListWriter {
 public:
  ListWriter(const File& file, std::size_t max_bytes) : file_{file}, bytes_left_{max_bytes} {}

  /// Nothing more is written after the first failure.
  void put(const json& item) {
    text_ += has_items_ ? ",\n" : "\n";
    has_items_ = true;
    // Names come from the API server, and so are valid; whatever is not must not end the process.
    text_ += item.dump(-1, ' ', false, json::error_handler_t::replace);
    if (text_.size() >= kChunkBytes) {
      flush();
    }
  }

  template <class Pointer>
  void put_all(const std::vector<Pointer>& objects) {
    for (const Pointer& object : objects) {
      put(object->to_json());
    }
  }

  /// 0, or what `errno` was at the first failure.
  [[nodiscard]] int finish() {
    text_ += "\n]}\n";
    flush();
    return error_;
  }

 private:
  void flush() {
    if (error_ == 0 && text_.size() > bytes_left_) {
      error_ = EFBIG;
    }
    if (error_ == 0 && !file_.write(text_)) {
      error_ = errno;
    }
    bytes_left_ -= std::min(bytes_left_, text_.size());
    text_.clear();
  }

  const File& file_;
  std::size_t bytes_left_;
  std::string text_ = R"({"apiVersion":"v1","kind":"List","items":[)";
  bool has_items_ = false;
  int error_ = 0;
};

json ms_or_null(const std::optional<Clock::TimePoint>& time) {
  return time ? json(milliseconds(*time)) : json(nullptr);
}

std::optional<Clock::TimePoint> time_or_nothing(const json& milliseconds) {
  return milliseconds.is_null() ? std::nullopt
                                : std::optional{time_at(milliseconds.get<std::int64_t>())};
}

json names_of(const SavedView& view) {
  json names = json::array();
  for (const SavedName& name : view.external_names) {
    json addresses = json::array();
    for (const boost::asio::ip::address& address : name.addresses) {
      addresses.push_back(address.to_string());
    }
    names.push_back({{"name", name.name},
                     {"addresses", std::move(addresses)},
                     {"v4GoodAtMs", ms_or_null(name.v4_good_at)},
                     {"v6GoodAtMs", ms_or_null(name.v6_good_at)}});
  }
  return names;
}

json header_of(const SavedView& view) {
  return {{"apiVersion", kApiVersion},
          {"kind", kKind},
          {"format", SavedView::kFormat},
          {"bootId", view.boot_id},
          {"node", view.node},
          {"savedAtMs", milliseconds(view.saved_at)},
          {"asOfMs", milliseconds(view.as_of)},
          {"externalNames", names_of(view)},
          {"objects", view.n_objects()}};
}

Result<void> write_file(const std::filesystem::path& path,
                        const SavedView& view,
                        std::size_t max_bytes) {
  const File file{path, O_WRONLY | O_CREAT | O_TRUNC};
  if (!file.is_open()) {
    return system_failure(path, errno);
  }
  ListWriter list{file, max_bytes};
  list.put(header_of(view));
  list.put_all(view.config_maps);
  list.put_all(view.nodes);
  list.put_all(view.pods);
  list.put_all(view.services);
  list.put_all(view.endpoint_slices);
  if (const int error = list.finish(); error != 0) {
    return system_failure(path, error);
  }
  return {};
}

/// Takes the items of the file one by one.
class ViewReader {
 public:
  void take(std::string_view text) {
    if (failure_) {
      return;
    }
    const json item = json::parse(text, nullptr, false);
    if (!item.is_object()) {
      fail("is no JSON");
    } else if (n_items_ == 0) {
      take_header(item);
    } else {
      take_object(item);
    }
    ++n_items_;
  }

  /// What has been read, or why it is of no use.
  [[nodiscard]] Result<SavedView> finish(bool is_whole) {
    if (failure_) {
      return *std::move(failure_);
    }
    if (!is_whole || view_.n_objects() != n_expected_) {
      return Failure{Errc::bad_file,
                     "is torn: " + std::to_string(view_.n_objects()) + " of " +
                         std::to_string(n_expected_) + " objects are there"};
    }
    return std::move(view_);
  }

 private:
  void fail(const std::string& why) {
    failure_ = Failure{Errc::bad_file, "item " + std::to_string(n_items_ + 1) + ": " + why};
  }

  void take_header(const json& header) {
    try {
      if (header.at("kind") != kKind || header.at("format") != SavedView::kFormat) {
        fail("is no saved view of format " + std::to_string(SavedView::kFormat));
        return;
      }
      header.at("bootId").get_to(view_.boot_id);
      header.at("node").get_to(view_.node);
      view_.saved_at = time_at(header.at("savedAtMs").get<std::int64_t>());
      view_.as_of = time_at(header.at("asOfMs").get<std::int64_t>());
      header.at("objects").get_to(n_expected_);
      for (const json& name : header.value("externalNames", json::array())) {
        take_name(name);
      }
    } catch (const json::exception& wrong) {
      fail(wrong.what());
    }
  }

  void take_name(const json& item) {
    SavedName& name = view_.external_names.emplace_back();
    item.at("name").get_to(name.name);
    for (const json& text : item.at("addresses")) {
      boost::system::error_code wrong;
      name.addresses.push_back(
          boost::asio::ip::make_address(text.get_ref<const std::string&>(), wrong));
      if (wrong) {
        fail("'" + text.get<std::string>() + "' is no address");
      }
    }
    name.v4_good_at = time_or_nothing(item.at("v4GoodAtMs"));
    name.v6_good_at = time_or_nothing(item.at("v6GoodAtMs"));
  }

  void take_object(const json& object) {
    const json kind = object.value("kind", json{});
    const bool is_known = take_if(kind, object, view_.services) ||
                          take_if(kind, object, view_.endpoint_slices) ||
                          take_if(kind, object, view_.config_maps) ||
                          take_if(kind, object, view_.nodes) || take_if(kind, object, view_.pods);
    if (!is_known) {
      fail("is of no kind that is saved");
    }
  }

  /// Whether the object is of the kind of `list`; then it is in it, or the view has failed.
  template <class Object>
  bool take_if(const json& kind,
               const json& object,
               std::vector<std::shared_ptr<const Object>>& list) {
    if (kind != Object::kKind) {
      return false;
    }
    Result<Object> read = Object::from_json(object);
    if (read) {
      list.push_back(std::make_shared<const Object>(*std::move(read)));
    } else {
      fail(read.error().message());
    }
    return true;
  }

  SavedView view_;
  std::size_t n_expected_ = 0;
  std::size_t n_items_ = 0;
  std::optional<Failure> failure_;
};

Result<SavedView> read_file(const File& file) {
  ListSplitter list;
  ViewReader reader;
  std::array<char, kChunkBytes> chunk{};
  for (;;) {
    const ::ssize_t size = file.read(chunk);
    if (size < 0) {
      return Failure{Errc::bad_file, std::generic_category().message(errno)};
    }
    if (size == 0) {
      return reader.finish(list.is_whole());
    }
    const Result<void> cut = list.feed({chunk.data(), static_cast<std::size_t>(size)},
                                       [&reader](std::string_view item) { reader.take(item); });
    if (!cut) {
      return cut.error();
    }
  }
}

}  // namespace

Result<void> write_saved_view(const std::filesystem::path& folder,
                              const SavedView& view,
                              std::size_t max_bytes) {
  const std::filesystem::path unfinished = folder / kUnfinishedFile;
  Result<void> written = write_file(unfinished, view, max_bytes);
  std::error_code failed;
  if (!written) {
    std::filesystem::remove(unfinished, failed);  // what fills the disk is not left there
    return written;
  }
  std::filesystem::rename(unfinished, folder / SavedView::kFile, failed);
  if (failed) {
    return Failure{Errc::bad_file, unfinished.string() + ": " + failed.message()};
  }
  return {};
}

Result<SavedView> read_saved_view(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / SavedView::kFile;
  const File file{path, O_RDONLY};
  if (!file.is_open()) {
    return errno == ENOENT ? Failure{Errc::not_found} : system_failure(path, errno);
  }
  Result<SavedView> view = read_file(file);
  if (!view) {
    return Failure{Errc::bad_file, path.string() + ": " + view.error().message()};
  }
  return view;
}

}  // namespace k8s_client

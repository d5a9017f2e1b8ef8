// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/object_folder.hpp"

#include "k8s_client/text_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <utility>

namespace k8s_client {
namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

bool is_wanted(const std::filesystem::path& file) {
  constexpr std::array<std::string_view, 3> kExtensions{".yaml", ".yml", ".json"};
  const bool is_hidden = file.filename().native().starts_with('.');
  return !is_hidden &&
         std::ranges::find(kExtensions, file.extension().native()) != kExtensions.end();
}

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

}  // namespace

ObjectFolder::ObjectFolder(std::filesystem::path path, Stores& stores)
    : path_{std::move(path)}, stores_{stores} {}

Result<std::size_t> ObjectFolder::read_changes() {
  const Result<std::map<std::string, Seen>> found = scan();
  if (!found) {
    return found.error();
  }
  std::size_t changes =
      std::erase_if(files_, [&found](const auto& file) { return !found->contains(file.first); });
  bool is_any_unread = false;
  for (const auto& [name, seen] : *found) {
    const auto known = files_.find(name);
    if (known == files_.end() || known->second.stamp != seen.stamp || !seen.error.empty()) {
      const bool is_read = read_file(name, seen);
      changes += is_read ? 1 : 0;
      is_any_unread = is_any_unread || !is_read;
    }
  }
  if (changes > 0 || is_any_unread || !stores_.is_synced()) {
    update_stores();
  }
  return changes;
}

Result<std::map<std::string, ObjectFolder::Seen>> ObjectFolder::scan() const {
  std::error_code problem;
  std::map<std::string, Seen> found;
  for (auto entry = std::filesystem::directory_iterator{path_, problem};
       !problem && entry != std::filesystem::directory_iterator{};
       entry.increment(problem)) {
    struct stat status {};
    const std::filesystem::path& file = entry->path();
    if (!is_wanted(file)) {
      continue;
    }
    const int why = ::stat(file.c_str(), &status) == 0 ? 0 : errno;
    if (why == ENOENT || why == ENOTDIR || (why == 0 && !S_ISREG(status.st_mode))) {
      continue;  // a file that vanished meanwhile, or a link to one, is one that is not there
    }
    Seen& seen = found[file.filename().string()];
    if (why != 0) {
      seen.error = std::generic_category().message(why);
      continue;
    }
    seen.stamp = {.device = status.st_dev,
                  .inode = status.st_ino,
                  .size_bytes = status.st_size,
                  .modified_ns = nanoseconds(status.st_mtim),
                  .changed_ns = nanoseconds(status.st_ctim)};
  }
  if (problem) {
    return Failure{Errc::bad_file, path_.string() + ": " + problem.message()};
  }
  return found;
}

bool ObjectFolder::read_file(const std::string& name, const Seen& seen) {
  File& file = files_[name];
  file.stamp = {};
  file.problems.clear();
  file.may_hold_config_maps = true;
  const Result<std::string> text = seen.error.empty() ? read_text_file(path_ / name, kMaxFileBytes)
                                                      : Failure{Errc::bad_file, seen.error};
  if (!text || text->empty()) {
    // An empty file is one that somebody is about to write: editors and shells truncate first.
    file.problems.push_back({.file = name, .reason = text ? "is empty" : text.error().message()});
  }
  if (!text && text.error().code == Errc::bad_file) {
    return false;
  }
  file.stamp = seen.stamp;
  if (!text || text->empty()) {
    return true;
  }
  ObjectFile content = parse_object_file(name, *text, file.problems);
  file.may_hold_config_maps = content.may_hold_config_maps;
  if (file.problems.empty()) {
    file.good = std::move(content);
  }
  return true;
}

const FileProblem* ObjectFolder::doubt_about_config_map(const ConfigMap* known) const {
  const auto is_known_one = [known](const Placed<ConfigMap>& placed) {
    return placed.object.meta.key == known->meta.key;
  };
  for (const auto& [name, file] : files_) {
    if (known != nullptr && file.good &&
        std::ranges::any_of(file.good->of<ConfigMap>(), is_known_one)) {
      return file.problems.empty() ? nullptr : &file.problems.front();
    }
    if (known == nullptr && !file.good && file.may_hold_config_maps) {
      return &file.problems.front();
    }
  }
  return nullptr;
}

void ObjectFolder::update_stores() {
  problems_.clear();
  for (const auto& [name, file] : files_) {
    problems_.insert(problems_.end(), file.problems.begin(), file.problems.end());
  }
  update_store(stores_.config_maps);
  update_store(stores_.nodes);
  update_store(stores_.pods);
  update_store(stores_.endpoint_slices);
  update_store(stores_.services);
  std::stable_sort(problems_.begin(), problems_.end(), [](const auto& a, const auto& b) {
    return a.file < b.file;
  });
}

template <class Object>
void ObjectFolder::update_store(Store<Object>& store) {
  std::map<ObjectKey, std::string> owners;  // the file that an object was taken from
  std::vector<Object> objects;
  for (const auto& [name, file] : files_) {
    if (!file.good) {
      continue;
    }
    for (const auto& [object, place] : file.good->template of<Object>()) {
      const ObjectKey& key = object.meta.key;
      const auto [owner, is_first] = owners.emplace(key, name);
      if (is_first) {
        objects.push_back(object);
        continue;
      }
      problems_.push_back({.file = name,
                           .line = place.line,
                           .column = place.column,
                           .reason = std::string{Object::kKind} + " " + key.ns + "/" + key.name +
                                     " is in " + owner->second + " already, which counts"});
    }
  }
  store.replace(std::move(objects));
}

}  // namespace k8s_client

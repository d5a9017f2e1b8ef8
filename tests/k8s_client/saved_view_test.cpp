// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/saved_view.hpp"

#include "k8s_client/object_folder.hpp"
#include "tests/k8s_client/objects/generated_objects.hpp"
#include "tests/k8s_client/result_text.hpp"
#include "tests/k8s_client/scratch_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace k8s_client;

namespace {

template <class Object>
void add(std::vector<std::shared_ptr<const Object>>& list, Object object) {
  list.push_back(std::make_shared<const Object>(std::move(object)));
}

SavedView generated_view(std::uint32_t seed, int n_each = 5) {
  test::ObjectGenerator generate{seed};
  SavedView view;
  view.boot_id = "boot-1";
  view.node = "node-1";
  view.saved_at = Clock::TimePoint{5s};
  view.as_of = Clock::TimePoint{4s};
  const auto address = [](const char* text) { return boost::asio::ip::make_address(text); };
  view.external_names = {
      {.name = "api.example.com",
       .addresses = {address("192.0.2.1"), address("2001:db8::1")},
       .v4_good_at = Clock::TimePoint{3s},
       .v6_good_at = Clock::TimePoint{2s}},
      {.name = "db.example.com", .addresses = {}, .v4_good_at = {}, .v6_good_at = {}}};
  for (int i = 0; i < n_each; ++i) {
    add(view.services, generate.service());
    add(view.endpoint_slices, generate.slice());
    add(view.config_maps, generate.config_map());
    add(view.nodes, generate.node());
    add(view.pods, generate.pod());
  }
  return view;
}

template <class Object>
bool same(const std::vector<std::shared_ptr<const Object>>& a,
          const std::vector<std::shared_ptr<const Object>>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return *x == *y; });
}

template <class Object>
bool holds(const Store<Object>& store, const std::vector<std::shared_ptr<const Object>>& objects) {
  return store.size() == objects.size() &&
         std::ranges::all_of(objects, [&store](const auto& object) {
           const auto found = store.find(object->meta.key);
           return found && *found == *object;
         });
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

TEST_CASE("SavedView: what was written is read again", "[k8s_client][saved_view]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  const test::ScratchFolder folder;
  const SavedView view = generated_view(seed);

  REQUIRE(write_saved_view(folder.path(), view));
  const Result<SavedView> read = read_saved_view(folder.path());

  REQUIRE(read);
  CHECK(read->boot_id == "boot-1");
  CHECK(read->node == "node-1");
  CHECK(read->saved_at == view.saved_at);
  CHECK(read->as_of == view.as_of);
  CHECK(same(read->services, view.services));
  CHECK(same(read->endpoint_slices, view.endpoint_slices));
  CHECK(same(read->config_maps, view.config_maps));
  CHECK(same(read->nodes, view.nodes));
  CHECK(same(read->pods, view.pods));
  CHECK(read->external_names == view.external_names);
}

TEST_CASE("SavedView: a folder source reads it as any folder of objects",
          "[k8s_client][saved_view]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  const test::ScratchFolder folder;
  const SavedView view = generated_view(seed);
  REQUIRE(write_saved_view(folder.path(), view));

  Stores stores;
  ObjectFolder source{folder.path(), stores};
  REQUIRE(source.read_changes());

  CHECK(source.problems().empty());
  CHECK(holds(stores.services, view.services));
  CHECK(holds(stores.endpoint_slices, view.endpoint_slices));
  CHECK(holds(stores.config_maps, view.config_maps));
  CHECK(holds(stores.nodes, view.nodes));
  CHECK(holds(stores.pods, view.pods));
}

TEST_CASE("SavedView: one that is torn anywhere is refused, and says so",
          "[k8s_client][saved_view]") {
  const test::ScratchFolder folder;
  REQUIRE(write_saved_view(folder.path(), generated_view(1, 1)));
  const std::string whole = text_of(folder.path() / SavedView::kFile);

  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {  // but for the end of its last line
    CAPTURE(size);
    folder.write(SavedView::kFile, std::string_view{whole}.substr(0, size));

    const Result<SavedView> read = read_saved_view(folder.path());

    REQUIRE_FALSE(read);
    REQUIRE(read.error().code == Errc::bad_file);
    REQUIRE_THAT(read.error().message(), Catch::Contains("saved-view.json: is torn"));
  }
}

TEST_CASE("SavedView: what it cannot understand is refused with its place",
          "[k8s_client][saved_view]") {
  const std::string header = R"({"kind":"SavedView","format":1,"bootId":"b","node":"n",)"
                             R"("savedAtMs":1,"asOfMs":1,"objects":1})";
  const auto [items, said] = GENERATE_COPY(table<std::string, std::string>({
      {R"({"kind":"Service"})", "item 1: is no saved view of format 1"},
      {R"({"kind":"SavedView","format":2})", "item 1: is no saved view of format 1"},
      {R"({"kind":"SavedView","format":1})", "item 1: "},
      {R"({"kind":"SavedView","format":1,"bootId":"b","node":"n","savedAtMs":1,"asOfMs":1,)"
       R"("objects":0,"externalNames":[{"name":"a.b","addresses":["1.2.3"],"v4GoodAtMs":null,"v6GoodAtMs":1}]})",
       "item 1: '1.2.3' is no address"},
      {header + R"(,{"kind":"Secret"})", "item 2: is of no kind that is saved"},
      {header + R"(,{"kind":"Service","metadata":{}})", "item 2: metadata.name: is required"},
      {header + ",{]", "item 2: is no JSON"},
      {header, "is torn: 0 of 1 objects are there"},
  }));
  const test::ScratchFolder folder;
  folder.write(SavedView::kFile, R"({"kind":"List","items":[)" + items + "]}");

  const Result<SavedView> read = read_saved_view(folder.path());

  REQUIRE_FALSE(read);
  CHECK_THAT(read.error().message(), Catch::Contains(said));
}

TEST_CASE("SavedView: one of before external names were in it is read",
          "[k8s_client][saved_view]") {
  const test::ScratchFolder folder;
  folder.write(SavedView::kFile,
               R"({"kind":"List","items":[{"kind":"SavedView","format":1,"bootId":"b","node":"n",)"
               R"("savedAtMs":1,"asOfMs":1,"objects":0}]})");

  const Result<SavedView> read = read_saved_view(folder.path());

  REQUIRE(read);
  CHECK(read->external_names.empty());
}

TEST_CASE("SavedView: none is no failure of a file", "[k8s_client][saved_view]") {
  const test::ScratchFolder folder;

  CHECK(read_saved_view(folder.path()).error().code == Errc::not_found);
}

TEST_CASE("SavedView: the former one stays where the next cannot be written",
          "[k8s_client][saved_view]") {
  const test::ScratchFolder folder;
  REQUIRE(write_saved_view(folder.path(), generated_view(1)));
  const std::string former = text_of(folder.path() / SavedView::kFile);
  // A folder in the place of the file that is written: refused to root as well.
  const std::filesystem::path in_the_way = folder.path() / ".saved-view.json.new" / "child";
  std::filesystem::create_directories(in_the_way);

  const Result<void> written = write_saved_view(folder.path(), generated_view(2));

  REQUIRE_FALSE(written);
  CHECK_THAT(written.error().message(), Catch::Contains("Is a directory"));
  CHECK(text_of(folder.path() / SavedView::kFile) == former);
}

TEST_CASE("SavedView: a full disk is told, and nothing of the attempt stays on it",
          "[k8s_client][saved_view]") {
  const test::ScratchFolder folder;
  // /dev/full refuses each write as a full disk does.
  std::filesystem::create_symlink("/dev/full", folder.path() / ".saved-view.json.new");

  const Result<void> written = write_saved_view(folder.path(), generated_view(1));

  REQUIRE_FALSE(written);
  CHECK_THAT(written.error().message(), Catch::Contains("No space left on device"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("SavedView: one above its limit is not written, and one of just that size is",
          "[k8s_client][saved_view]") {
  const test::ScratchFolder folder;
  const SavedView view = generated_view(1);
  REQUIRE(write_saved_view(folder.path(), view));
  const std::size_t size = std::filesystem::file_size(folder.path() / SavedView::kFile);

  CHECK(write_saved_view(folder.path(), view, size));
  const Result<void> above = write_saved_view(folder.path(), view, size - 1);

  REQUIRE_FALSE(above);
  CHECK_THAT(above.error().message(), Catch::Contains("File too large"));
}

TEST_CASE("SavedView: its file is for its owner alone", "[k8s_client][saved_view]") {
  const test::ScratchFolder folder;
  REQUIRE(write_saved_view(folder.path(), generated_view(1)));

  const auto permissions = std::filesystem::status(folder.path() / SavedView::kFile).permissions();

  CHECK((permissions & (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
        std::filesystem::perms::none);
}

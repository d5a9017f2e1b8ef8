// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/object_folder.hpp"

#include "tests/k8s_client/result_text.hpp"
#include "tests/k8s_client/scratch_folder.hpp"

#include <filesystem>
#include <set>
#include <string>
#include <unistd.h>
#include <utility>

#include <catch2/catch.hpp>

using namespace k8s_client;

namespace {

std::string service_yaml(const std::string& name, const std::string& port = "80") {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         ", namespace: shop}\nspec:\n  ports:\n  - port: " + port + "\n";
}

struct Rig {
  std::size_t read() {
    const auto changes = folder.read_changes();
    REQUIRE(changes);
    return *changes;
  }

  [[nodiscard]] std::set<std::string> services() const {
    std::set<std::string> names;
    for (const auto& [key, object] : stores.services.all()) {
      names.insert(key.name);
    }
    return names;
  }

  test::ScratchFolder files;
  Stores stores;
  ObjectFolder folder{files.path(), stores};
};

using Names = std::set<std::string>;

/// While it lives a file cannot be read by this process, although nothing about the file changes if
/// the process has root's rights to lay down.
class Unreadable {
 public:
  explicit Unreadable(std::filesystem::path file) : file_{std::move(file)} {
    constexpr ::uid_t kNobody = 65534;
    if (is_root_) {
      REQUIRE(::seteuid(kNobody) == 0);
    } else {
      std::filesystem::permissions(file_, std::filesystem::perms::none);
    }
  }
  Unreadable(const Unreadable&) = delete;
  Unreadable& operator=(const Unreadable&) = delete;
  ~Unreadable() {
    if (is_root_) {
      static_cast<void>(!::seteuid(0));
    } else {
      std::filesystem::permissions(file_, std::filesystem::perms{0600});
    }
  }

 private:
  std::filesystem::path file_;
  bool is_root_ = ::geteuid() == 0;
};

}  // namespace

TEST_CASE("ObjectFolder: an empty folder is synced with nothing in it", "[k8s_client]") {
  Rig rig;

  CHECK(rig.read() == 0);

  CHECK(rig.stores.is_synced());
  CHECK(rig.folder.problems().empty());
}

TEST_CASE("ObjectFolder: takes YAML and JSON, several documents a file, and lists",
          "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", service_yaml("one") + "---\n" + service_yaml("two") + "---\n");
  rig.files.write(
      "b.yml",
      "apiVersion: v1\nkind: List\nitems:\n"
      "- {apiVersion: v1, kind: Service, metadata: {name: three}}\n"
      "- {apiVersion: v1, kind: ConfigMap, metadata: {name: nodeway}, data: {k: 'v'}}\n");
  rig.files.write("c.json",
                  R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice",)"
                  R"("metadata":{"name":"s","labels":{"kubernetes.io/service-name":"one"}},)"
                  R"("addressType":"IPv4","endpoints":[{"addresses":["127.0.0.1"]}],)"
                  R"("ports":[{"port":8080}]})");

  CHECK(rig.read() == 3);

  CHECK(rig.folder.problems().empty());
  CHECK(rig.services() == Names{"one", "two", "three"});
  CHECK(rig.stores.services.find({"default", "three"}) != nullptr);
  const auto slice = rig.stores.endpoint_slices.find({"default", "s"});
  REQUIRE(slice);
  CHECK(slice->endpoints[0].address == "127.0.0.1");
  CHECK(slice->endpoints[0].conditions.is_ready());
  CHECK(rig.stores.config_maps.find({"default", "nodeway"})->data.at("k") == "v");
}

TEST_CASE("ObjectFolder: leaves out kinds it does not know, subfolders, hidden and other files",
          "[k8s_client]") {
  Rig rig;
  rig.files.write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n");
  rig.files.write("knative.yaml",
                  "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: k}\n");
  rig.files.write(".hidden.yaml", "[broken");
  rig.files.write("cart.yaml~", "[broken");
  rig.files.write("README.md", "[broken");
  std::filesystem::create_directory(rig.files.path() / "sub.yaml");
  rig.files.write("sub.yaml/x.yaml", service_yaml("below"));

  rig.read();

  CHECK(rig.services().empty());
  CHECK(rig.folder.problems().empty());
  CHECK(rig.stores.is_synced());
}

TEST_CASE("ObjectFolder: a made-up version changes with the content, and only then",
          "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", service_yaml("cart"));
  rig.read();
  const std::string first = rig.stores.services.find({"shop", "cart"})->meta.resource_version;
  int changes = 0;
  rig.stores.services.on_change([&changes](auto&&...) { ++changes; });

  rig.files.write_by_rename("a.yaml", "# a comment\n" + service_yaml("cart"));
  CHECK(rig.read() == 1);
  CHECK(changes == 0);
  CHECK(rig.stores.services.find({"shop", "cart"})->meta.resource_version == first);

  rig.files.write_by_rename("a.yaml", service_yaml("cart", "81"));
  CHECK(rig.read() == 1);
  CHECK(changes == 1);
  const std::string second = rig.stores.services.find({"shop", "cart"})->meta.resource_version;
  CHECK(second != first);
  CHECK_FALSE(second.empty());
}

TEST_CASE("ObjectFolder: a file is replaced as a whole, and goes with its objects",
          "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", service_yaml("one") + "---\n" + service_yaml("two"));
  rig.files.write("b.yaml", service_yaml("three"));
  rig.read();

  rig.files.write_by_rename("a.yaml", service_yaml("two"));
  rig.read();
  CHECK(rig.services() == Names{"two", "three"});

  rig.files.remove("b.yaml");
  CHECK(rig.read() == 1);
  CHECK(rig.services() == Names{"two"});
  CHECK(rig.read() == 0);
}

TEST_CASE("ObjectFolder: a broken file is told by line and column, and its last content stays",
          "[k8s_client]") {
  struct Row {
    std::string text;
    std::string message;
  };
  const auto row = GENERATE(values<Row>({
      {service_yaml("two") + "---\n" + service_yaml("bad", "eighty"),
       "a.yaml:13:11: spec.ports[0].port: must be a port number, 1 to 65535"},
      {"kind: Service\nkind: Service\n", "a.yaml:2:1: duplicate key 'kind'"},
      {"apiVersion: v1\nkind: Service\nmetadata:\n  namespace: x\n",
       "a.yaml:4:3: metadata.name: is required"},
      {"just: text\n", "a.yaml:1:1: kind: is required, as this is no object of Kubernetes"},
      {"- 1\n", "a.yaml:1:1: kind: is required, as this is no object of Kubernetes"},
      {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service}\n",
       "a.yaml:4:3: metadata.name: is required"},
      {"", "a.yaml: is empty"},
  }));
  CAPTURE(row.text);
  Rig rig;
  rig.files.write("a.yaml", service_yaml("good"));
  rig.files.write("b.yaml", service_yaml("other"));
  rig.read();

  rig.files.write_by_rename("a.yaml", row.text);
  rig.files.write_by_rename("b.yaml", service_yaml("another"));
  rig.read();

  CHECK(rig.services() == Names{"good", "another"});
  REQUIRE(rig.folder.problems().size() == 1);
  CHECK(rig.folder.problems()[0].message() == row.message);

  rig.files.write_by_rename("a.yaml", service_yaml("healed"));
  rig.read();
  CHECK(rig.services() == Names{"healed", "another"});
  CHECK(rig.folder.problems().empty());
}

TEST_CASE("ObjectFolder: a file broken from the start does not keep the others from syncing",
          "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", "[broken");
  rig.files.write("b.yaml", service_yaml("good"));

  rig.read();

  CHECK(rig.stores.is_synced());
  CHECK(rig.services() == Names{"good"});
  CHECK(rig.folder.problems().size() == 1);
}

TEST_CASE("ObjectFolder: of an object in two files the first file by name counts, which is told",
          "[k8s_client]") {
  Rig rig;
  rig.files.write("b.yaml", "# second\n" + service_yaml("cart", "2"));
  rig.files.write("a.yaml", service_yaml("cart", "1"));
  rig.read();

  CHECK(rig.stores.services.find({"shop", "cart"})->ports[0].port == 1);
  REQUIRE(rig.folder.problems().size() == 1);
  CHECK(rig.folder.problems()[0].message() ==
        "b.yaml:2:1: Service shop/cart is in a.yaml already, which counts");

  rig.files.remove("a.yaml");
  rig.read();
  CHECK(rig.stores.services.find({"shop", "cart"})->ports[0].port == 2);
  CHECK(rig.folder.problems().empty());
}

TEST_CASE("ObjectFolder: a file that could not be read is tried again though it has not changed",
          "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", service_yaml("cart"));
  const std::filesystem::path file = rig.files.path() / "a.yaml";
  std::filesystem::permissions(rig.files.path(), std::filesystem::perms{0755});
  std::filesystem::permissions(file, std::filesystem::perms{0600});
  {
    const Unreadable unreadable{file};

    CHECK(rig.read() == 0);
    CHECK(rig.read() == 0);
    REQUIRE(rig.folder.problems().size() == 1);
    CHECK(rig.folder.problems()[0].message() == "a.yaml: Permission denied");
  }

  CHECK(rig.read() == 1);
  CHECK(rig.services() == Names{"cart"});
  CHECK(rig.folder.problems().empty());
  CHECK(rig.read() == 0);
}

TEST_CASE("ObjectFolder: a file of which nothing can be told is not gone", "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", service_yaml("cart"));
  rig.read();

  rig.files.remove("a.yaml");
  std::filesystem::create_symlink("a.yaml", rig.files.path() / "a.yaml");  // to itself
  CHECK(rig.read() == 0);
  CHECK(rig.services() == Names{"cart"});
  REQUIRE(rig.folder.problems().size() == 1);
  CHECK(rig.folder.problems()[0].message() == "a.yaml: Too many levels of symbolic links");

  rig.files.remove("a.yaml");
  std::filesystem::create_symlink("nowhere.txt", rig.files.path() / "a.yaml");
  CHECK(rig.read() == 1);
  CHECK(rig.services().empty());
  CHECK(rig.folder.problems().empty());
}

TEST_CASE("ObjectFolder: a folder that is not there is no empty folder", "[k8s_client]") {
  Rig rig;
  rig.files.write("a.yaml", service_yaml("cart"));
  rig.read();
  std::filesystem::rename(rig.files.path(), rig.files.path().string() + ".away");

  const auto changes = rig.folder.read_changes();
  std::filesystem::rename(rig.files.path().string() + ".away", rig.files.path());

  REQUIRE_FALSE(changes);
  CHECK(changes.error().message() == rig.files.path().string() + ": No such file or directory");
  CHECK(rig.services() == Names{"cart"});
}

TEST_CASE("ObjectFolder: a folder that was never there leaves the stores unsynced",
          "[k8s_client]") {
  Stores stores;
  ObjectFolder folder{"/nowhere/at/all", stores};

  CHECK_FALSE(folder.read_changes());
  CHECK_FALSE(stores.is_synced());
}

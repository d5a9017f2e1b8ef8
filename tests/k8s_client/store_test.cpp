// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/store.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace k8s_client;

namespace {

Service service(const std::string& name, const std::string& version) {
  Service service;
  service.meta = {.key = {.ns = "shop", .name = name}, .uid = "u", .resource_version = version};
  return service;
}

/// What a store tells: `+name` new, `~name` changed, `-name` gone.
std::vector<std::string>& record(Store<Service>& store, std::vector<std::string>& told) {
  store.on_change([&told](const ObjectKey& key, const auto& before, const auto& after) {
    told.push_back((!before ? "+" : !after ? "-" : "~") + key.name);
  });
  return told;
}

}  // namespace

TEST_CASE("Store: tells of what is new, changed and gone, and not of what is the same",
          "[k8s_client]") {
  Store<Service> store;
  std::vector<std::string> told;
  record(store, told);

  store.put(service("cart", "1"));
  store.put(service("cart", "1"));
  store.put(service("cart", "2"));
  store.erase({"shop", "cart"});
  store.erase({"shop", "cart"});

  CHECK(told == std::vector<std::string>{"+cart", "~cart", "-cart"});
  CHECK(store.size() == 0);
}

TEST_CASE("Store: a replacement is told as its difference, removals too", "[k8s_client]") {
  Store<Service> store;
  store.replace({service("cart", "1"), service("users", "2"), service("old", "3")});
  std::vector<std::string> told;
  record(store, told);

  store.replace({service("users", "5"), service("new", "6"), service("cart", "1")});

  CHECK(std::set<std::string>(told.begin(), told.end()) ==
        std::set<std::string>{"~users", "+new", "-old"});
  CHECK(told.size() == 3);
  CHECK(store.find({"shop", "old"}) == nullptr);
  CHECK(store.find({"shop", "users"})->meta.resource_version == "5");
}

TEST_CASE("Store: an object that stays the same stays the same object", "[k8s_client]") {
  Store<Service> store;
  store.replace({service("cart", "1")});
  const auto before = store.find({"shop", "cart"});

  store.replace({service("cart", "1")});

  CHECK(store.find({"shop", "cart"}) == before);
}

TEST_CASE("Store: its listener sees the whole replacement at the first change", "[k8s_client]") {
  Store<Service> store;
  std::vector<std::size_t> sizes;
  store.on_change([&store, &sizes](auto&&...) { sizes.push_back(store.size()); });

  store.replace({service("cart", "1"), service("users", "2")});

  CHECK(sizes == std::vector<std::size_t>{2, 2});
}

TEST_CASE("Store: is synced by the first replacement, even an empty one, and stays so",
          "[k8s_client]") {
  Store<Service> store;
  int synced = 0;
  store.on_synced([&synced] { ++synced; });
  store.put(service("cart", "1"));
  REQUIRE_FALSE(store.is_synced());

  store.replace({});
  store.replace({});

  CHECK(store.is_synced());
  CHECK(synced == 1);
}

TEST_CASE("Store: a reader keeps an object past its removal", "[k8s_client]") {
  Store<Service> store;
  store.put(service("cart", "1"));
  const auto kept = store.find({"shop", "cart"});

  store.erase({"shop", "cart"});

  CHECK(kept->meta.key.name == "cart");
}

TEST_CASE("Stores: are synced when each of them is", "[k8s_client]") {
  Stores stores;
  stores.services.replace({});
  stores.endpoint_slices.replace({});
  stores.nodes.replace({});
  stores.pods.replace({});
  REQUIRE_FALSE(stores.is_synced());

  stores.config_maps.replace({});

  CHECK(stores.is_synced());
}

TEST_CASE("Store: what was restored is known and not synced, and a list has the last word",
          "[k8s_client]") {
  Store<Service> store;
  std::vector<std::string> told;
  record(store, told);
  bool is_synced_told = false;
  store.on_synced([&is_synced_told] { is_synced_told = true; });
  CHECK_FALSE(store.is_known());

  store.restore({std::make_shared<const Service>(service("cart", "1")),
                 std::make_shared<const Service>(service("old", "3"))});
  CHECK(store.is_known());
  CHECK_FALSE(store.is_synced());
  CHECK_FALSE(is_synced_told);
  CHECK(told == std::vector<std::string>{"+cart", "+old"});

  told.clear();
  store.replace({service("cart", "1"), service("new", "4")});
  CHECK(store.is_synced());
  CHECK(is_synced_told);
  CHECK(told == std::vector<std::string>{"+new", "-old"});
}

TEST_CASE("Store: nothing is restored once it is synced", "[k8s_client]") {
  Store<Service> store;
  store.replace({});

  store.restore({std::make_shared<const Service>(service("old", "3"))});

  CHECK(store.size() == 0);
}

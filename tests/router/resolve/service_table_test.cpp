// SPDX-License-Identifier: Apache-2.0
#include "router/resolve/service_table.hpp"

#include "router/control/snapshot.hpp"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <boost/smart_ptr/make_shared.hpp>
#include <catch2/catch.hpp>

using namespace router;

namespace {

ServiceTable::ServicePtr service(std::string name,
                                 std::string ns,
                                 const std::vector<ClusterId>& ids) {
  const auto made = boost::make_shared<Service>();
  made->name = std::move(name);
  made->namespace_ = std::move(ns);
  for (const ClusterId id : ids) {
    made->ports.emplace_back().id = id;
  }
  return made;
}

using Model = std::map<std::string, ServiceTable::ServicePtr>;

/// Whether the table is what the model says, by names and by ports.
bool is_that_of(const ServiceTable& table, const Model& model, ClusterId n_ids) {
  std::map<ClusterId, const Service*> by_port;
  bool is_same = table.size() == model.size();
  for (const auto& [name, service] : model) {
    is_same = is_same && table.find(name) == service.get();
    for (const ServicePort& port : service->ports) {
      by_port[port.id] = service.get();
    }
  }
  std::set<std::string> visited;
  table.for_each([&visited](const Service& service) { visited.insert(full_name(service)); });
  for (ClusterId id = 0; id < n_ids; ++id) {
    is_same = is_same && table.with_port(id) == by_port[id];
  }
  return is_same && visited.size() == model.size();
}

}  // namespace

TEST_CASE("ServiceTable: a name is found as a whole, and only so", "[resolve]") {
  ServiceTable table;
  table.put(service("cart", "shop", {0}));
  table.put(service("api.example.com", "", {1}));

  CHECK(table.find("cart.shop") == table.with_port(0));
  CHECK(table.find("api.example.com.") == table.with_port(1));
  for (const char* const name :
       {"", ".", "cart", "cart.", ".shop", "cart.sho", "cart.shop.", "cartxshop"}) {
    CHECK(table.find(name) == nullptr);
  }
  CHECK(table.with_port(2) == nullptr);
  CHECK(table.with_port(1'000'000) == nullptr);
}

TEST_CASE("ServiceTable: any history of changes leaves what was put last, and copies as they were",
          "[resolve][property]") {
  const auto seed = GENERATE(range(1U, 20U));
  CAPTURE(seed);
  std::minstd_rand rng{seed};
  constexpr ClusterId kNames = 600;  // so that shards have several
  ServiceTable table;
  Model model;
  ServiceTable copy;
  Model model_of_copy;
  for (int step = 0; step < 2000; ++step) {
    if (step % 500 == 0) {
      copy = table;
      model_of_copy = model;
    }
    const ClusterId i = static_cast<ClusterId>(rng()) % kNames;
    const std::string name = "cart-" + std::to_string(i);
    if (rng() % 3 == 0) {
      table.erase(name + ".shop");
      model.erase(name + ".shop");
    } else {
      std::vector<ClusterId> ids{i};
      if (rng() % 2 == 0) {
        ids.push_back(kNames + i);
      }
      table.put(model[name + ".shop"] = service(name, "shop", ids));
    }
  }

  CHECK(is_that_of(table, model, 2 * kNames));
  CHECK(is_that_of(copy, model_of_copy, 2 * kNames));
  std::set<ClusterId> changed;
  table.for_each_changed_port(copy, [&changed](ClusterId id) { changed.insert(id); });
  for (ClusterId id = 0; id < 2 * kNames; ++id) {
    CHECK(changed.contains(id) == (table.with_port(id) != copy.with_port(id)));
  }
}

TEST_CASE("ServiceTable: what no change was about is shared", "[resolve]") {
  ServiceTable table;
  for (ClusterId id = 0; id < 1000; ++id) {
    table.put(service("cart-" + std::to_string(id), "shop", {id}));
  }
  ServiceTable next = table;

  next.put(service("cart-7", "shop", {7}));

  std::size_t n_copied = 0;
  for (std::size_t i = 0; i < ServiceTable::kShards; ++i) {
    n_copied += next.shards()[i] == table.shards()[i] ? 0 : 1;
  }
  CHECK(n_copied == 1);
}

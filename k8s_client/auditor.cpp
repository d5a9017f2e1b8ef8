// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/auditor.hpp"

#include "k8s_client/list_watch.hpp"
#include "k8s_client/store_sink.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace k8s_client {

namespace asio = boost::asio;

namespace {

std::string text_of(const ObjectKey& key) {
  return key.ns.empty() ? key.name : key.ns + "/" + key.name;
}

std::size_t hash_of(const ObjectKey& key) {
  return std::hash<std::string>{}(text_of(key));
}

/// Ends an audit also where it is cancelled.
class Course {
 public:
  explicit Course(bool& is_under_way) : is_under_way_{is_under_way} { is_under_way_ = true; }
  Course(const Course&) = delete;
  Course& operator=(const Course&) = delete;
  ~Course() { is_under_way_ = false; }

 private:
  bool& is_under_way_;
};

}  // namespace

Auditor::Auditor(ListWatch& lister, const ObjectSink& sink, Clock& clock, std::uint64_t seed)
    : lister_{lister}, sink_{sink}, clock_{clock}, rng_{seed} {
  put_off();
}

Clock::Duration Auditor::time_until_due() const {
  // By the size of now: the first interval begins with an empty store.
  const Clock::Duration average =
      std::max<Clock::Duration>(kInterval, kTimePerObject * sink_.size());
  const auto interval = std::chrono::duration_cast<Clock::Duration>(average * stretch_);
  return std::max(interval_began_at_ + interval - clock_.now(), Clock::Duration::zero());
}

void Auditor::put_off() {
  interval_began_at_ = clock_.now();
  // By half around the average: nodes that were started together must not list together.
  stretch_ = std::uniform_real_distribution<double>{0.5, 1.5}(rng_);
}

asio::awaitable<Result<void>> Auditor::audit(ResourceVersion version) {
  put_off();
  touched_.clear();
  suspects_.clear();
  listed_.clear();
  const Course course{is_under_way_};
  const bool is_whole = co_await find_suspects(std::move(version));
  if (is_whole && !suspects_.empty()) {
    const Clock::TimePoint settled_at = clock_.now() + kSettle;
    co_await clock_.sleep_for(kSettle);
    if (clock_.now() < settled_at) {
      co_return Result<void>{};  // cancelled: nothing is known
    }
  }
  if (!is_whole || touched_.size() > kMaxTouched) {
    co_return Result<void>{};
  }
  ++audits_;
  co_return judge();
}

asio::awaitable<bool> Auditor::find_suspects(ResourceVersion version) {
  // Without a limit, for then it is answered from the server's cache.
  const ListRequest request{.version = std::move(version), .page_limit = 0, .continue_token = {}};
  bool all_have_names = true;
  const ListWatch::ItemSink on_item = [this, &all_have_names](const nlohmann::json& item) {
    const Result<ObjectMeta> meta = ObjectMeta::from_json(item);
    if (meta) {
      compare(meta->key, meta->resource_version);
    } else {
      all_have_names = false;
    }
  };
  const Result<ListPage> page = co_await lister_.list(request, on_item);
  if (!page || !page->continue_token.empty() || !all_have_names) {
    co_return false;
  }
  sink_.for_each([this](const ObjectKey& key, const ResourceVersion& held) {
    if (!listed_.contains(hash_of(key))) {
      suspect(key, "held at " + held + ", not listed");
    }
  });
  listed_.clear();
  co_return true;
}

void Auditor::compare(const ObjectKey& key, const ResourceVersion& listed) {
  listed_.insert(hash_of(key));
  const std::optional<ResourceVersion> held = sink_.version_of(key);
  if (!held) {
    suspect(key, "listed at " + listed + ", not held");
  } else if (*held != listed) {
    suspect(key, "listed at " + listed + ", held at " + *held);
  }
}

void Auditor::suspect(const ObjectKey& key, std::string what) {
  if (suspects_.size() < kMaxDifferences && !touched_.contains(key)) {
    suspects_.emplace(key, std::move(what));
  }
}

void Auditor::see_event(const ObjectKey& key) {
  if (is_under_way_ && touched_.size() <= kMaxTouched) {
    touched_.insert(key);
  }
}

Result<void> Auditor::judge() {
  std::erase_if(suspects_, [this](const auto& entry) { return touched_.contains(entry.first); });
  touched_.clear();
  if (suspects_.empty()) {
    return {};
  }
  differences_ += suspects_.size();
  std::string text = "audit: " + std::to_string(suspects_.size()) + " of the objects differ: ";
  std::size_t named = 0;
  for (const auto& [key, what] : suspects_) {
    if (named == kMaxNamed) {
      text += ", and more";
      break;
    }
    text.append(named == 0 ? "" : ", ").append(text_of(key)).append(" (").append(what).append(")");
    ++named;
  }
  suspects_.clear();
  return Failure{Errc::audit_difference, std::move(text)};
}

}  // namespace k8s_client

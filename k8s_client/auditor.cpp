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
  begin_interval();
}

Clock::Duration Auditor::time_until_due() const {
  // By the size of now: the first interval begins with an empty store.
  const Clock::Duration average =
      std::max<Clock::Duration>(kInterval, kTimePerObject * sink_.size());
  Clock::TimePoint due =
      interval_began_at_ + std::chrono::duration_cast<Clock::Duration>(average * stretch_);
  for (const auto& [key, recheck] : rechecks_) {
    due = recheck.is_done ? due : std::min(due, recheck.at);
  }
  return std::max(due - clock_.now(), Clock::Duration::zero());
}

void Auditor::put_off() {
  begin_interval();
  std::erase_if(rechecks_, [](const auto& entry) { return !entry.second.is_done; });
}

void Auditor::begin_interval() {
  interval_began_at_ = clock_.now();
  stretch_ = drawn_around_one();
}

// By half around the average: nodes that were started together, or that have seen the same pod end,
// must not list together.
double Auditor::drawn_around_one() {
  return std::uniform_real_distribution<double>{0.5, 1.5}(rng_);
}

void Auditor::recheck_soon(const ObjectKey& key) {
  const Clock::TimePoint now = clock_.now();
  std::erase_if(rechecks_, [now](const auto& entry) {
    return entry.second.is_done && entry.second.at <= now;
  });
  if (rechecks_.contains(key)) {
    return;
  }
  if (rechecks_.size() >= kMaxRechecks) {
    ++rechecks_dropped_;
    return;
  }
  const auto delay =
      std::chrono::duration_cast<Clock::Duration>(kRecheckDelay * drawn_around_one());
  rechecks_.emplace(key, Recheck{.at = now + delay});
}

std::vector<ObjectKey> Auditor::take_due_rechecks() {
  const Clock::TimePoint now = clock_.now();
  std::vector<ObjectKey> due;
  for (auto& [key, recheck] : rechecks_) {
    if (!recheck.is_done && recheck.at <= now) {
      due.push_back(key);
      recheck = {.at = now + kRecheckRest, .is_done = true};
    }
  }
  return due;
}

asio::awaitable<Result<void>> Auditor::audit(ResourceVersion version) {
  touched_.clear();
  suspects_.clear();
  listed_.clear();
  const Course course{is_under_way_};
  const std::vector<ObjectKey> doubted = take_due_rechecks();
  bool is_whole = false;
  if (doubted.empty()) {
    begin_interval();
    is_whole = co_await find_suspects(std::move(version));
  } else {
    is_whole = co_await find_suspects_of(doubted);
  }
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
  audits_ += doubted.empty() ? 1 : 0;
  rechecks_done_ += doubted.size();
  co_return judge(doubted.empty() ? "audit" : "recheck");
}

asio::awaitable<bool> Auditor::find_suspects(ResourceVersion version) {
  // Without a limit, for then it is answered from the server's cache.
  const ListRequest request{.version = std::move(version), .page_limit = 0, .continue_token = {}};
  const bool is_whole = co_await list_and_compare(request);
  if (is_whole) {
    sink_.for_each(
        [this](const ObjectKey& key, const ResourceVersion& held) { suspect_unlisted(key, held); });
  }
  listed_.clear();
  co_return is_whole;
}

asio::awaitable<bool> Auditor::find_suspects_of(std::vector<ObjectKey> keys) {
  for (const ObjectKey& key : keys) {
    // The newest state, whatever the server's cache is at: the watch is told from that.
    const ListRequest request{.version = {}, .page_limit = 0, .continue_token = {}, .only = key};
    const bool is_whole = co_await list_and_compare(request);
    if (!is_whole) {
      co_return false;
    }
    if (const std::optional<ResourceVersion> held = sink_.version_of(key)) {
      suspect_unlisted(key, *held);
    }
  }
  co_return true;
}

/// Whether the list was whole, and all of it understood.
asio::awaitable<bool> Auditor::list_and_compare(const ListRequest& request) {
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
  co_return page && page->continue_token.empty() && all_have_names;
}

void Auditor::suspect_unlisted(const ObjectKey& key, const ResourceVersion& held) {
  if (!listed_.contains(hash_of(key))) {
    suspect(key, "held at " + held + ", not listed");
  }
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
  const auto doubted = rechecks_.find(key);
  if (doubted != rechecks_.end() && !doubted->second.is_done) {
    rechecks_.erase(doubted);
  }
  if (is_under_way_ && touched_.size() <= kMaxTouched) {
    touched_.insert(key);
  }
}

Result<void> Auditor::judge(std::string_view what) {
  std::erase_if(suspects_, [this](const auto& entry) { return touched_.contains(entry.first); });
  touched_.clear();
  if (suspects_.empty()) {
    return {};
  }
  differences_ += suspects_.size();
  std::string text =
      std::string{what} + ": " + std::to_string(suspects_.size()) + " of the objects differ: ";
  std::size_t named = 0;
  for (const auto& [key, difference] : suspects_) {
    if (named == kMaxNamed) {
      text += ", and more";
      break;
    }
    text.append(named == 0 ? "" : ", ")
        .append(text_of(key))
        .append(" (")
        .append(difference)
        .append(")");
    ++named;
  }
  suspects_.clear();
  return Failure{Errc::audit_difference, std::move(text)};
}

}  // namespace k8s_client

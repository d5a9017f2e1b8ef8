// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <utility>

namespace router {

/// What several threads have added: each may add, and go through what the others have added;
/// nothing is removed before all is. Any thread. `T` is default constructible, and has a member `T*
/// next`.
template <class T>
class SharedList {
 public:
  SharedList() = default;
  SharedList(const SharedList&) = delete;
  SharedList& operator=(const SharedList&) = delete;
  ~SharedList() {
    for (T* each = first(); each != nullptr;) {
      delete std::exchange(each, each->next);
    }
  }

  [[nodiscard]] T& add() {
    auto* const added = new T;
    added->next = first_.load();
    while (!first_.compare_exchange_weak(added->next, added)) {
    }
    return *added;
  }

  /// The latest; the others follow by `next`. Null if there is none.
  [[nodiscard]] T* first() const noexcept { return first_.load(); }

 private:
  std::atomic<T*> first_{nullptr};
};

}  // namespace router

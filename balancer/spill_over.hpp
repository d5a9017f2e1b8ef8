// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace balancer {

/// Endpoints that are as good as each other, taken together.
struct GroupLoad {
  std::size_t n_usable = 0;     ///< those that may get requests now
  std::uint64_t in_flight = 0;  ///< requests with these

  /// One more of them that is usable.
  constexpr void add(std::uint32_t its_in_flight) noexcept {
    ++n_usable;
    in_flight += its_in_flight;
  }
  /// Whether they have fewer than that many requests each, in the mean. None has no room.
  [[nodiscard]] constexpr bool has_room(std::uint32_t for_each) const noexcept {
    return in_flight < n_usable * std::uint64_t{for_each};
  }
};

/// Which endpoints the next request may go to: the own ones, which are to be preferred (those of
/// the own zone), or the spare ones.
enum class Reach : std::uint8_t { own, spare, all };

/// The own ones while they have fewer than `busy_from` requests in flight each, in the mean; then
/// the spare ones, while that holds for them. With both busy it is all of them: so nobody waits for
/// an endpoint that another one could do the work of. Own ones that are not usable have no room,
/// so that the spare ones take over at once.
///
/// There is no second threshold for the way back: the load that goes over is what is more than the
/// own ones are to have, and nothing is lost by going there and back request by request.
[[nodiscard]] constexpr Reach reach_of_next(const GroupLoad& own,
                                            const GroupLoad& spare,
                                            std::uint32_t busy_from) noexcept {
  if (own.has_room(busy_from)) {
    return Reach::own;
  }
  return spare.has_room(busy_from) ? Reach::spare : Reach::all;
}

}  // namespace balancer

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/worker/timer_wheel.hpp"

#include <boost/intrusive/list.hpp>

namespace router {

/// Somebody whom none of a cluster's endpoints could take, and who waits for others, or for room.
/// Leaves the queue when destroyed.
class EndpointWaiter : public boost::intrusive::list_base_hook<
                           boost::intrusive::tag<class EndpointWaiters>,
                           boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void on_new_endpoints() = 0;

 protected:
  ~EndpointWaiter() = default;

 private:
  friend class Room;
  TimePoint until_{};  ///< when its wait for room ends
};

using EndpointWaiterList =
    boost::intrusive::list<EndpointWaiter,
                           boost::intrusive::base_hook<boost::intrusive::list_base_hook<
                               boost::intrusive::tag<EndpointWaiters>,
                               boost::intrusive::link_mode<boost::intrusive::auto_unlink>>>,
                           boost::intrusive::constant_time_size<false>>;

}  // namespace router

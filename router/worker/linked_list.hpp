// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/intrusive/list.hpp>

namespace router {

/// Base of what can be in one list for each `Tag`. Leaves it by `unlink`, or when destroyed.
template <class Tag>
using ListPlace =
    boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// Of what has a `ListPlace<Tag>` as its base. Owns nothing; its `size` costs a step for each.
template <class T, class Tag>
using LinkedList = boost::intrusive::list<T,
                                          boost::intrusive::base_hook<ListPlace<Tag>>,
                                          boost::intrusive::constant_time_size<false>>;

}  // namespace router

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/clock.hpp"
#include "k8s_client/source.hpp"
#include "k8s_client/store.hpp"
#include "router/config.hpp"

#include <cstdint>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

namespace router {

/// The source that `--source` names, which will fill `stores`; the log tells what it notices. The
/// references outlive it. `seed`: of its delays. Throws StartFailure where no API server is named.
[[nodiscard]] std::unique_ptr<k8s_client::Source> make_source(
    const Config& config,
    std::uint64_t seed,
    const boost::asio::any_io_executor& executor,
    k8s_client::Stores& stores,
    k8s_client::Clock& clock);

/// Throws StartFailure if the folder of `--source`, which has been read whole, holds a
/// configuration beside `--config`. The API's ConfigMap is not looked at beside a file.
void refuse_two_configurations(const Config& config, const k8s_client::Stores& stores);

}  // namespace router

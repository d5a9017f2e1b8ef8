# SPDX-License-Identifier: Apache-2.0
"""Envoy as a peer: one worker, the same protocol on both sides, and nothing that repeats a call which may have been
worked on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backends import Server
from bed import HOST, Bed, Failed

RETRIES = {"retry_on": "connect-failure,refused-stream", "num_retries": 3,
           "retry_host_predicate": [{
               "name": "envoy.retry_host_predicates.previous_hosts",
               "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3"
                                         ".PreviousHostsPredicate"}}]}


@dataclass(frozen=True)
class Cluster:
    """Servers behind one authority."""

    name: str
    authority: str  # `*`: any
    ports: Sequence[int]
    more: Mapping[str, object] = field(default_factory=dict)  # of Envoy's own fields of a cluster


def start_envoy(bed: Bed, clusters: Sequence[Cluster], *, is_http1: bool = False) -> Server:
    binary = os.environ.get("NODEWAY_BENCH_ENVOY")
    if not binary:
        raise Failed("NODEWAY_BENCH_ENVOY does not say where Envoy is; tests/bench/envoy.sh fetches it")
    port = bed.free_port()
    config = bed.folder / f"envoy-{port}.json"
    config.write_text(json.dumps(bootstrap(port, clusters, is_http1)))
    process = bed.start("envoy", [binary, "-c", config, "--concurrency", "1", "--disable-hot-restart",
                                  "--log-level", "critical"], is_measured=True)
    process.await_port(port)
    return Server(process, port)


def bootstrap(port: int, clusters: Sequence[Cluster], is_http1: bool) -> dict:
    hosts = [{"name": cluster.name, "domains": [cluster.authority],
              "routes": [{"match": {"prefix": "/"},
                          "route": {"cluster": cluster.name, "timeout": "0s", "retry_policy": RETRIES}}]}
             for cluster in clusters]
    manager = typed("envoy.filters.network.http_connection_manager",
                    "filters.network.http_connection_manager.v3.HttpConnectionManager",
                    stat_prefix="calls", codec_type="HTTP1" if is_http1 else "HTTP2",
                    http2_protocol_options={"max_concurrent_streams": 1000},
                    route_config={"virtual_hosts": hosts},
                    http_filters=[typed("envoy.filters.http.router", "filters.http.router.v3.Router")])
    listener = {"name": "calls", "address": address(port), "filter_chains": [{"filters": [manager]}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster_of(one, is_http1) for one in clusters]}}


def cluster_of(cluster: Cluster, is_http1: bool) -> dict:
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    protocol = "http_protocol_options" if is_http1 else "http2_protocol_options"
    options = typed(name, "upstreams.http.v3.HttpProtocolOptions", explicit_http_config={protocol: {}})
    endpoints = [{"endpoint": {"address": address(port)}} for port in cluster.ports]
    return {"name": cluster.name, "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": {name: options["typed_config"]},
            "load_assignment": {"cluster_name": cluster.name, "endpoints": [{"lb_endpoints": endpoints}]},
            **cluster.more}


def address(port: int) -> dict:
    return {"socket_address": {"address": HOST, "port_value": port}}


def typed(name: str, kind: str, **fields: object) -> dict:
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **fields}}

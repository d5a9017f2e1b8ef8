# SPDX-License-Identifier: Apache-2.0
"""The objects of a large cluster, as its controllers write them: Services, and one EndpointSlice of each."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

SERVICES = 10_000
ENDPOINTS = 15  # of each, so 150,000 in all
NAMESPACES = 100
NODES = 5_000  # that the endpoints say they are on
ZONES = 3
PORT = 8080

PROBE_NAMESPACE, PROBE_NAME = "bench", "echo"  # the one Service whose endpoints exist


def namespace(service: int) -> str:
    return f"team-{service % NAMESPACES:02}"


def name(service: int) -> str:
    return f"service-{service:05}"


def services_path(space: str) -> str:
    return f"/api/v1/namespaces/{space}/services"


def slices_path(space: str) -> str:
    return f"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices"


def service_object(space: str, called: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": called, "namespace": space, "labels": {"app.kubernetes.io/name": called}},
        "spec": {"selector": {"app.kubernetes.io/name": called},
                 "ports": [{"name": "grpc", "port": 80, "targetPort": PORT, "protocol": "TCP"}]},
    }


def slice_object(space: str, called: str, port: int, endpoints: list[Object]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{called}-slice",
            "namespace": space,
            "labels": {
                "app.kubernetes.io/name": called,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": called,
            },
        },
        "addressType": "IPv4",
        "ports": [{"name": "grpc", "port": port, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


def endpoint(space: str, pod: str, number: int, address: str, is_ready: bool) -> Object:
    """`number` tells it from all others, and where it runs."""
    return {
        "addresses": [address],
        "conditions": {"ready": is_ready, "serving": is_ready, "terminating": False},
        "nodeName": f"node-{number % NODES:04}",
        "zone": f"zone-{number % ZONES}",
        "targetRef": {"kind": "Pod", "namespace": space, "name": pod,
                      "uid": f"00000000-0000-4000-8000-{number:012}"},
    }


def large_slice(service: int, generation: int) -> Object:
    """The slice of a Service. Each generation has another endpoint that is not ready, generation 0 has none."""
    space, called = namespace(service), name(service)
    endpoints = []
    for i in range(ENDPOINTS):
        number = service * ENDPOINTS + i
        address = f"10.{128 + (number >> 16)}.{number >> 8 & 0xFF}.{number & 0xFF}"
        is_ready = generation == 0 or generation % ENDPOINTS != i
        endpoints.append(endpoint(space, f"{called}-7d9f8b6c5d-{i:05}", number, address, is_ready))
    return slice_object(space, called, PORT, endpoints)


def probe_slice(address: str, port: int) -> Object:
    """Leads to one pod, which answers."""
    pod = f"{PROBE_NAME}-{address.rpartition('.')[2]}"
    number = SERVICES * ENDPOINTS + int(address.rpartition(".")[2])
    return slice_object(PROBE_NAMESPACE, PROBE_NAME, port,
                        [endpoint(PROBE_NAMESPACE, pod, number, address, is_ready=True)])

# SPDX-License-Identifier: Apache-2.0
"""Names outside of the cluster: `externalNames` in the ConfigMap, ExternalName Services in the API, and the DNS server
of the routers' own /etc/resolv.conf."""

from __future__ import annotations

from router import Routers
from testbed.bed import TestBed
from testbed.wait import wait_until
from web import PORT, Caller, address_of, make_pod

_TTL_S = 5
"""The least that the routers take."""
_NEWS_S = 30
"""Until an answer of DNS is in force: its TTL, and what a busy machine adds."""


def _external_service(bed: TestBed, namespace: str, name: str, stands_for: str) -> None:
    spec = {"type": "ExternalName", "externalName": stands_for}
    bed.api.create(f"/api/v1/namespaces/{namespace}/services", {"metadata": {"name": name}, "spec": spec})


def test_a_name_outside_is_reached_by_itself_and_by_a_service_that_stands_for_it(
    bed: TestBed, routers: Routers, namespace: str, configuration: str
) -> None:
    outside = make_pod(bed, namespace, "outside", "node-2", in_service=False)
    bed.dns.set("web.example.com", address_of(outside), ttl_s=_TTL_S)
    _external_service(bed, namespace, "pay", "web.example.com")
    caller = Caller(bed, namespace)

    routers.configure_and_wait(f"version: 1\nexternalNames: ['web.example.com:{PORT}']\n")
    _wait_for(caller, f"pay.{namespace}", "outside")

    assert [reply.body for reply in caller.ask(f"web.example.com:{PORT}", f"pay.{namespace}", "pay")] == ["outside"] * 3
    assert [reply.error for reply in caller.ask("web.example.com:9090")] == ["unknown_port"]
    assert bed.dns.questions["web.example.com"] >= 2  # A and AAAA


def test_what_dns_says_next_is_followed(bed: TestBed, routers: Routers, namespace: str, configuration: str) -> None:
    former = make_pod(bed, namespace, "former", "node-2", in_service=False)
    latter = make_pod(bed, namespace, "latter", "node-3", in_service=False)
    bed.dns.set("moving.example.com", address_of(former), ttl_s=_TTL_S)
    caller = Caller(bed, namespace)
    routers.configure_and_wait(f"version: 1\nexternalNames: ['moving.example.com:{PORT}']\n")
    _wait_for(caller, f"moving.example.com:{PORT}", "former")

    bed.dns.set("moving.example.com", address_of(latter), ttl_s=_TTL_S)

    _wait_for(caller, f"moving.example.com:{PORT}", "latter")


def test_names_that_nobody_allows_are_neither_reached_nor_looked_up(
    bed: TestBed, routers: Routers, namespace: str, configuration: str
) -> None:
    outside = make_pod(bed, namespace, "outside", "node-2", in_service=False)
    bed.dns.set("secret.example.com", address_of(outside), ttl_s=_TTL_S)
    bed.dns.set("here.example.com", "127.0.0.1", "169.254.169.254", ttl_s=_TTL_S)
    _external_service(bed, namespace, "secret", "secret.example.com")
    caller = Caller(bed, namespace)

    routers.configure_and_wait(f"version: 1\nexternalNames: ['here.example.com:{PORT}']\n")
    wait_until(lambda: bed.dns.questions["here.example.com"] > 0, _NEWS_S, "the question for here.example.com")
    by_name, by_service, here = caller.ask("secret.example.com", f"secret.{namespace}", f"here.example.com:{PORT}")

    assert by_name.error == "unknown_service"
    assert by_service.error == "unknown_service"
    assert "ExternalName" in by_service.body
    assert here.error == "no_endpoints"
    assert bed.dns.questions["secret.example.com"] == 0


def _wait_for(caller: Caller, authority: str, name: str) -> None:
    wait_until(lambda: caller.ask(authority)[0].body == name, _NEWS_S, f"{name} to answer for {authority}")

# SPDX-License-Identifier: Apache-2.0
"""The test bed itself: what it promises about nodes, pods and Services, shown with a few lines of Python as the app."""

from __future__ import annotations

import json
import textwrap
import time
import urllib.error
import urllib.request

import pytest

from router import Routers
from testbed.api import Object
from testbed.bed import TestBed
from testbed.wait import wait_until

# Answers each request with what the process sees of itself; tells the paths that were asked for in its log.
_APP = textwrap.dedent(
    """
    import http.server, json, os, signal, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            print("GET", self.path, flush=True)
            if self.path == "/broken" or self.path == "/healthz" and os.path.exists("/tmp/sick"):
                return self.send_error(500)
            try:
                open("/written", "w").close()
                writes = True
            except OSError:
                writes = False
            status = dict(line.split(":\\t") for line in open("/proc/self/status") if ":\\t" in line)
            body = json.dumps({"env": dict(os.environ), "peer": self.client_address[0], "writes_to_root": writes,
                               "pid": os.getpid(), "host": os.uname().nodename, "status": status}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def stop(*_):
        print("SIGTERM", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
    """
)


def _container(**more: object) -> Object:
    return {
        "name": "app",
        "image": "python",
        "args": ["-c", _APP],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        **more,
    }


def _pod(name: str, container: Object, **spec: object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 5, "containers": [container], **spec},
    }


def _apply(bed: TestBed, namespace: str, pod: Object) -> None:
    pod["metadata"]["namespace"] = namespace
    bed.apply(pod)


def _run(bed: TestBed, namespace: str, pod: Object) -> Object:
    _apply(bed, namespace, pod)
    return bed.wait_for_pods(namespace, f"app={pod['metadata']['name']}", 1)[0]


def _ask(address: str, port: int = 8080, path: str = "/") -> Object:
    with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=5) as reply:
        return json.load(reply)


def _container_status(bed: TestBed, namespace: str) -> Object:
    """Of the only pod's only container; empty before the kubelet has told any."""
    statuses = bed.pods(namespace)[0].get("status", {}).get("containerStatuses", [])
    return statuses[0] if statuses else {}


def _log(bed: TestBed, namespace: str) -> str:
    return bed.log_of(bed.pods(namespace)[0])


def test_deployment_spreads_over_nodes_and_its_pods_appear_in_slices(bed: TestBed, namespace: str) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [_container()]}}
    bed.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]},
        },
    )

    pods = bed.wait_for_pods(namespace, "app=web", 3)

    assert len({pod["spec"]["nodeName"] for pod in pods}) == 3
    addresses = {pod["status"]["podIP"] for pod in pods}
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"

    def ready_addresses() -> set[str]:
        endpoints = [e for s in bed.api.get(slices)["items"] for e in s["endpoints"] or []]
        return {e["addresses"][0] for e in endpoints if e["conditions"]["ready"]}

    wait_until(lambda: ready_addresses() == addresses, 20, "all pods in the slices")
    assert {_ask(address)["host"] for address in addresses} == {pod["metadata"]["name"] for pod in pods}


def test_downward_api_and_references_reach_the_environment(bed: TestBed, namespace: str) -> None:
    env = [
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "ROUTER", "value": "$(HOST_IP):4140"},
    ]

    pod = _run(bed, namespace, _pod("downward", _container(env=env)))

    seen = _ask(pod["status"]["podIP"])["env"]
    assert seen["NODE_NAME"] == pod["spec"]["nodeName"]
    assert seen["POD_IP"] == pod["status"]["podIP"]
    assert seen["ROUTER"] == f"{pod['status']['hostIP']}:4140"
    assert seen["KUBERNETES_SERVICE_HOST"]


def test_host_port_keeps_the_address_of_a_caller_on_the_same_node(bed: TestBed, namespace: str) -> None:
    port = {"containerPort": 8080, "hostPort": 18080, "name": "http"}
    server = _run(bed, namespace, _pod("server", _container(ports=[port])))
    node = server["spec"]["nodeName"]
    caller = _run(bed, namespace, _pod("caller", _container(), nodeSelector={"kubernetes.io/hostname": node}))
    fetch = f"import urllib.request as u; print(u.urlopen('http://{server['status']['hostIP']}:18080').read().decode())"

    done = bed.execute(caller, "python3", "-c", fetch)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["peer"] == caller["status"]["podIP"]


def test_a_pod_of_the_hosts_network_has_the_nodes_address_and_name(bed: TestBed, namespace: str) -> None:
    pod = _run(bed, namespace, _pod("host", _container(), hostNetwork=True))

    node = next(node for node in bed.nodes if node.name == pod["spec"]["nodeName"])
    assert pod["status"]["podIP"] == pod["status"]["hostIP"] == node.network.address
    assert _ask(node.network.address)["env"]["HOSTNAME"] == node.name
    assert bed.execute(pod, "readlink", "/proc/self/ns/net").stdout == node.network.execute(
        "readlink", "/proc/self/ns/net"
    )


def test_security_context_is_enforced(bed: TestBed, namespace: str) -> None:
    context = {
        "runAsUser": 65532,
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }

    pod = _run(bed, namespace, _pod("restricted", _container(securityContext=context)))

    seen = _ask(pod["status"]["podIP"])
    assert seen["status"]["Uid"].split() == ["65532"] * 4
    assert int(seen["status"]["CapEff"], 16) == int(seen["status"]["CapBnd"], 16) == 0
    assert seen["status"]["NoNewPrivs"].strip() == "1"
    assert not seen["writes_to_root"]


def test_without_a_security_context_root_may_write(bed: TestBed, namespace: str) -> None:
    pod = _run(bed, namespace, _pod("plain", _container()))

    seen = _ask(pod["status"]["podIP"])
    assert seen["status"]["Uid"].split()[0] == "0"
    assert int(seen["status"]["CapEff"], 16) != 0
    assert seen["writes_to_root"]
    assert seen["pid"] == 1


def test_run_as_non_root_refuses_an_image_of_root(bed: TestBed, namespace: str) -> None:
    _apply(bed, namespace, _pod("refused", _container(securityContext={"runAsNonRoot": True})))

    def reason() -> str:
        return _container_status(bed, namespace).get("state", {}).get("waiting", {}).get("reason", "")

    wait_until(lambda: reason() == "CreateContainerConfigError", 20, "the refusal")


def test_service_account_token_works_and_rotates(bed: TestBed, namespace: str) -> None:
    pod = _run(bed, namespace, _pod("account", _container()))
    mount = "/var/run/secrets/kubernetes.io/serviceaccount"
    review = f"""
import json, os, ssl, urllib.request as u
token = open("{mount}/token").read()
url = "https://%(KUBERNETES_SERVICE_HOST)s:%(KUBERNETES_SERVICE_PORT)s" % os.environ
r = u.Request(url + "/apis/authentication.k8s.io/v1/selfsubjectreviews", method="POST",
    data=json.dumps(dict(apiVersion="authentication.k8s.io/v1", kind="SelfSubjectReview")).encode(),
    headers=dict(Authorization="Bearer " + token))
r.add_header("content-type", "application/json")
tls = ssl.create_default_context(cafile="{mount}/ca.crt")
print(json.load(u.urlopen(r, context=tls))["status"]["userInfo"]["username"])
print(open("{mount}/namespace").read())
print(token)
"""

    before = bed.execute(pod, "python3", "-c", review)
    bed.runner(pod).rotate_tokens()
    after = bed.execute(pod, "python3", "-c", review)

    assert before.returncode == after.returncode == 0, before.stderr + after.stderr
    user, seen_namespace, token = before.stdout.split()
    assert user == f"system:serviceaccount:{namespace}:default"
    assert seen_namespace == namespace
    assert after.stdout.split()[:2] == [user, seen_namespace]
    assert after.stdout.split()[2] != token


def test_configmap_volume_shows_its_keys(bed: TestBed, namespace: str) -> None:
    bed.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": namespace},
            "data": {"a.txt": "alpha"},
        }
    )
    volumes = [{"name": "settings", "configMap": {"name": "settings"}}]
    mounts = [{"name": "settings", "mountPath": "/settings"}]

    pod = _run(bed, namespace, _pod("volume", _container(volumeMounts=mounts), volumes=volumes))

    assert bed.execute(pod, "cat", "/settings/a.txt").stdout == "alpha"


def test_readiness_follows_its_probe(bed: TestBed, namespace: str) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1}
    pod = _run(bed, namespace, _pod("moody", _container(readinessProbe=probe)))

    bed.execute(pod, "touch", "/tmp/sick")

    def condition() -> str:
        conditions = bed.pods(namespace)[0]["status"]["conditions"]
        return next(entry["status"] for entry in conditions if entry["type"] == "Ready")

    wait_until(lambda: condition() == "False", 20, "the pod to be unready")
    bed.execute(pod, "rm", "/tmp/sick")
    wait_until(lambda: condition() == "True", 20, "the pod to be ready again")


@pytest.mark.parametrize("kind", ["livenessProbe", "startupProbe"])
def test_a_failed_probe_restarts_the_container(bed: TestBed, namespace: str, kind: str) -> None:
    probe = {"httpGet": {"path": "/broken", "port": "http"}, "periodSeconds": 1, "failureThreshold": 2}
    _apply(bed, namespace, _pod("mortal", _container(**{kind: probe})))

    wait_until(lambda: _container_status(bed, namespace).get("restartCount", 0) >= 1, 30, "a restart")


def test_no_other_probe_is_sent_before_the_startup_probe_has_passed(bed: TestBed, namespace: str) -> None:
    probes = {
        "startupProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": {"httpGet": {"path": "/is-ready", "port": "http"}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/is-alive", "port": "http"}, "periodSeconds": 1},
    }
    begins_sick = ["-c", "open('/tmp/sick', 'w').close()\n" + _APP]
    _apply(bed, namespace, _pod("slow", _container(args=begins_sick, **probes)))
    wait_until(lambda: _log(bed, namespace).count("GET /healthz") >= 3, 30, "three startup probes")
    before, log_before = _container_status(bed, namespace), _log(bed, namespace)

    bed.execute(bed.pods(namespace)[0], "rm", "/tmp/sick")

    bed.wait_for_pods(namespace, "app=slow", 1)
    wait_until(lambda: "GET /is-alive" in _log(bed, namespace), 20, "a liveness probe")
    assert not before["started"]
    assert not before["ready"]
    assert "/is-" not in log_before
    assert _container_status(bed, namespace)["restartCount"] == 0


def test_a_tcp_probe_passes_once_the_container_listens(bed: TestBed, namespace: str) -> None:
    probe = {"tcpSocket": {"port": "http"}, "periodSeconds": 1}
    listens_later = "import os, time\nwhile not os.path.exists('/tmp/listen'): time.sleep(0.1)\n" + _APP
    _apply(bed, namespace, _pod("tcp", _container(args=["-c", listens_later], readinessProbe=probe)))
    wait_until(lambda: "running" in _container_status(bed, namespace).get("state", {}), 20, "the container to run")
    before = _container_status(bed, namespace)

    bed.execute(bed.pods(namespace)[0], "touch", "/tmp/listen")

    bed.wait_for_pods(namespace, "app=tcp", 1)
    assert not before["ready"]
    assert "GET" not in _log(bed, namespace)


def test_deletion_sends_sigterm_and_the_object_goes_with_the_process(bed: TestBed, namespace: str) -> None:
    pod = _run(bed, namespace, _pod("leaving", _container()))

    bed.kubectl("-n", namespace, "delete", "pod", "leaving", "--timeout=20s")

    assert "SIGTERM" in bed.log_of(pod)
    with pytest.raises(urllib.error.URLError):
        _ask(pod["status"]["podIP"])


@pytest.mark.parametrize(
    "hook",
    [
        {"exec": {"command": ["sh", "-c", "echo the hook >> /proc/1/fd/1"]}},
        {"httpGet": {"path": "/the-hook", "port": "http"}},
    ],
    ids=["exec", "httpGet"],
)
def test_a_pre_stop_hook_has_run_when_sigterm_comes(bed: TestBed, namespace: str, hook: Object) -> None:
    pod = _run(bed, namespace, _pod("hooked", _container(lifecycle={"preStop": hook})))

    bed.kubectl("-n", namespace, "delete", "pod", "hooked", "--timeout=20s")

    log = bed.log_of(pod)
    assert log.count("hook") == 1
    assert log.index("hook") < log.index("SIGTERM")


def test_a_pre_stop_sleep_delays_sigterm(bed: TestBed, namespace: str) -> None:
    sleep = {"preStop": {"sleep": {"seconds": 3}}}
    _run(bed, namespace, _pod("patient", _container(lifecycle=sleep), terminationGracePeriodSeconds=10))
    began = time.monotonic()

    bed.kubectl("-n", namespace, "delete", "pod", "patient", "--timeout=20s")

    assert time.monotonic() - began >= 3


def test_a_container_that_ignores_sigterm_is_killed_after_its_grace_period(bed: TestBed, namespace: str) -> None:
    stubborn = _container(args=["-c", "import signal; signal.signal(15, signal.SIG_IGN)\n" + _APP])
    stubborn["args"][1] = stubborn["args"][1].replace("signal.signal(signal.SIGTERM, stop)", "")
    pod = _pod("stubborn", stubborn, terminationGracePeriodSeconds=1)
    _run(bed, namespace, pod)

    bed.kubectl("-n", namespace, "delete", "pod", "stubborn", "--timeout=20s")

    assert bed.pods(namespace) == []


def test_pods_survive_an_outage_of_the_api_server(bed: TestBed, routers: Routers, namespace: str) -> None:
    pod = _run(bed, namespace, _pod("steady", _container()))

    bed.outage(1)

    assert bed.wait_for_pods(namespace, "app=steady", 1)[0]["metadata"]["uid"] == pod["metadata"]["uid"]
    assert _ask(pod["status"]["podIP"])["pid"] == 1
    _run(bed, namespace, _pod("later", _container()))
    # Their back-off of up to 30 s belongs to no other test.
    routers.wait_for_watches()

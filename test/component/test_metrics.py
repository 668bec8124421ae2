# SPDX-License-Identifier: Apache-2.0
"""The HTTP endpoint of vdpa-metrics."""

import socket
import urllib.error
import urllib.request

import pytest

from conftest import LIMIT, name

import test_verdicts


def free_port(family=socket.AF_INET, address="127.0.0.1"):
    with socket.socket(family) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=LIMIT) as answer:
        assert answer.headers["Content-Type"].startswith(
            "text/plain; version=0.0.4")
        return answer.read().decode()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), LIMIT)


def exchange(port, request):
    """What comes back for raw bytes."""
    with connect(port) as s:
        s.sendall(request)
        answer = b""
        while True:
            try:
                part = s.recv(65536)
            except ConnectionResetError:
                return answer
            if not part:
                return answer
            answer += part


def is_refused(port):
    try:
        connect(port).close()
        return False
    except ConnectionRefusedError:
        return True


def is_served(url):
    try:
        return get(url)
    except (urllib.error.URLError, ConnectionError):
        return None


@pytest.fixture
def port(ready):
    n = free_port()
    ready.set_keys(vdpa_metrics="127.0.0.1:%d" % n)
    ready.wait_until(lambda: is_served("http://127.0.0.1:%d/metrics" % n),
                     "metrics")
    return n


def test_figures(ready, port):
    rep = test_verdicts.rep(ready, 0)
    test_verdicts.wait_verdict(ready, name(0), "offloaded",
                               test_verdicts.Traffic(ready, rep), hw=100)
    text = get("http://127.0.0.1:%d/metrics" % port)
    packets = ready.json("device/show", name(0))["offload"]["hw_packets"]
    assert ('ovs_vdpad_device_packets_total{device="%s",class="hw"} %d\n'
            % (name(0), packets)) in text
    assert ('ovs_vdpad_device_offload{device="%s",verdict="offloaded"} 1\n'
            % name(0)) in text
    assert text.endswith("\n")

    # A family of counters ends in _total, and only such.
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split()
            assert family.endswith("_total") == (kind == "counter"), line
    head = exchange(port, b"HEAD /metrics?x=1 HTTP/1.1\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"\r\n\r\n")


def test_ipv6_and_switched_off(ready):
    try:
        n = free_port(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    ready.set_keys(vdpa_metrics="[::1]:%d" % n)
    ready.wait_until(lambda: is_served("http://[::1]:%d/metrics" % n),
                     "metrics")
    other = free_port()
    ready.set_keys(vdpa_metrics="127.0.0.1:%d" % other)
    ready.wait_until(lambda: is_served("http://127.0.0.1:%d/metrics" % other),
                     "metrics at the other address")
    assert not is_served("http://[::1]:%d/metrics" % n)
    ready.remove_key("vdpa-metrics")
    ready.wait_until(lambda: is_refused(other), "nobody listens")


def test_bad_requests(ready, port):
    cases = (
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metricsx HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /../metrics HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"405"),
        (b"\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"\0\xff\x1b[2J\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nX: " + 4096 * b"x", b"431"),
        (b"GET /" + 4096 * b"x", b"414"),
    )
    for request, status in cases:
        answer = exchange(port, request)
        assert answer.startswith(b"HTTP/1.1 " + status), (request, answer)
    assert get("http://127.0.0.1:%d/metrics" % port)


def test_slow_clients(ready, port):
    """Sixteen that say nothing keep others out only until they are dropped;
    nobody else notices."""
    slow = [connect(port) for _ in range(16)]
    try:
        slow[0].sendall(b"GET /metrics HT")
        ready.wait_until(
            lambda: exchange(port, b"GET /metrics HTTP/1.0\r\n\r\n"
                             ).startswith(b"HTTP/1.1 503"),
            "an answer that there are too many")
        assert ready.json("status")["devices"]["ready"] == 4
        ready.wait_until(lambda: is_served(
            "http://127.0.0.1:%d/metrics" % port), "service again")
        assert slow[1].recv(1) == b""
    finally:
        for s in slow:
            s.close()


def test_clients_that_leave(ready, port):
    for _ in range(50):
        with connect(port) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    ready.wait_until(lambda: is_served("http://127.0.0.1:%d/metrics" % port),
                     "metrics")


def test_port_taken(ready):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        taken = s.getsockname()[1]
        ready.set_keys(vdpa_metrics="127.0.0.1:%d" % taken)
        problem = ready.wait_until(
            lambda: [p for p in ready.json("status")["problems"]
                     if "metrics cannot be served" in p], "the problem")[0]
        assert "Address already in use" in problem
        assert "vdpa-metrics" in problem
    ready.wait_until(lambda: is_served(
        "http://127.0.0.1:%d/metrics" % taken), "metrics once it is free")
    assert ready.json("status")["problems"] == []


def test_dry_run_leaves_the_port_to_who_is_at_work(bare):
    bare.start_ovs()
    port = free_port()
    bare.set_raw({"vdpa-metrics": "127.0.0.1:%d" % port})
    bare.start_daemon("--dry-run", script="add-pf 0000:65:00.0 8 p0")
    bare.wait_until(lambda: bare.json("status")["database"]["connected"]
                    and bare.plan() is not None, "the configuration is read")
    assert is_refused(port)
    assert bare.json("status")["healthy"]

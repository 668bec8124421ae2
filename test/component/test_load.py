# SPDX-License-Identifier: Apache-2.0
"""Much of everything: ports of others, status queries, clients that do not
read.  What is judged are counts, memory and the processor's time, not how long
it takes: machines differ."""

import json
import os
import resource
import socket
import threading

import pytest

from conftest import name

N_PORTS = 1000
N_QUERIES = 1000
N_CLIENTS = 40


@pytest.fixture
def lean(bare):
    """As 'ready', with a daemon that keeps no freed memory to catch its
    use."""
    bare.env["ASAN_OPTIONS"] = (bare.env.get("ASAN_OPTIONS", "")
                                + ":quarantine_size_mb=1"
                                + ":thread_local_quarantine_size_kb=64")
    bare.start_ovs()
    bare.start_daemon(script="add-pf 0000:65:00.0 8 p0")
    bare.policy("pf=0000:65:00.0 num-vfs=4 vdpa-type=vhost")
    bare.wait_ready(4)
    return bare


def resident_kb(host):
    with open("/proc/%d/status" % host.daemon.pid, encoding="ascii") as f:
        return int(next(line for line in f
                        if line.startswith("VmRSS:")).split()[1])


def descriptors(host):
    return len(os.listdir("/proc/%d/fd" % host.daemon.pid))


def turns(host):
    return host.json("loop/show")["turns"]


def requests(host):
    return next(int(line.split()[1])
                for line in host.vdpad("metrics").splitlines()
                if line.startswith("ovs_vdpad_kernel_requests_total "))


class Client:
    """Speaks JSON-RPC with the status socket."""

    def __init__(self, host):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(host.dir + "/vdpad.ctl")
        self.socket.settimeout(60)
        self.n_sent = 0
        self.text = ""

    def ask(self, method, *params):
        """Sends one request; False when there is no room for it."""
        self.n_sent += 1
        try:
            return self.socket.send(json.dumps(
                {"id": self.n_sent, "method": method,
                 "params": params}).encode()) > 0
        except BlockingIOError:
            return False

    def answers(self, n):
        """The next 'n' answers."""
        decoder = json.JSONDecoder()
        found = []
        while len(found) < n:
            try:
                answer, end = decoder.raw_decode(self.text)
                self.text = self.text[end:].lstrip()
                found.append(answer)
            except json.JSONDecodeError:
                data = self.socket.recv(1 << 16)
                assert data, "the daemon has closed the connection"
                self.text += data.decode()
        return found


def test_many_ports_of_others(lean):
    """They are neither touched nor make the daemon turn again and again."""
    host = lean
    steps = host.steps()
    words = []
    for i in range(N_PORTS):
        words += ["--", "add-port", "br-int", "other%d" % i,
                  "--", "set", "Interface", "other%d" % i, "type=dummy",
                  "external_ids:iface-id=lp%d" % i]
    before = turns(host)
    host.json("loop/show", "--reset")
    host.vsctl(*words[1:])          # Waits for ovs-vswitchd.
    host.wait_ready(4)
    assert len(host.ports()) == N_PORTS + 4
    assert host.steps() == steps
    host.assert_short_turns(30)
    # Not a turn for each.
    assert turns(host) - before < N_PORTS / 2

    before = turns(host)
    host.set_keys(vdpa_port_lsp="policy=a")
    host.wait_until(lambda: host.devices()[name(0)]["iface_id"] == "lsp"
                    or any(d["iface_id"] == "lsp"
                           for d in host.devices().values()), "the port")
    host.assert_short_turns(30)

    # Keys that wait for a device do not look at all of them each.
    n = 4000
    for i in range(0, n, 500):
        host.set_raw({"vdpa-port-%04d" % j: "policy=a"
                      for j in range(i, i + 500)})
    host.wait_until(lambda: len(host.json("status")["problems"]) == n - 3,
                    "all problems")
    host.json("loop/show", "--reset")
    host.replan()
    host.assert_short_turns(15)
    host.vsctl("--no-wait", "remove", "Open_vSwitch", ".", "external_ids",
               *("vdpa-port-%04d" % j for j in range(n)))
    host.wait_until(lambda: not host.json("status")["problems"],
                    "no problem")

    before = turns(host)
    host.remove_key("vdpa-policy-a")
    host.wait_until(lambda: len(host.ports()) == N_PORTS, "removal")
    assert all(p.startswith("other") for p in host.ports())
    host.assert_short_turns(30)
    assert turns(host) - before < N_PORTS / 2


def test_many_ports_without_a_device(lean):
    """As when a card is away: each is a problem, and none of them costs the
    more for the others."""
    n = 2048
    for i in range(0, n, 256):
        lean.set_raw({"vdpa-port-%04d" % j: "device=nosuch%d" % j
                      for j in range(i, i + 256)})
    lean.wait_until(lambda: len(lean.json("status")["problems"]) == n,
                    "all problems")
    lean.assert_short_turns(50)
    assert " more problems: see status --json" in lean.log()
    told = lean.log().count("there is no such device")
    assert told < n / 2
    # One that goes does not make news of the others.
    lean.remove_key("vdpa-port-0000")
    lean.wait_until(lambda: len(lean.json("status")["problems"]) == n - 1,
                    "one problem less")
    assert lean.log().count("there is no such device") == told
    lean.assert_short_turns(50)


def test_a_thousand_queries(lean):
    """All are answered, from few observations, and nothing of them stays."""
    host = lean
    clients = [Client(host) for _ in range(4)]
    for client in clients:          # What is allocated once.
        client.ask("status", "--json")
        client.answers(1)
    memory, n_fds = resident_kb(host), descriptors(host)
    for _ in range(4):
        n_requests, n_turns = requests(host), turns(host)
        for _ in range(N_QUERIES // 40):
            for client in clients:
                for _ in range(10):
                    assert client.ask("status", "--json")
            for client in clients:
                for answer in client.answers(10):
                    assert answer["error"] is None
                    status = json.loads(answer["result"])
                    assert status["devices"]["ready"] == 4
        assert turns(host) - n_turns < N_QUERIES / 2
        assert requests(host) - n_requests < N_QUERIES / 4
    host.wait_until(lambda: descriptors(host) <= n_fds, "no more descriptors")
    assert resident_kb(host) - memory < 16 << 10


def test_queries_without_end(lean):
    """Whoever asks has pictures taken anew, some of them slowly.  Those who
    always do keep no step from being taken."""
    host = lean
    for class_, ms in ("holder", 400), ("vdpa", 130), ("link", 40), \
            ("vbus", 40):
        host.fake("set", class_, str(ms))
    is_over = threading.Event()

    def ask(command):
        client = Client(host)
        while not is_over.is_set():
            client.ask(command, "--json")
            client.answers(1)

    threads = [threading.Thread(target=ask, args=(command,)) for command in
               ("status", "why", "flow/stats", "pf/list",
                "representor/list")]
    for thread in threads:
        thread.start()
    try:
        host.remove_key("vdpa-policy-a")
        host.wait_kernel(lambda k: k["vdpa"] == [], "removal")
        host.policy("pf=0000:65:00.0 num-vfs=4 vdpa-type=vhost")
        host.wait_kernel(lambda k: len(k["vdpa"]) == 4, "four devices")
        # Nor those who compare.
        host.wait_until(lambda: host.json("verify")["equal"], "no difference")
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_clients_that_do_not_read(lean):
    """Each has one answer under way at most; others are served."""
    host = lean
    host.fake("flow", "pf0vf0", "hw=2000")
    host.json("flow/list")          # What is allocated once.
    memory = resident_kb(host)
    clients = [Client(host) for _ in range(N_CLIENTS)]
    for client in clients:
        client.socket.setblocking(False)
    for _ in range(20):
        for client in clients:
            client.ask("flow/list", "--json")
        host.json("status")
    n_turns = turns(host)
    for _ in range(20):
        host.json("status")
    # Those who wait to be read from wake nobody.
    assert turns(host) - n_turns < 200
    # An answer is 2 MB and more; 20 of each would be 1.6 GB.
    assert resident_kb(host) - memory < N_CLIENTS * (8 << 10)
    for client in clients:
        client.socket.close()
    host.wait_until(lambda: descriptors(host) < N_CLIENTS,
                    "their descriptors are closed")
    assert host.json("status")["devices"]["ready"] == 4


def test_more_connections_than_descriptors(lean):
    """Those of the daemon itself stay free, it does not turn about those whom
    it cannot accept, and goes on when there are some again."""
    host = lean
    resource.prlimit(host.daemon.pid, resource.RLIMIT_NOFILE, (64, 64))
    known = Client(host)
    def n_turns():
        known.ask("loop/show", "--json")
        return json.loads(known.answers(1)[0]["result"])["turns"]
    n_turns()
    idle = [Client(host) for _ in range(60)]
    # It is noticed with the next one that cannot be accepted.
    host.wait_until(lambda: "has so many clients" in host.log(), "a warning")
    assert descriptors(host) <= 33
    before = n_turns()
    for _ in range(10):
        known.ask("status", "--json")
        assert known.answers(1)[0]["error"] is None
    # Two or three for each look at the socket.
    assert n_turns() - before < 60

    # It works on meanwhile.
    host.remove_key("vdpa-policy-a")
    host.wait_until(lambda: not host.ports(), "removal")
    for client in idle:
        client.socket.close()
    host.wait_until(lambda: host.json("status")["devices"]["total"] == 0,
                    "it serves again")

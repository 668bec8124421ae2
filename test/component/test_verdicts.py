# SPDX-License-Identifier: Apache-2.0
"""Verdicts on offload, and their copies in the database."""

import json
import os
import subprocess
import time

import pytest

from conftest import LIMIT, PF, name, ovsdb_value

KEY = "vdpa-offload"


class Traffic:
    """Counts packets of representors."""

    def __init__(self, host, netdev="*"):
        self.host, self.netdev = host, netdev
        self.hw = self.sw = self.slow = 0

    def passes(self, hw=0, sw=0, kernel=0, flows="hw=2"):
        self.hw += hw
        self.sw += sw
        self.slow += sw + kernel
        self.host.fake("flow", self.netdev, flows, "packets=%d" % self.hw,
                       "sw-packets=%d" % self.sw, "hit=%d" % self.slow,
                       "rx=%d" % (self.hw + self.slow))


def wait_verdict(host, device, verdict, traffic, **packets):
    """Has packets pass until the verdict is reached."""
    def is_so():
        traffic.passes(**packets)
        offload = host.json("device/show", device)["offload"]
        return offload["verdict"] == verdict and offload
    return host.wait_until(is_so, "%s is %s" % (device, verdict))


def wait_key(host, port, verdict):
    host.wait_until(
        lambda: host.interface(port).get(KEY) == verdict,
        "%s of %s is %s" % (KEY, port, verdict))


class Monitor:
    """All transactions that change external_ids of Interfaces."""

    def __init__(self, host):
        self.host = host
        self.path = os.path.join(host.dir, "monitor.out")
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                ["ovsdb-client", "--format=json", "monitor", host.remote,
                 "Open_vSwitch", "Interface", "name,external_ids"],
                env=host.env, stdout=out)
        self.marks = 0
        host.wait_until(lambda: self.read(), "what there is at first")

    def read(self):
        with open(self.path, encoding="utf-8") as f:
            return [json.loads(line)["data"] for line in f
                    if line.endswith("\n")]

    def transactions(self, mark="br-int"):
        """Those up to now that changed a verdict: dicts of port to (old,
        new)."""
        self.marks += 1
        value = "m%d" % self.marks
        self.host.vsctl("set", "Interface", mark, "external_ids:mark=" + value)
        def is_marked():
            return any(value in json.dumps(u) for u in self.read())
        self.host.wait_until(is_marked, "the mark")
        verdicts, result = {}, []
        for update in self.read():
            changed = {}
            for _, action, port, ids in update:
                if action not in ("initial", "new", "insert"):
                    continue
                verdict = ovsdb_value(ids).get(KEY)
                if verdict != verdicts.get(port) and action == "new":
                    changed[port] = (verdicts.get(port), verdict)
                verdicts[port] = verdict
            if changed:
                result.append(changed)
        return result

    def close(self):
        self.process.terminate()
        self.process.wait(LIMIT)


@pytest.fixture
def monitor(ready):
    m = Monitor(ready)
    yield m
    m.close()


def rep(host, index):
    return host.json("device/show", name(index))["representor"]


def test_verdicts(ready):
    port = rep(ready, 0)
    traffic = Traffic(ready, port)

    o = wait_verdict(ready, name(0), "offloaded", traffic, hw=100)
    assert "100 %" in o["verdict_reason"], o
    o = wait_verdict(ready, name(0), "partial", traffic, kernel=50)
    assert "count no packets" in o["verdict_reason"], o
    wait_verdict(ready, name(0), "software", traffic, sw=50, flows="sw=2")
    wait_verdict(ready, name(0), "kernel", traffic, kernel=50, flows="sw=0")
    assert ready.json("device/show", name(1))["offload"]["verdict"] == "idle"
    events = [e["text"] for e in ready.json("event/list")
              if e["what"] == "offload" and e["object"] == name(0)]
    assert [e.split(":")[0] for e in events] == [
        "idle -> offloaded", "offloaded -> partial", "partial -> software",
        "software -> kernel"], events

    o = ready.json("device/show", name(0))["offload"]
    assert (o["hw_packets"], o["sw_packets"], o["slow_path_packets"]) == (
        traffic.hw, traffic.sw, traffic.slow)


def test_blocked_is_written(ready):
    port = rep(ready, 0)
    wait_verdict(ready, name(0), "offloaded", Traffic(ready, port), hw=100)
    wait_key(ready, port, "offloaded")
    ready.vsctl("--no-wait", "set", "Interface", port, "mtu_request=1500")
    ready.fake("fail", "vdpa-add", "EIO", "times=1000")
    ready.fake("vanish", name(0))
    ready.wait_state(name(0), "failed")
    wait_key(ready, port, "blocked")


def test_counters_survive_a_reset(ready):
    port = rep(ready, 0)
    traffic = Traffic(ready, port)
    wait_verdict(ready, name(0), "offloaded", traffic, hw=100)
    before = ready.json("device/show", name(0))
    assert before["offload"]["hw_packets"] == traffic.hw
    ready.fake("reset", PF, "300")
    ready.wait_until(
        lambda: ready.devices().get(name(0), before)["ifindex"] not in (
            None, before["ifindex"]), "another representor")
    ready.wait_ready(4)
    again = Traffic(ready, rep(ready, 0))
    again.passes(hw=7)
    ready.wait_until(
        lambda: ready.json("device/show", name(0))["offload"]["hw_packets"]
        == traffic.hw + 7, "packets of before and after")


def test_port_of_others(bare):
    """Whoever made it; and only this key of it.  It goes when the port is no
    representor of a device any more."""
    bare.start_ovs()
    bare.set_keys(vdpa_attach="none")
    bare.start_daemon(script="add-pf %s 8 p0" % PF)
    bare.policy("pf=%s num-vfs=2 vdpa-type=vhost" % PF)
    bare.wait_ready(2)
    port = rep(bare, 1)
    bare.vsctl("add-port", "br-int", port, "--", "set", "Interface", port,
               "external_ids:iface-id=x", "external_ids:vdpa-offload=old")
    wait_verdict(bare, name(1), "offloaded", Traffic(bare, port), hw=100)
    wait_key(bare, port, "offloaded")
    assert bare.interface(port) == {"iface-id": "x", KEY: "offloaded"}

    bare.vdpad("teardown", "a")
    bare.wait_until(lambda: not bare.devices(), "no devices")
    bare.wait_until(lambda: bare.interface(port) == {"iface-id": "x"},
                    "the key's removal")


def test_restart_writes_nothing(ready, monitor):
    traffic = Traffic(ready)
    wait_verdict(ready, name(3), "offloaded", traffic, hw=100)
    for i in range(4):
        wait_key(ready, rep(ready, i), "offloaded")
    n = len(monitor.transactions())
    for _ in range(2):
        ready.kill_daemon()
        ready.start_daemon()
        ready.wait_ready(4)
        for i in range(4):
            wait_verdict(ready, name(i), "offloaded", traffic, hw=100)
    assert len(monitor.transactions()) == n


def test_dry_run_writes_nothing(ready, monitor):
    n = len(monitor.transactions())
    ready.stop_daemon()
    ready.start_daemon("--dry-run")
    traffic = Traffic(ready)
    wait_verdict(ready, name(0), "offloaded", traffic, hw=100)
    wait_verdict(ready, name(0), "partial", traffic, kernel=100)
    assert len(monitor.transactions()) == n


def test_many_that_flap(bare):
    """254 devices whose verdicts change as fast as they can: few
    transactions, each with all of them."""
    bare.start_ovs()
    bare.start_daemon(script="add-pf 0000:65:00.0 127 p0;"
                             "add-pf 0000:66:00.0 127 p1")
    bare.policy("vendor=15b3 device-id=101d num-vfs=127 vdpa-type=vhost")
    bare.wait_ready(254)
    monitor = Monitor(bare)
    try:
        traffic = Traffic(bare)
        wait_verdict(bare, name(0), "offloaded", traffic, hw=100)
        wait_key(bare, rep(bare, 0), "offloaded")
        before = len(monitor.transactions())
        begin = time.monotonic()
        for i in range(4):
            wait_verdict(bare, name(0), ("partial", "offloaded")[i % 2],
                         traffic, **({"hw": 100}, {"kernel": 100})[not i % 2])
        written = monitor.transactions()[before:]
        allowed = (time.monotonic() - begin) / 10 + 1
        assert 1 <= len(written) <= allowed, (len(written), allowed)
        assert max(len(t) for t in written) == 254
        # Nothing changes any more: nothing is written any more.
        wait_key(bare, rep(bare, 0), "offloaded")
        n = len(monitor.transactions())
        for _ in range(3):
            wait_verdict(bare, name(0), "offloaded", traffic, hw=100)
        assert len(monitor.transactions()) == n
    finally:
        monitor.close()

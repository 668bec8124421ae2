# SPDX-License-Identifier: Apache-2.0
"""why: fast for many devices, and while generic netlink hangs."""

import time


def test_254_devices(bare):
    bare.start_ovs()
    bare.start_daemon(script="add-pf 0000:65:00.0 127 p0;"
                             "add-pf 0000:65:00.1 127 p1")
    bare.policy("vendor=15b3 device-id=101d num-vfs=127 vdpa-type=vhost")
    bare.wait_ready(254)
    bare.json("loop/show", "--reset")
    bare.json("why")
    before = bare.cpu_s()
    for _ in range(3):
        rows = bare.json("why")
    took = (bare.cpu_s() - before) / 3
    assert len({r["device"] for r in rows}) == 255      # And the host.
    bare.assert_short_turns(30)
    assert took < 1, took


def test_slow_generic_netlink(bare):
    """It does not wait for what another program holds up."""
    bare.start_ovs()
    bare.start_daemon(script="add-pf 0000:65:00.0 4 p0")
    bare.policy("pf=0000:65:00.0 num-vfs=1 vdpa-type=vhost")
    bare.wait_ready(1)
    for class_ in ("vdpa", "feature", "kflow"):
        bare.fake("set", class_, "9000")

    def doubted():
        start = time.monotonic()
        rows = bare.json("why")
        assert time.monotonic() - start < 6
        return {r["check"]: r for r in rows
                if "does not answer" in (r["seen"] or "")}
    bare.wait_until(lambda: "uplink-hw-tc-offload" in doubted(),
                    "what it could not see anew is doubted")
    row = doubted()["uplink-hw-tc-offload"]
    assert row["result"] == "unknown"
    assert "hw-tc-offload of uplink p0 is on" in row["seen"]

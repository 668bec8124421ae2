# SPDX-License-Identifier: Apache-2.0
"""Idle means idle, and large means not slow."""

import time


def test_idle(ready):
    """Under 5 turns in 10 s, once the first verdicts are written.  What is
    tested is that nothing happens: the one place where waiting is the test."""
    def turns():
        return ready.json("status")["loop"]["turns"]

    def has_verdicts():
        return all("vdpa-offload" in ready.interface(p)
                   for p in ready.ports() if p != "br-int")
    ready.wait_until(has_verdicts, "verdicts")
    ready.wait_quiet()
    asking = -turns() + turns()     # What a command costs by itself.
    seen = []
    for _ in range(2):              # The first may have an end of the start.
        before = turns()
        time.sleep(10)
        seen.append(turns() - before - asking)
    assert min(seen) < 5, seen


def test_254_vfs(bare):
    bare.start_ovs()
    bare.start_daemon(script="add-pf 0000:65:00.0 127 p0;"
                             "add-pf 0000:65:00.1 127 p1")
    bare.policy("vendor=15b3 device-id=101d num-vfs=127 vdpa-type=vhost")
    bare.wait_ready(254)
    bare.assert_short_turns(100)
    assert len(bare.ports()) == 254
    kernel = bare.kernel()
    assert len(kernel["vdpa"]) == 254
    assert len({d["dev"] for d in kernel["vdpa"]}) == 254
    assert bare.json("status")["reconcile"]["failures"] == 0
    bare.stop_daemon()
    bare.start_daemon()
    bare.wait_ready(254)
    bare.assert_short_turns(50)
    assert bare.steps() == {}
    bare.remove_key("vdpa-policy-a")
    bare.wait_kernel(lambda k: k["vdpa"] == []
                     and [p["numvfs"] for p in k["pfs"]] == [0, 0],
                     "all restored")
    bare.wait_until(lambda: bare.ports() == [], "no ports")
    bare.assert_short_turns(50)

# SPDX-License-Identifier: Apache-2.0
"""Whether hw-offload is in effect in the ovs-vswitchd that runs."""

import os
import signal


def hw_offload(host):
    return host.json("status")["hw_offload"]


def wait_for(host, configured, effective, remedy=None):
    def is_so():
        o = hw_offload(host)
        return (o["configured"] is configured and o["effective"] is effective
                and (remedy is None) == (o["remedy"] is None)
                and (remedy or "") in (o["remedy"] or "") and o)
    return host.wait_until(is_so, "hw-offload %s, %s, %s"
                           % (configured, effective, remedy))


def set_offload(host, value):
    host.vsctl("set", "Open_vSwitch", ".", "other_config:hw-offload=" + value)


def restart_vswitchd(host):
    host.stop_vswitchd()
    host.start_vswitchd()


def test_switched_on_and_off(bare):
    bare.start_ovs()
    bare.set_keys(vdpa_hw_offload="false")
    bare.start_daemon()
    told = wait_for(bare, False, False)
    assert told["told_by"] == "dpctl/offload-stats-show", told

    # The first time it takes effect at once; switching it off does not.
    set_offload(bare, "true")
    wait_for(bare, True, True)
    set_offload(bare, "false")
    o = wait_for(bare, False, True, "goes on offloading until it is restarted")
    assert o["differs_since"].endswith("Z"), o
    assert o["remedy"] in bare.json("status")["problems"]
    assert "goes on offloading" in bare.vdpad("status")
    restart_vswitchd(bare)
    wait_for(bare, False, False)
    assert bare.json("status")["problems"] == []


def test_vswitchd_away(bare):
    bare.start_ovs()
    set_offload(bare, "true")
    bare.start_daemon()
    wait_for(bare, True, True)
    bare.vswitchd.send_signal(signal.SIGKILL)
    bare.vswitchd.wait()
    assert "no ovs-vswitchd" in wait_for(bare, True, None)["told_by"]
    bare.start_vswitchd()
    wait_for(bare, True, True)


def test_stopped_vswitchd_stops_nobody(ready):
    """It does not answer: whatever else is asked is answered at once."""
    wait_for(ready, True, True)
    os.kill(ready.vswitchd.pid, signal.SIGSTOP)
    try:
        def is_given_up():
            o = hw_offload(ready)
            return (o["effective"] is None
                    and "does not answer" in o["told_by"])
        ready.wait_until(is_given_up, "no answer")
        assert ready.json("status")["devices"]["ready"] == 4
    finally:
        os.kill(ready.vswitchd.pid, signal.SIGCONT)
    wait_for(ready, True, True)


def test_idle_asks_nothing(bare):
    """ovs-vswitchd counts the commands that it gets."""
    bare.start_ovs()
    set_offload(bare, "true")
    bare.start_daemon()
    wait_for(bare, True, True)

    def received():
        return int(bare.run("ovs-appctl", "-t", "ovs-vswitchd",
                            "coverage/read-counter", "unixctl_received"))
    before = received()
    turns = bare.json("loop/show")["turns"]
    bare.wait_until(
        lambda: bare.json("loop/show")["turns"] > turns + 20, "20 turns")
    # Those of this test itself.
    assert received() == before + 1

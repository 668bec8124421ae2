# SPDX-License-Identifier: Apache-2.0
"""The way back: keys removed, teardown, resume; and devices in use."""

import pytest

from conftest import PF, Failed, name


def assert_restored(host):
    """The host is as it was before the daemon came."""
    kernel = host.kernel()
    pf = kernel["pfs"][0]
    assert kernel["vdpa"] == []
    assert (pf["numvfs"], pf["mode"], pf["autoprobe"]) == (0, "legacy", 1)
    assert not pf["uplink"]["tc_offload"] and pf["uplink"]["mtu"] == 1500
    assert host.ports() == []


def wait_restored(host):
    host.wait_kernel(lambda k: k["pfs"][0]["numvfs"] == 0
                     and k["pfs"][0]["mode"] == "legacy"
                     and not k["pfs"][0]["uplink"]["tc_offload"],
                     "the PF as it was")
    host.wait_until(lambda: host.ports() == [], "no ports")
    host.wait_quiet()
    assert_restored(host)


def test_key_removed(ready):
    ready.fake("qdisc", "pf0vf0", "on")
    ready.remove_key("vdpa-policy-a")
    wait_restored(ready)
    assert ready.json("status")["healthy"]
    assert ready.json("device/list") == []
    # And nothing is left to restore after a restart.
    ready.stop_daemon()
    ready.start_daemon()
    ready.wait_quiet()
    assert ready.steps() == {}


def test_word_removed(ready):
    ready.policy("pf=%s#0-1 num-vfs=4 vdpa-type=vhost" % PF)
    ready.wait_kernel(lambda k: len(k["vdpa"]) == 2, "two devices")
    ready.wait_ready(2)
    assert ready.ports() == ["pf0vf0", "pf0vf1"]
    assert ready.kernel()["pfs"][0]["numvfs"] == 4


def test_one_of_two_policies(ready):
    ready.fake("add-pf", "0000:66:00.0", "4", "p1")
    ready.policy("pf=0000:66:00.0 num-vfs=2 vdpa-type=virtio", "b")
    ready.wait_ready(6)
    ready.remove_key("vdpa-policy-a")
    ready.wait_ready(2)
    first, second = ready.kernel()["pfs"]
    assert (first["numvfs"], first["mode"]) == (0, "legacy")
    assert (second["numvfs"], second["mode"]) == (2, "switchdev")
    assert ready.ports() == ["pf1vf0", "pf1vf1"]


def test_initial_values_are_restored(bare):
    """Not what a default would be: what was there."""
    bare.start_ovs()
    bare.start_daemon(script="""
        add-pf %s 8 p0
        do numvfs %s number=4; do eswitch-mode %s number=1
        do feature p0 number=1; do link-mtu p0 number=4000
        """ % (PF, PF, PF))
    bare.policy("pf=%s num-vfs=4 vdpa-type=vhost mtu=9000" % PF)
    bare.wait_ready(4)
    assert bare.kernel()["pfs"][0]["uplink"]["mtu"] == 9000
    bare.remove_key("vdpa-policy-a")
    bare.wait_kernel(lambda k: k["vdpa"] == []
                     and k["pfs"][0]["uplink"]["mtu"] == 4000,
                     "no devices, the former MTU")
    bare.wait_quiet()
    pf = bare.kernel()["pfs"][0]
    assert (pf["numvfs"], pf["mode"]) == (4, "switchdev")
    assert pf["uplink"]["tc_offload"]
    assert bare.ports() == []


@pytest.mark.parametrize("which", ["a", "--all"])
def test_teardown_and_resume(ready, which):
    ready.vdpad("teardown", which)
    wait_restored(ready)
    assert ready.vsctl("get", "Open_vSwitch", ".",
                       "external_ids:vdpa-suspended").strip('"') == (
        "a" if which == "a" else "*")
    assert "vdpa-policy-a" in ready.vsctl("get", "Open_vSwitch", ".",
                                          "external_ids")
    # It lasts over a restart.
    ready.stop_daemon()
    ready.start_daemon()
    ready.wait_quiet()
    assert ready.steps() == {}
    ready.vdpad("resume", which)
    ready.wait_ready(4)
    assert "vdpa-suspended" not in ready.vsctl("get", "Open_vSwitch", ".",
                                               "external_ids")


def test_resumed_by_hand(ready):
    ready.vdpad("teardown", "a")
    wait_restored(ready)
    ready.remove_key("vdpa-suspended")
    ready.wait_ready(4)


def test_unknown_policy(ready):
    for command in ("teardown", "resume"):
        with pytest.raises(Failed, match="nonsense"):
            ready.vdpad(command, "nonsense")
    ready.wait_ready(4)


@pytest.mark.parametrize("how", ["key", "teardown"])
def test_in_use_is_refused(ready, how):
    ready.fake("hold", name(1), "4711", "qemu-system-x86")
    if how == "key":
        ready.remove_key("vdpa-policy-a")
    else:
        ready.vdpad("resync")
        assert "4711" in ready.vdpad("teardown", "a")
    d = ready.wait_state(name(1), "blocked", "4711")
    assert "qemu-system-x86" in d["reason"]
    assert d["in_use_by"] == [{"pid": 4711, "command": "qemu-system-x86"}]
    ready.wait_kernel(lambda k: len(k["vdpa"]) == 1, "the others are gone")
    ready.wait_until(lambda: ready.ports() == ["pf0vf1"],
                     "the port of the device in use")
    kernel = ready.kernel()
    assert kernel["vdpa"][0]["driver"] == "vhost_vdpa"
    assert kernel["pfs"][0]["numvfs"] == 4
    assert kernel["pfs"][0]["mode"] == "switchdev"
    assert not ready.json("status")["healthy"]
    assert any("4711" in p for p in ready.json("status")["problems"])

    # It goes on when the holder has gone.
    ready.fake("release", name(1))
    wait_restored(ready)


def test_away_netdev_is_in_use(host):
    host.policy("pf=%s num-vfs=2 vdpa-type=virtio" % PF)
    host.wait_ready(2)
    host.fake("away", name(0), "on")
    host.remove_key("vdpa-policy-a")
    host.wait_state(name(0), "blocked", "namespace")
    host.wait_kernel(lambda k: len(k["vdpa"]) == 1, "the other one is gone")
    host.fake("away", name(0), "off")
    host.vdpad("resync")
    wait_restored(host)


def test_force_waits_for_the_holder(ready):
    """A forced deletion blocks in the kernel; the daemon does not."""
    ready.fake("set", "step-deadline", "300")
    ready.fake("set", "read-deadline", "200")
    ready.fake("hold", name(1), "4711", "qemu-system-x86")
    ready.vdpad("teardown", "--force", "a")
    ready.wait_state(name(1), "blocked")
    ready.wait_until(lambda: any("stuck" in p for p
                                 in ready.json("status")["problems"]),
                     "status names the stuck step")
    assert ready.kernel()["frozen"]
    # Commands are answered at once meanwhile.
    for command in ("status", "device/list", "plan", "pf/list",
                    "config/show", "event/list"):
        ready.json(command)
    assert ready.json("status")["loop"]["longest_turn_ms"] < 1000
    ready.fake("release", name(1))
    wait_restored(ready)
    assert ready.json("status")["healthy"]


def test_kept_while_database_is_away(ready):
    """Without a database nothing is taken down."""
    ready.stop_ovsdb()
    ready.wait_until(lambda: not ready.json("status")["database"][
        "connected"], "disconnected")
    before = ready.steps()
    ready.replan()
    assert len(ready.kernel()["vdpa"]) == 4
    assert ready.steps() == before
    with pytest.raises(Failed):
        ready.vdpad("teardown", "a")
    ready.start_ovsdb()
    ready.wait_until(lambda: ready.json("status")["database"]["connected"],
                     "connected again")
    ready.wait_ready(4)
    assert ready.steps()["numvfs"] == 1


def test_refused_policy_freezes(ready):
    """A key that cannot be read any more is no change of intent."""
    ready.policy("pf=%s num-vfs=4 vdpa-type=vhost bogus=1" % PF)
    ready.wait_until(lambda: any("bogus" in p for p
                                 in ready.json("status")["problems"]),
                     "the mistake is shown")
    assert len(ready.kernel()["vdpa"]) == 4
    assert len(ready.ports()) == 4
    ready.policy("pf=%s num-vfs=4 vdpa-type=vhost" % PF)
    ready.wait_ready(4)
    assert ready.steps()["vdpa-add"] == 4

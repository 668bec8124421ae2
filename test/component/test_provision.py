# SPDX-License-Identifier: Apache-2.0
"""From a bare PF to ready devices, and nothing done twice."""

import pytest

from conftest import PF, Failed, name, vf


def pf_of(kernel):
    return kernel["pfs"][0]


@pytest.mark.parametrize("kind", ["vhost", "virtio"])
def test_four_vfs(host, kind):
    host.policy("pf=%s num-vfs=4 vdpa-type=%s" % (PF, kind))
    host.wait_ready(4)
    kernel = host.kernel()
    pf = pf_of(kernel)
    assert (pf["numvfs"], pf["mode"], pf["autoprobe"]) == (4, "switchdev", 1)
    assert pf["uplink"]["tc_offload"]
    assert [d["name"] for d in kernel["vdpa"]] == [name(i) for i in range(4)]
    for i, d in enumerate(kernel["vdpa"]):
        assert d["dev"] == vf(i)
        assert d["driver"] == kind + "_vdpa"
        rep = pf["vfs"][i]["representor"]
        assert rep["up"]
        ids = host.interface(rep["name"])
        assert ids["vdpa-owner"] == "ovs-vdpad"
        assert ids["vdpa-device"] == name(i)
        assert ids["vdpa-vf"] == vf(i)
        assert host.interface(rep["name"], "ofport") > 0
    assert host.ports() == ["pf0vf%d" % i for i in range(4)]
    assert host.vsctl("get", "Open_vSwitch", ".",
                      "other_config:hw-offload") == '"true"'

    shown = host.devices()
    for i in range(4):
        d = shown[name(i)]
        assert d["vf"] == vf(i) and d["pf"] == PF and d["vf_index"] == i
        assert d["mgmtdev"] == "pci/" + vf(i)
        assert d["vdpa_type"] == kind and d["driver"] == kind + "_vdpa"
        assert (d["chardev"] is not None) == (kind == "vhost")
        assert (d["netdev"] is not None) == (kind == "virtio")
        assert d["representor"] == "pf0vf%d" % i
        assert d["bridge"] == "br-int" and d["port"] == "pf0vf%d" % i
        assert d["policy"] == "a" and d["owner"] == "ovs-vdpad"
        assert d["state"] == "ready" and d["reason"] is None
        assert d["in_use_by"] == []
    status = host.json("status")
    assert status["healthy"] and status["problems"] == []
    assert status["hw_offload"]["configured"] is True


def test_type_none(host):
    host.policy("pf=%s num-vfs=4 vdpa-type=none eswitch-mode=switchdev" % PF)
    host.wait_kernel(lambda k: pf_of(k)["mode"] == "switchdev"
                     and len(pf_of(k)["vfs"]) == 4
                     and all(v["driver"] for v in pf_of(k)["vfs"]),
                     "four VFs in switchdev mode")
    host.wait_quiet()
    kernel = host.kernel()
    assert kernel["vdpa"] == [] and host.ports() == []
    assert host.json("pf/list")[0]["state"] == "ready"
    assert host.json("status")["healthy"]


def test_vfio(host):
    host.policy("pf=%s num-vfs=2 device-type=vfio-pci "
                "eswitch-mode=switchdev" % PF)
    host.wait_kernel(lambda k: len(pf_of(k)["vfs"]) == 2
                     and all(v["driver"] == "vfio-pci"
                             for v in pf_of(k)["vfs"]), "VFs on vfio-pci")
    host.wait_quiet()


def test_all_words(host):
    host.policy("pf=%s#1-2 num-vfs=4 vdpa-type=vhost max-vqp=2 mtu=1400 "
                "mac=02:00:00:00:10:00 name=dev-%%v" % PF)
    host.wait_ready(2)
    kernel = host.kernel()
    assert [(d["name"], d["mac"], d["mtu"], d["max_vqp"])
            for d in kernel["vdpa"]] == [
        ("dev-1", "02:00:00:00:10:01", 1400, 2),
        ("dev-2", "02:00:00:00:10:02", 1400, 2)]
    assert [v["representor"]["mtu"] for v in pf_of(kernel)["vfs"]] == [
        1500, 1400, 1400, 1500]
    assert host.interface("pf0vf1")["attached-mac"] == "02:00:00:00:10:01"
    assert host.ports() == ["pf0vf1", "pf0vf2"]


def test_max_vqp_max_and_stable_mac(host):
    host.policy("pf=%s num-vfs=2 vdpa-type=vhost max-vqp=max mac=stable" % PF)
    host.wait_ready(2)
    first = host.kernel()["vdpa"]
    # The control queue is not part of a pair.
    assert [d["max_vqp"] for d in first] == [8, 8]
    macs = [d["mac"] for d in first]
    assert len(set(macs)) == 2
    for mac in macs:
        assert int(mac[:2], 16) & 3 == 2
    host.remove_key("vdpa-policy-a")
    host.wait_kernel(lambda k: pf_of(k)["numvfs"] == 0, "no VFs")
    host.wait_quiet()
    host.policy("pf=%s num-vfs=2 vdpa-type=vhost mac=stable" % PF)
    host.wait_ready(2)
    assert [d["mac"] for d in host.kernel()["vdpa"]] == macs


def test_uplink_mtu(host):
    host.policy("pf=%s num-vfs=1 vdpa-type=vhost mtu=9000" % PF)
    host.wait_ready(1)
    assert pf_of(host.kernel())["uplink"]["mtu"] == 9000
    host.remove_key("vdpa-policy-a")
    host.wait_kernel(lambda k: pf_of(k)["uplink"]["mtu"] == 1500,
                     "the uplink's MTU restored")


def test_netdev_selector_and_ranges(host):
    host.policy("pf=p0#0-1,3 num-vfs=4 vdpa-type=vhost")
    host.policy("pf=p0#2 num-vfs=4 vdpa-type=virtio", "b")
    host.wait_ready(4)
    assert [d["driver"] for d in sorted(host.kernel()["vdpa"],
                                        key=lambda d: d["dev"])] == [
        "vhost_vdpa", "vhost_vdpa", "virtio_vdpa", "vhost_vdpa"]
    assert host.devices()[name(2)]["policy"] == "b"


def test_priority(host):
    host.policy("pf=%s num-vfs=2 vdpa-type=vhost priority=20" % PF)
    host.policy("pf=%s#1 num-vfs=2 vdpa-type=virtio priority=10" % PF, "b")
    host.wait_ready(2)
    assert [d["driver"] for d in sorted(host.kernel()["vdpa"],
                                        key=lambda d: d["dev"])] == [
        "vhost_vdpa", "virtio_vdpa"]


def test_vendor_and_device_select_all(host):
    host.fake("add-pf", "0000:66:00.0", "4", "p1")
    host.policy("vendor=15b3 device-id=101d num-vfs=2 vdpa-type=vhost")
    host.wait_ready(4)
    assert [pf["numvfs"] for pf in host.kernel()["pfs"]] == [2, 2]


def test_second_run_does_nothing(ready):
    ready.stop_daemon()
    before = ready.vsctl("list", "Interface")
    ready.start_daemon()
    ready.wait_ready(4)
    assert ready.steps() == {}
    assert ready.json("status")["reconcile"]["steps"] == 0
    assert ready.vsctl("list", "Interface") == before


def test_num_vfs_grows_and_shrinks(ready):
    ready.policy("pf=%s num-vfs=6 vdpa-type=vhost" % PF)
    ready.wait_ready(6)
    assert pf_of(ready.kernel())["numvfs"] == 6
    assert len(ready.ports()) == 6
    ready.policy("pf=%s num-vfs=2 vdpa-type=vhost" % PF)
    ready.wait_ready(2)
    assert pf_of(ready.kernel())["numvfs"] == 2
    assert len(ready.ports()) == 2


def test_num_vfs_waits_for_users(ready):
    ready.fake("hold", name(0), "4711", "qemu-system-x86")
    ready.policy("pf=%s num-vfs=6 vdpa-type=vhost" % PF)
    ready.wait_until(lambda: ready.json("pf/list")[0]["state"] == "blocked",
                     "the PF is blocked")
    assert "4711" in ready.json("pf/list")[0]["reason"]
    kernel = ready.kernel()
    assert pf_of(kernel)["numvfs"] == 4 and len(kernel["vdpa"]) == 4
    assert len(ready.ports()) == 4
    ready.fake("release", name(0))
    ready.vdpad("resync")
    ready.wait_ready(6)


def test_type_changes(ready):
    ready.policy("pf=%s num-vfs=4 vdpa-type=virtio" % PF)
    ready.wait_until(lambda: all(d["driver"] == "virtio_vdpa"
                                 for d in ready.kernel()["vdpa"]),
                     "all devices on virtio_vdpa")
    ready.wait_ready(4)
    assert ready.steps()["numvfs"] == 1
    assert ready.steps().get("vdpa-del", 0) == 0


def test_values_change(ready):
    """What a living device cannot be given comes with a new one."""
    ready.policy("pf=%s num-vfs=4 vdpa-type=vhost mtu=1400" % PF)
    ready.wait_until(lambda: [d["mtu"] for d in ready.kernel()["vdpa"]]
                     == [1400] * 4, "MTU 1400")
    ready.wait_ready(4)
    ready.policy("pf=%s num-vfs=4 vdpa-type=vhost mtu=1400 "
                 "mac=02:00:00:00:20:00" % PF)
    ready.wait_until(lambda: sorted(d["mac"] or "" for d
                                    in ready.kernel()["vdpa"])
                     == ["02:00:00:00:20:0%d" % i for i in range(4)], "MACs")
    ready.wait_ready(4)
    assert ready.steps()["numvfs"] == 1


def test_adopts_device_of_others(bare):
    bare.start_ovs()
    bare.start_daemon(script="""
        add-pf %s 8 p0
        module mlx5_vdpa loaded; module vdpa loaded; module vhost_vdpa loaded
        do numvfs %s number=4
        do eswitch-mode %s number=1
        do vdpa-add mine word=pci/%s mac=02:00:00:00:00:07
        """ % (PF, PF, PF, vf(1)))
    bare.policy("pf=%s num-vfs=4 vdpa-type=vhost" % PF)
    bare.wait_ready(4)
    kernel = bare.kernel()
    assert sorted(d["name"] for d in kernel["vdpa"]) == sorted(
        ["mine", name(0), name(2), name(3)])
    assert bare.steps().get("numvfs", 0) == 0
    assert bare.steps().get("eswitch-mode", 0) == 0
    mine = bare.devices()["mine"]
    assert mine["owner"] == "foreign" and mine["state"] == "ready"
    assert mine["policy"] == "a" and mine["port"] == "pf0vf1"
    assert bare.interface("pf0vf1")["attached-mac"] == "02:00:00:00:00:07"

    # What we did not make we do not delete, nor what it stands on.
    bare.remove_key("vdpa-policy-a")
    bare.wait_until(lambda: bare.ports() == [], "no ports")
    bare.wait_quiet()
    kernel = bare.kernel()
    assert [d["name"] for d in kernel["vdpa"]] == ["mine"]
    assert pf_of(kernel)["numvfs"] == 4
    assert pf_of(kernel)["mode"] == "switchdev"


def test_vfs_made_by_another_at_that_moment(host):
    """As many as the policy wants, while the daemon's own request is under
    way: they are not its to remove."""
    host.fake("delay", "numvfs", "5000")
    host.policy("pf=%s num-vfs=2 vdpa-type=vhost" % PF)
    host.wait_until(lambda: host.steps().get("numvfs"), "a step under way")
    host.fake("do", "numvfs", PF, "number=2")
    host.wait_ready(2)
    assert host.steps()["numvfs"] == 1
    host.remove_key("vdpa-policy-a")
    host.wait_kernel(lambda k: k["vdpa"] == [], "no devices")
    host.wait_quiet()
    assert pf_of(host.kernel())["numvfs"] == 2


def test_foreign_devices_are_only_shown(bare):
    bare.start_ovs()
    bare.start_daemon(script="""
        add-pf %s 8 p0; add-mgmtdev vdpasim_net
        module mlx5_vdpa loaded; module vdpa loaded; module vhost_vdpa loaded
        do numvfs %s number=2
        do vdpa-add other word=pci/%s; do vdpa-add sim0 word=vdpasim_net
        """ % (PF, PF, vf(1)))
    bare.wait_until(lambda: set(bare.devices()) == {"other", "sim0"},
                    "both devices are shown")
    for d in bare.devices().values():
        assert d["state"] == "foreign" and d["owner"] == "foreign"
        assert d["reason"] == "no valid policy covers it"
    bare.wait_quiet()
    assert bare.steps() == {}
    assert bare.json("status")["healthy"]


def test_externally_managed(bare):
    bare.start_ovs()
    bare.start_daemon(script="add-pf %s 8 p0" % PF)
    bare.policy("pf=%s externally-managed=true vdpa-type=vhost" % PF)
    bare.wait_until(lambda: bare.json("pf/list")[0]["state"] == "waiting",
                    "the PF waits")
    assert bare.json("pf/list")[0]["policy"] == "a"
    assert bare.steps() == {}
    bare.fake("do", "numvfs", PF, "number=3")
    bare.fake("do", "eswitch-mode", PF, "number=1")
    bare.wait_ready(3)
    steps = bare.steps()
    assert not {"numvfs", "eswitch-mode", "autoprobe"} & set(steps)
    bare.remove_key("vdpa-policy-a")
    bare.wait_kernel(lambda k: k["vdpa"] == [], "no devices")
    bare.wait_quiet()
    pf = pf_of(bare.kernel())
    assert pf["numvfs"] == 3 and pf["mode"] == "switchdev"


def test_dry_run(bare):
    bare.start_ovs()
    bare.start_daemon("--dry-run", script="add-pf %s 8 p0" % PF)
    bare.policy("pf=%s num-vfs=4 vdpa-type=vhost" % PF)
    bare.wait_until(bare.plan, "a plan")
    actions = [s["action"] for s in bare.json("plan")]
    assert "numvfs" in actions and "set-other-config" in actions
    assert bare.steps() == {}
    # Nobody has to guess why nothing is done.
    assert bare.json("status")["dry_run"]
    assert "--dry-run" in bare.vdpad("status").split("\n", maxsplit=1)[0]
    with pytest.raises(Failed, match="--dry-run"):
        bare.vdpad("teardown", "a")
    assert "hw-offload" not in bare.vsctl("get", "Open_vSwitch", ".",
                                          "other_config")


def test_plan_has_reasons(bare):
    bare.start_ovs()
    bare.start_daemon("--dry-run", script="add-pf %s 8 p0" % PF)
    bare.policy("pf=%s num-vfs=4 vdpa-type=vhost" % PF)
    plan = bare.wait_until(bare.plan, "a plan")
    for step in plan:
        assert step["action"] and step["object"] and step["reason"]


@pytest.mark.parametrize("order", ["vfs-first", "mode-first"])
def test_order_that_the_driver_wants(host, order):
    host.fake("order", order)
    host.policy("pf=%s num-vfs=4 vdpa-type=vhost" % PF)
    host.wait_ready(4)
    assert pf_of(host.kernel())["mode"] == "switchdev"
    host.remove_key("vdpa-policy-a")
    host.wait_kernel(lambda k: pf_of(k)["numvfs"] == 0
                     and pf_of(k)["mode"] == "legacy", "all restored")
    host.wait_quiet()

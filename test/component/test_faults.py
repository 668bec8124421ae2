# SPDX-License-Identifier: Apache-2.0
"""A kernel that refuses, fails, delays, loses and reorders."""

import time

import pytest

from conftest import PF, name, vf

POLICY = "pf=%s num-vfs=4 vdpa-type=vhost" % PF
AUDIT = 60      # Seconds.
STEPS = ["autoprobe", "numvfs", "eswitch-mode", "feature", "vf-probe",
         "module-load", "vdpa-add", "vdpa-bind", "link-up"]


@pytest.mark.parametrize("step", STEPS)
def test_step_fails_once(host, step):
    host.fake("fail", step, "EIO", "text=out_of_luck")
    host.policy(POLICY)
    host.wait_ready(4)
    assert any("out_of_luck" in e["text"] for e in host.json("event/list"))
    assert host.json("status")["reconcile"]["failures"] >= 1
    assert host.json("status")["healthy"]


def test_step_fails_for_long(host):
    host.fake("fail", "vdpa-add", "ENOMEM", "text=no_more", "times=1000",
              "object=" + name(1))
    host.policy(POLICY)
    d = host.wait_state(name(1), "failed", "no_more")
    assert d["chardev"] is None
    host.wait_until(lambda: sum(x["state"] == "ready" for x
                                in host.devices().values()) == 3,
                    "the others are ready")
    # It is tried again, ever more seldom, and nothing without it.
    assert host.steps()["vdpa-add"] <= 8
    assert host.steps()["vdpa-bind"] <= 8
    assert any("no_more" in p for p in host.json("status")["problems"])
    assert [s for s in host.json("plan") if s["when"] == "later"]


def test_lost_completion(host):
    host.fake("set", "step-deadline", "300")
    host.fake("lose", "vdpa-bind")
    host.policy(POLICY)
    host.wait_ready(4)
    assert host.json("status")["healthy"]


def test_slow_steps(host):
    for step in STEPS:
        host.fake("set", step, "20")
    host.policy(POLICY)
    host.wait_ready(4)


def test_slow_observation(host):
    for class_ in ("pci", "link", "eswitch", "dlport", "mgmtdev", "vdpa",
                   "vbus", "feature", "holder", "qdisc", "module"):
        host.fake("set", class_, "30")
    host.policy(POLICY)
    host.wait_ready(4)
    assert host.json("status")["reconcile"]["failures"] == 0


def test_late_events(host):
    host.fake("set", "event-delay", "150")
    host.fake("set", "vf-delay", "20")
    host.fake("set", "rep-delay", "30")
    host.policy(POLICY)
    host.wait_ready(4)


def test_reversed_completions(host):
    host.fake("set", "reversed", "1")
    host.policy(POLICY)
    host.wait_ready(4)


def test_lost_events(host):
    host.fake("set", "vf-delay", "5")
    host.policy(POLICY)
    for _ in range(5):
        host.fake("lose-events")
    host.wait_ready(4)
    status = host.json("status")
    assert status["netlink"]["overruns"] == 5
    assert status["healthy"]


def test_dropped_event_is_found_by_audit(ready):
    """What no event has told, and nobody asks for, is seen all the same: the
    daemon looks at everything once a minute."""
    ready.fake("set", "drop-events", "1")
    ready.fake("vanish", name(2))
    ready.fake("do", "link-up", "pf0vf1", "number=0")
    # Looks at the fake kernel alone: a command of the daemon might observe.
    ready.wait_until(
        lambda: len(ready.kernel()["vdpa"]) == 4
        and ready.kernel()["pfs"][0]["vfs"][1]["representor"]["up"],
        "both mended", 3 * AUDIT)
    ready.fake("set", "drop-events", "0")
    ready.wait_ready(4)
    assert ready.json("status")["netlink"]["resyncs"] == 0


def test_dropped_event_is_found_by_resync(ready):
    ready.fake("set", "drop-events", "1")
    ready.fake("vanish", name(2))
    ready.vdpad("resync")
    ready.wait_ready(4)
    assert len(ready.kernel()["vdpa"]) == 4


@pytest.mark.parametrize("class_", ["pci", "link", "eswitch", "dlport",
                                    "mgmtdev", "vdpa", "vbus", "feature",
                                    "holder", "qdisc", "module"])
def test_observation_fails(host, class_):
    host.fake("fail-observe", class_, "EIO")
    host.fake("lose-events")
    host.policy(POLICY)
    host.wait_ready(4)
    host.wait_until(lambda: host.json("status")["healthy"], "healthy")


def test_interrupted_dumps(host):
    for class_ in ("link", "dlport", "vdpa"):
        host.fake("fail-observe", class_, "EAGAIN")
    host.fake("lose-events")
    host.policy(POLICY)
    host.wait_ready(4)
    assert host.json("status")["netlink"]["interrupted_dumps"] == 3


def test_nothing_is_removed_on_an_old_picture(ready):
    """While vDPA devices cannot be seen, none is deleted or made."""
    ready.fake("fail-observe", "vdpa", "ETIMEDOUT", "times=100000")
    ready.fake("fail-observe", "vbus", "EIO", "times=100000")
    ready.fake("lose-events")
    ready.wait_until(lambda: any("cannot observe" in p for p
                                 in ready.json("status")["problems"]),
                     "status says so")
    ready.remove_key("vdpa-policy-a")
    ready.wait_until(lambda: ready.json("config/show")["policies"] == [],
                     "the key is gone")
    before = ready.steps()
    ready.replan()
    kernel = ready.kernel()
    assert len(kernel["vdpa"]) == 4
    assert kernel["pfs"][0]["numvfs"] == 4
    assert ready.steps() == before
    ready.fake("fail-observe", "vdpa", "EIO", "times=0")
    ready.fake("fail-observe", "vbus", "EIO", "times=0")
    ready.wait_kernel(lambda k: k["vdpa"] == []
                      and k["pfs"][0]["numvfs"] == 0, "all restored")


def test_udev_renames(host):
    host.fake("set", "rename-delay", "50")
    host.policy(POLICY)
    host.wait_kernel(lambda k: k["pfs"][0]["vfs"] and all(
        v["representor"] and v["representor"]["name"].startswith("enp")
        for v in k["pfs"][0]["vfs"]), "all renamed")
    host.wait_ready(4)
    assert host.ports() == ["enp101f0r%d" % i for i in range(4)]
    assert all(v["representor"]["up"]
               for v in host.kernel()["pfs"][0]["vfs"])


def test_renamed_in_the_bridge(ready):
    ready.set_raw({"vdpa-port-lp": "device=%s" % name(1)})
    ready.wait_until(lambda: ready.interface("pf0vf1").get("iface-id")
                     == "lp", "the iface-id")
    ready.vsctl("set", "interface", "pf0vf1", "external_ids:theirs=1",
                "ingress_policing_rate=1000", "mtu_request=1442",
                "--", "set", "port", "pf0vf1", "vlan_mode=native-tagged",
                "other_config:priority-tags=true", "qos=@qos",
                "--", "--id=@qos", "create", "qos", "type=linux-noop")
    qos = ready.vsctl("get", "port", "pf0vf1", "qos").strip()
    ready.fake("rename", "pf0vf1", "rep1")
    ready.wait_until(lambda: "rep1" in ready.ports()
                     and "pf0vf1" not in ready.ports(), "the port renamed")
    ready.wait_ready(4)
    ids = ready.interface("rep1")
    assert ids["iface-id"] == "lp" and ids["theirs"] == "1"
    assert ready.vsctl("get", "interface", "rep1", "ingress_policing_rate",
                       "mtu_request").split() == ["1000", "1442"]
    assert ready.vsctl("get", "port", "rep1", "vlan_mode", "other_config",
                       "qos").split() == ["native-tagged",
                                          "{priority-tags=\"true\"}", qos]


def test_firmware_reset(ready):
    ready.set_raw({"vdpa-port-lp": "device=%s" % name(1)})
    ready.wait_until(lambda: ready.interface("pf0vf1").get("iface-id")
                     == "lp", "the iface-id")
    before = [(d["name"], d["dev"], d["driver"])
              for d in ready.kernel()["vdpa"]]
    ready.fake("reset", PF, "300")
    ready.wait_kernel(lambda k: k["vdpa"] == [], "no devices")
    ready.wait_ready(4)
    assert sorted((d["name"], d["dev"], d["driver"])
                  for d in ready.kernel()["vdpa"]) == before
    assert len(ready.ports()) == 4
    assert ready.interface("pf0vf1")["iface-id"] == "lp"
    # The VFs are still ours: they can be made fewer, and go with the policy,
    # also in the middle of a reset.
    ready.policy("pf=%s num-vfs=3 vdpa-type=vhost" % PF)
    ready.wait_kernel(lambda k: k["pfs"][0]["numvfs"] == 3, "three VFs")
    ready.wait_ready(3)
    ready.fake("reset", PF, "1000")
    ready.wait_kernel(lambda k: k["vdpa"] == [], "no devices")
    ready.remove_key("vdpa-port-lp")
    ready.remove_key("vdpa-policy-a")
    ready.wait_kernel(lambda k: k["pfs"][0]["numvfs"] == 0, "no VFs")


def test_others_change_things(ready):
    ready.fake("do", "vdpa-del", name(0))
    ready.wait_ready(4)
    ready.fake("module", "virtio_vdpa", "loaded")
    ready.fake("do", "vdpa-bind", name(1), "word=virtio_vdpa")
    ready.wait_until(lambda: all(d["driver"] == "vhost_vdpa" for d
                                 in ready.kernel()["vdpa"]), "bound again")
    ready.wait_ready(4)
    ready.fake("do", "link-up", "pf0vf2", "number=0")
    ready.wait_kernel(lambda k: k["pfs"][0]["vfs"][2]["representor"]["up"],
                      "up again")
    ready.fake("do", "feature", "pf0vf2", "number=0")
    ready.wait_kernel(lambda k: k["pfs"][0]["vfs"][2]["representor"][
        "tc_offload"], "hw-tc-offload again")
    ready.fake("do", "vf-unbind", vf(3))
    ready.wait_kernel(lambda k: len(k["vdpa"]) == 4, "all four again")
    ready.wait_ready(4)


def test_others_remove_all_vfs(ready):
    ready.fake("do", "numvfs", PF, "number=0")
    ready.wait_kernel(lambda k: len(k["vdpa"]) == 4, "all four again")
    ready.wait_ready(4)
    assert len(ready.ports()) == 4


def test_eswitch_flap(ready):
    ready.fake("do", "eswitch-mode", PF, "number=0")
    ready.wait_kernel(lambda k: k["pfs"][0]["mode"] == "switchdev"
                      and len(k["vdpa"]) == 4, "switchdev again")
    ready.wait_ready(4)
    assert len(ready.ports()) == 4


def test_pf_vanishes_and_returns(ready):
    ready.fake("vanish", PF)
    ready.wait_until(lambda: ready.json("pf/list") == [], "no PF")
    assert any(PF in p for p in ready.json("status")["problems"])
    ready.fake("add-pf", PF, "8", "p0")
    ready.wait_ready(4)


def test_module_is_missing(bare):
    bare.start_ovs()
    bare.start_daemon(script="add-pf %s 8 p0; module mlx5_vdpa missing" % PF)
    bare.policy(POLICY)
    d = bare.wait_state(name(0), "blocked", "mlx5_vdpa")
    assert "kernel" in d["reason"]
    assert not bare.json("status")["healthy"]
    # Nothing more is tried.
    n = bare.steps()
    bare.replan()
    bare.wait_state(name(0), "blocked", "mlx5_vdpa")
    assert bare.steps() == n


def test_kernel_tells_no_config(bare):
    bare.start_ovs()
    bare.start_daemon(script="add-pf %s 8 p0; set no-config 1" % PF)
    bare.policy("pf=%s num-vfs=2 vdpa-type=vhost mtu=1400 "
                "mac=02:00:00:00:10:00 max-vqp=2" % PF)
    bare.wait_ready(2)
    assert bare.steps()["vdpa-add"] == 2


def test_numvfs_blocked_by_nothing_else(host):
    """The daemon answers while a slow step is in the kernel."""
    host.fake("delay", "numvfs", "1000")
    host.policy(POLICY)
    host.wait_until(lambda: host.steps().get("numvfs"), "numvfs has begun")
    start = time.monotonic()
    for _ in range(10):
        host.json("status")
    assert time.monotonic() - start < 5
    assert [s for s in host.json("plan")
            if s["action"] == "numvfs"][0]["when"] == "under way"
    host.wait_ready(4)

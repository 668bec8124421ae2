# SPDX-License-Identifier: Apache-2.0
"""Representors in bridges: attach modes, declared ports, and everything that
is not ours."""

import json

from conftest import PF, name, vf

POLICY = "pf=%s num-vfs=4 vdpa-type=vhost" % PF


def test_bridge_is_made(bare):
    bare.start_ovs(bridge=False)
    bare.start_daemon(script="add-pf %s 8 p0" % PF)
    bare.set_keys(vdpa_bridge="br-made")
    bare.policy(POLICY)
    bare.wait_ready(4)
    assert bare.vsctl("list-br") == "br-made"
    assert len(bare.ports("br-made")) == 4
    for i in range(4):
        assert bare.interface("pf0vf%d" % i, "ofport") > 0


def test_fail_mode_and_foreign_ports_survive(bare):
    bare.start_ovs()
    bare.vsctl("set-fail-mode", "br-int", "secure", "--",
               "set", "bridge", "br-int", "external_ids:who=me", "--",
               "add-port", "br-int", "theirs", "--",
               "set", "interface", "theirs", "external_ids:iface-id=x")
    bare.start_daemon(script="add-pf %s 8 p0" % PF)
    bare.policy(POLICY)
    bare.wait_ready(4)
    before = bare.interface("theirs")
    bare.remove_key("vdpa-policy-a")
    bare.wait_until(lambda: bare.ports() == ["theirs"], "only their port")
    bare.wait_quiet()
    assert bare.vsctl("get-fail-mode", "br-int") == "secure"
    assert bare.vsctl("get", "bridge", "br-int",
                      "external_ids:who") == "me"
    assert bare.interface("theirs") == before == {"iface-id": "x"}


def test_hw_offload_is_left_alone(bare):
    bare.start_ovs()
    bare.vsctl("set", "Open_vSwitch", ".", "other_config:theirs=1")
    bare.start_daemon(script="add-pf %s 8 p0" % PF)
    bare.set_keys(vdpa_hw_offload="false")
    bare.policy(POLICY)
    bare.wait_ready(4)
    assert bare.vsctl("get", "Open_vSwitch", ".",
                      "other_config") == '{theirs="1"}'


def test_declared(host):
    host.set_keys(vdpa_attach="declared")
    host.policy(POLICY)
    host.wait_ready(4)
    assert host.ports() == []
    host.set_keys(vdpa_port_lp1="vf=%s" % vf(2))
    host.wait_until(lambda: host.ports() == ["pf0vf2"], "the declared port")
    host.wait_ready(4)
    ids = host.interface("pf0vf2")
    assert ids["iface-id"] == "lp1" and ids["vdpa-owner"] == "ovs-vdpad"
    assert host.devices()[name(2)]["iface_id"] == "lp1"
    host.remove_key("vdpa-port-lp1")
    host.wait_until(lambda: host.ports() == [], "no port")
    host.wait_ready(4)


def test_none_tracks_what_others_attach(host):
    host.set_keys(vdpa_attach="none")
    host.policy(POLICY)
    host.wait_ready(4)
    assert host.ports() == []
    host.vsctl("add-port", "br-int", "pf0vf1", "--", "set", "interface",
               "pf0vf1", "external_ids:iface-id=osvif1",
               "external_ids:attached-mac=02:00:00:00:00:01")
    host.wait_until(lambda: host.devices()[name(1)]["port"] == "pf0vf1",
                    "the port is shown")
    d = host.devices()[name(1)]
    assert d["iface_id"] == "osvif1" and d["bridge"] == "br-int"
    host.wait_quiet()
    ids = host.interface("pf0vf1")
    assert ids["iface-id"] == "osvif1"
    assert "vdpa-owner" not in ids and "vdpa-device" not in ids
    host.vsctl("del-port", "br-int", "pf0vf1")
    host.wait_until(lambda: host.devices()[name(1)]["port"] is None,
                    "the port is gone")
    host.wait_ready(4)
    assert host.ports() == []


def test_foreign_port_of_representor_is_not_taken(ready):
    """Somebody's port of a representor stays his in mode auto, too."""
    ready.vsctl("del-port", "br-int", "pf0vf1", "--",
                "add-port", "br-int", "pf0vf1", "--", "set", "interface",
                "pf0vf1", "external_ids:iface-id=theirs")
    ready.wait_until(lambda: ready.devices()[name(1)]["iface_id"]
                     == "theirs", "their iface-id is shown")
    ready.wait_ready(4)
    ready.wait_until(lambda: set(ready.interface("pf0vf1"))
                     == {"iface-id", "vdpa-offload"}, "the verdict besides")
    ready.remove_key("vdpa-policy-a")
    ready.wait_kernel(lambda k: k["vdpa"] == [], "no devices")
    assert ready.ports() == ["pf0vf1"]
    ready.wait_until(lambda: ready.interface("pf0vf1")
                     == {"iface-id": "theirs"}, "their key alone")


def test_port_words(ready):
    ready.set_raw({
        "vdpa-port-one": "device=%s mac=02:00:00:00:30:01 tag=7 "
                         "iface-id-ver=v1 vm-uuid=9d2c5e1c-7a1c-4f52-a2e7-0b6a1f3d8c11" % name(0),
        "vdpa-port-two": "vf=%s trunks=1,5-7 mtu=1300" % vf(1)})
    ready.wait_until(lambda: ready.interface("pf0vf0").get("iface-id")
                     == "one" and ready.interface("pf0vf1").get("iface-id")
                     == "two", "both ports have their iface-id")
    ready.wait_ready(4)
    ids = ready.interface("pf0vf0")
    assert ids["iface-id-ver"] == "v1" and ids["vm-uuid"].startswith("9d2c")
    assert ids["attached-mac"] == "02:00:00:00:30:01"
    assert ready.port("pf0vf0", "tag") == 7
    assert ready.port("pf0vf1", "trunks") == [1, 5, 6, 7]
    kernel = ready.kernel()
    vdpa = {d["name"]: d for d in kernel["vdpa"]}
    assert vdpa[name(0)]["mac"] == "02:00:00:00:30:01"
    assert vdpa[name(1)]["mtu"] == 1300

    # A word less, then the whole key.
    ready.set_raw({"vdpa-port-one": "device=%s tag=8" % name(0)})
    ready.wait_until(lambda: ready.port("pf0vf0", "tag") == 8, "tag 8")
    ready.wait_ready(4)
    ids = ready.interface("pf0vf0")
    assert "iface-id-ver" not in ids and "vm-uuid" not in ids
    ready.remove_key("vdpa-port-one")
    ready.remove_key("vdpa-port-two")
    ready.wait_until(lambda: "iface-id" not in ready.interface("pf0vf0")
                     and "iface-id" not in ready.interface("pf0vf1"),
                     "no iface-ids")
    ready.wait_ready(4)
    assert ready.port("pf0vf0", "tag") == []
    assert ready.port("pf0vf1", "trunks") == []
    assert len(ready.ports()) == 4


def test_port_of_policy_keeps_its_device(ready):
    ready.set_raw({"vdpa-port-lp": "policy=a"})

    def chosen():
        return [d["name"] for d in ready.devices().values()
                if d["iface_id"] == "lp"]
    first = ready.wait_until(chosen, "a device for the port")
    assert len(first) == 1
    ready.set_raw({"vdpa-port-kp": "policy=a"})
    ready.wait_until(lambda: len([d for d in ready.devices().values()
                                  if d["iface_id"] == "kp"]) == 1,
                     "another device for the other port")
    ready.wait_ready(4)
    assert chosen() == first
    ready.stop_daemon()
    ready.start_daemon()
    ready.wait_ready(4)
    assert chosen() == first
    assert ready.steps() == {}


def test_policy_without_a_free_device(ready):
    for i in range(5):
        ready.set_raw({"vdpa-port-lp%d" % i: "policy=a"})
    ready.wait_until(lambda: any("vdpa-port-" in p for p
                                 in ready.json("status")["problems"]),
                     "the fifth port is a problem")
    ids = [d["iface_id"] for d in ready.devices().values()]
    assert None not in ids and len(set(ids)) == 4
    ready.policy("pf=%s num-vfs=5 vdpa-type=vhost" % PF)
    ready.wait_ready(5)
    ids = [d["iface_id"] for d in ready.devices().values()]
    assert sorted(ids) == ["lp%d" % i for i in range(5)]


def test_port_in_another_bridge(ready):
    ready.set_raw({"vdpa-port-lp": "device=%s bridge=br-other" % name(3)})
    ready.wait_until(lambda: "br-other" in ready.vsctl("list-br").split()
                     and ready.ports("br-other") == ["pf0vf3"],
                     "the port in the other bridge")
    ready.wait_ready(4)
    assert ready.ports() == ["pf0vf0", "pf0vf1", "pf0vf2"]
    ready.remove_key("vdpa-port-lp")
    ready.wait_until(lambda: len(ready.ports()) == 4, "the port is back")


def test_bridge_changes(ready):
    ready.set_keys(vdpa_bridge="br-new")
    ready.wait_until(lambda: "br-new" in ready.vsctl("list-br").split()
                     and len(ready.ports("br-new")) == 4,
                     "all ports in the new bridge")
    assert ready.ports() == []
    ready.wait_ready(4)


def test_foreign_keys_on_our_ports(ready):
    """What an agent writes onto our rows stays."""
    ready.vsctl("set", "interface", "pf0vf0",
                "external_ids:iface-id=agent", "external_ids:ovn-installed=1",
                "other_config:theirs=1")
    ready.wait_until(lambda: ready.devices()[name(0)]["iface_id"] == "agent",
                     "the agent's iface-id is shown")
    ready.policy("pf=%s num-vfs=4 vdpa-type=vhost mtu=1400" % PF)
    ready.wait_until(lambda: [d["mtu"] for d in ready.kernel()["vdpa"]]
                     == [1400] * 4, "another MTU")
    ready.wait_ready(4)
    ids = ready.interface("pf0vf0")
    assert ids["iface-id"] == "agent" and ids["ovn-installed"] == "1"
    assert ready.interface("pf0vf0", "other_config") == {"theirs": "1"}


def test_deleted_port_comes_back(ready):
    ready.vsctl("del-port", "br-int", "pf0vf2")
    ready.wait_until(lambda: len(ready.ports()) == 4, "the port is back")
    ready.wait_ready(4)


def test_port_list_shows_waiting_key(ready):
    ready.set_raw({"vdpa-port-late": "vf=0000:65:01.1"})
    rows = ready.wait_until(
        lambda: [r for r in ready.json("port/list")
                 if r["key"] == "vdpa-port-late"], "the key in port/list")
    assert rows[0]["state"] == "waiting" and rows[0]["port"] is None
    assert len(ready.json("port/list")) == 5
    json.dumps(rows)


def test_what_ovn_has_plugged_is_ovns(host):
    """OVN's VIF plugging marks its ports: neither changed nor removed, also
    where it took over one that was ours."""
    host.set_keys(vdpa_attach="declared")
    host.policy(POLICY)
    host.wait_ready(4)
    host.vsctl("add-port", "br-int", "pf0vf0", "--", "set", "interface",
               "pf0vf0", "external_ids:iface-id=lsp0",
               "external_ids:ovn-plugged=representor",
               "mtu_request=1400")
    host.set_keys(vdpa_port_lp1="vf=%s" % vf(1))
    host.wait_until(lambda: "pf0vf1" in host.ports(), "the declared port")
    host.vsctl("set", "interface", "pf0vf1",
               "external_ids:ovn-plugged=representor",
               "external_ids:iface-id=lsp1")
    host.wait_until(lambda: host.devices()[name(1)]["iface_id"] == "lsp1",
                    "OVN's port is shown")
    def theirs():
        """All but the verdict, which every representor's row gets."""
        rows = [host.interface("pf0vf%d" % i) for i in range(2)]
        for row in rows:
            row.pop("vdpa-offload", None)
        return rows

    before = theirs()
    host.remove_key("vdpa-port-lp1")
    host.remove_key("vdpa-policy-a")
    host.wait_quiet()
    assert sorted(host.ports()) == ["pf0vf0", "pf0vf1"]
    assert theirs() == before


def test_ports_outlive_a_pf(bare):
    """A PF that goes, and may return: its ports are not stale at once, and
    what others wrote there stays."""
    other = "0000:65:00.1"
    bare.start_ovs()
    bare.start_daemon(script="add-pf %s 8 p0; add-pf %s 8 p1" % (PF, other))
    bare.policy("vendor=15b3 num-vfs=1 vdpa-type=vhost")
    bare.wait_ready(2)
    bare.vsctl("set", "interface", "pf1vf0", "external_ids:somebody=1")
    bare.fake("vanish", other)
    bare.wait_until(lambda: len(bare.devices()) == 1, "one device is gone")
    bare.vdpad("reconcile")
    bare.wait_ready(1)
    assert sorted(bare.ports()) == ["pf0vf0", "pf1vf0"]
    bare.fake("add-pf", other, "8", "p1")
    bare.wait_ready(2)
    assert bare.interface("pf1vf0", "external_ids")["somebody"] == "1"

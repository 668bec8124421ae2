# SPDX-License-Identifier: Apache-2.0
"""Mistakes in the configuration: each is named with its key, its word and a
reason, and everything else keeps working."""

import pytest

from conftest import PF, Failed, name, vf

GOOD = "pf=%s#0-1 num-vfs=4 vdpa-type=vhost" % PF

# Key, value, the word that is named, a part of the reason.
REFUSED = [
    ("vdpa-policy-bad", "pf=%s#2 num-vfs=4 colour=red" % PF,
     "colour=red", "colour"),
    # Of two that cannot stand together, the later name loses.
    ("vdpa-policy-zbad", "pf=%s#1-2 num-vfs=4 vdpa-type=vhost" % PF,
     "", "good"),
    ("vdpa-policy-bad", "pf=%s#2 num-vfs=4 device-type=vfio-pci "
     "vdpa-type=virtio" % PF, None, "vfio-pci"),
    ("vdpa-policy-bad", "pf=%s#2 num-vfs=4 vdpa-type=vhost mtu=50" % PF,
     "mtu=50", "68"),
    ("vdpa-policy-bad", "pf=%s#2 num-vfs=4 vdpa-type=vhost max-vqp=0" % PF,
     "max-vqp=0", ""),
    ("vdpa-policy-bad", "pf=%s#2 num-vfs=4 vdpa-type=vhost "
     "mac=01:00:5e:00:00:01" % PF, "mac=01:00:5e:00:00:01", "multicast"),
    ("vdpa-policy-bad", "pf=%s#2-3 num-vfs=4 vdpa-type=vhost "
     "name=no-field" % PF, "name=no-field", ""),
    ("vdpa-policy-bad", "pf=%s#2-1" % PF, None, ""),
    ("vdpa-policy-bad", "pf=%s#2 num-vfs=minus" % PF, "num-vfs=minus", ""),
    ("vdpa-policy-bad", "x" * 10000, None, "4096"),
    ("vdpa-port-bad", "device=a vf=%s" % vf(0), None, ""),
    ("vdpa-port-bad", "device=a tag=5000", "tag=5000", ""),
    ("vdpa-port-bad", "device=a bridge=a/b", "bridge=a/b", ""),
    ("vdpa-bridge", "br/int", None, ""),
    ("vdpa-attach", "sometimes", None, "auto"),
    ("vdpa-nonsense", "1", "", ""),
]

# Known to be wrong only beside the host.
WRONG = [
    ("vdpa-policy-bad", "pf=0000:77:00.0 num-vfs=4 vdpa-type=vhost",
     "0000:77:00.0"),
    ("vdpa-policy-bad", "pf=nosuch0 num-vfs=4 vdpa-type=vhost", "nosuch0"),
    ("vdpa-port-bad", "device=nosuch", "nosuch"),
    ("vdpa-port-bad", "policy=nosuch", "nosuch"),
]


def errors(host, key):
    return [e for e in host.json("config/show")["errors"]
            if e["key"] == key]


@pytest.fixture
def good(host):
    host.policy(GOOD, "good")
    host.wait_ready(2)
    return host


@pytest.mark.parametrize("key,value,word,reason", REFUSED,
                         ids=[str(i) for i in range(len(REFUSED))])
def test_refused(good, key, value, word, reason):
    with pytest.raises(Failed) as checked:
        good.json("config/check", key, value)
    good.set_raw({key: value})
    shown = good.wait_until(lambda: errors(good, key), "an error is shown")
    assert any((word is None or e["word"] == word or
                (word == "" and not e["word"]))
               and reason in e["reason"] for e in shown), shown
    assert any(key in p for p in good.json("status")["problems"])
    assert not good.json("status")["healthy"]
    assert key in good.log()
    assert key == "vdpa-nonsense" or shown[0]["reason"] in str(checked.value)

    # What is valid works on, also anew.
    good.set_raw({"vdpa-port-fine": "device=%s" % name(0)})
    good.wait_until(lambda: good.devices()[name(0)]["iface_id"] == "fine"
                    or key == "vdpa-bridge", "the valid port key works")
    ready = [d for d in good.devices().values() if d["state"] == "ready"]
    assert len(ready) == 2

    good.remove_key(key)
    good.wait_until(lambda: good.json("status")["healthy"], "healthy again")
    good.wait_ready(2)


@pytest.mark.parametrize("key,value,text", WRONG,
                         ids=[str(i) for i in range(len(WRONG))])
def test_wrong_on_this_host(good, key, value, text):
    good.set_raw({key: value})
    good.wait_until(lambda: any(key in p and text in p for p
                                in good.json("status")["problems"]),
                    "the problem is shown")
    assert any(text in e["reason"] or text in e["word"]
               for e in errors(good, key))
    ready = [d for d in good.devices().values() if d["state"] == "ready"]
    assert len(ready) == 2
    good.remove_key(key)
    good.wait_until(lambda: good.json("status")["healthy"], "healthy again")


def test_long_key_is_named_whole(good):
    key = "vdpa-port-" + 255 * "x"
    good.set_raw({key: "device=nosuch"})
    good.wait_until(lambda: errors(good, key), "the error is shown")
    assert any(p.startswith(key + ": nosuch: ")
               for p in good.json("status")["problems"])


def test_pf_may_come_later(good):
    good.policy("pf=0000:66:00.0 num-vfs=2 vdpa-type=vhost", "late")
    good.wait_until(lambda: not good.json("status")["healthy"], "a problem")
    good.fake("add-pf", "0000:66:00.0", "4", "p1")
    good.wait_ready(4)
    assert good.json("status")["healthy"]


def test_num_vfs_above_the_limit(host):
    host.policy("pf=%s num-vfs=9 vdpa-type=vhost" % PF)
    host.wait_until(lambda: any("num-vfs" in p and "8" in p for p
                                in host.json("status")["problems"]),
                    "the problem is shown")
    assert host.kernel()["pfs"][0]["numvfs"] == 0
    assert host.steps().get("numvfs", 0) == 0
    host.policy("pf=%s num-vfs=8 vdpa-type=vhost" % PF)
    host.wait_ready(8)


def test_max_vqp_too_large(host):
    host.policy("pf=%s num-vfs=2 vdpa-type=vhost max-vqp=9" % PF)
    host.wait_until(lambda: [d["state"] for d in host.devices().values()]
                    == ["blocked", "blocked"], "both devices blocked")
    for d in host.devices().values():
        assert "max-vqp" in d["reason"] and "8" in d["reason"]
    assert host.steps().get("vdpa-add", 0) == 0
    host.policy("pf=%s num-vfs=2 vdpa-type=vhost max-vqp=8" % PF)
    host.wait_ready(2)


def test_two_ports_on_one_device(good):
    good.set_raw({"vdpa-port-one": "device=%s" % name(0)})
    good.wait_until(lambda: good.devices()[name(0)]["iface_id"] == "one",
                    "the first port")
    good.set_raw({"vdpa-port-two": "vf=%s" % vf(0)})
    good.wait_until(lambda: any("vdpa-port-" in p for p
                                in good.json("status")["problems"]),
                    "the problem is shown")
    assert good.devices()[name(0)]["iface_id"] == "one"
    good.remove_key("vdpa-port-one")
    good.wait_until(lambda: good.devices()[name(0)]["iface_id"] == "two",
                    "the second port")


def test_check_knows_good_values(good):
    good.json("config/check", "vdpa-policy-b",
              "pf=%s#2-3 num-vfs=4 vdpa-type=virtio" % PF)
    # It changes nothing.
    assert good.json("config/show")["errors"] == []
    with pytest.raises(Failed):
        good.vdpad("config/check", "vdpa-policy-b")


def test_check_knows_what_status_would_say(good):
    good.set_raw({"vdpa-port-one": "device=%s" % name(0)})
    good.wait_until(lambda: good.devices()[name(0)]["iface_id"] == "one",
                    "the first port")
    problems = good.json("config/check", "vdpa-port-two",
                         "vf=%s" % vf(0))["problems"]
    assert [(p["key"], p["word"]) for p in problems] == [("vdpa-port-two",
                                                          vf(0))]
    good.set_raw({"vdpa-port-two": "vf=%s" % vf(0)})
    good.wait_until(lambda: errors(good, "vdpa-port-two"), "the error")
    assert errors(good, "vdpa-port-two") == problems
    assert good.json("config/check", "vdpa-port-one",
                     "device=%s tag=3" % name(0))["problems"] == []


def test_invalid_utf8_is_no_key(good):
    """OVSDB refuses it; the daemon is not even asked."""
    with pytest.raises((Failed, UnicodeError, ValueError)):
        good.set_raw({"vdpa-policy-bad": b"\xff".decode("utf-8")})
    assert good.json("status")["healthy"]


def test_errors_of_arguments(good):
    for command in (["device/show", "nosuch"], ["device/show"],
                    ["event/list", "-n", "x"], ["teardown"],
                    ["teardown", "nosuch"], ["why", "nosuch"],
                    ["flow/list", "nosuch"], ["export/libvirt", "nosuch"],
                    ["status", "extra"], ["nonsense"]):
        with pytest.raises(Failed):
            good.vdpad(*command)


def test_every_command_has_text_and_json(good):
    for command in (["status"], ["pf/list"], ["device/list"],
                    ["device/show", name(0)], ["representor/list"],
                    ["port/list"], ["plan"], ["reconcile"], ["resync"],
                    ["verify"], ["config/show"], ["event/list"],
                    ["event/list", "-n", "3"]):
        assert good.vdpad(*command)
        good.json(*command)
    for d in ("representor/list", "port/list"):
        rows = good.json(d)
        assert {r["port"] for r in rows if r["port"]} == {"pf0vf0",
                                                          "pf0vf1"}
    good.wait_ready(2)


def test_show_finds_by_any_name(good):
    d = good.json("device/show", name(0))
    for alias in (d["vf"], d["representor"], "vhost-vdpa-0"):
        assert good.json("device/show", alias)["name"] == name(0)

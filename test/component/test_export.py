# SPDX-License-Identifier: Apache-2.0
"""What other programs are told, against what they publish of their formats:
the Device Information Specification 1.1.0 of the Network Plumbing Working
Group, and the SR-IOV network device plugin's configuration."""

import json
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

from conftest import Failed, PF, name, vf

BDF = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7]")

# Member: its form.  Those of a specification's "optional" begin with "?".
DEVICE_INFO = {
    "type": "vdpa",
    "version": r"1[.][1-9][0-9]*[.][0-9]+",
    "vdpa": {
        "parent-device": r"[^/]+",
        "driver": "vhost|virtio",
        "path": r"/dev/vhost-vdpa-[0-9]+|/sys/bus/virtio/devices/virtio[0-9]+",
        "?pci-address": BDF.pattern,
        "?pf-pci-address": BDF.pattern,
        "?representor-device": r"[^/\s]{1,15}",
    },
}
# Of the plugin's types ResourceConfList, ResourceConfig and NetDeviceSelectors
# those that may be there.
PLUGIN = {
    "resourceList": [{
        "resourceName": r"[a-zA-Z0-9_-]+",
        "?resourcePrefix": r".+",
        "?deviceType": "netDevice",
        "selectors": [{
            "?vendors": ["[0-9a-f]{4}"],
            "?devices": ["[0-9a-f]{4}"],
            "?drivers": [r".+"],
            "?rootDevices": [BDF.pattern
                             + r"(#[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?"],
            "vdpaType": "vhost|virtio",
        }],
    }],
}


def conforms(value, form, path="$"):
    if isinstance(form, str):
        assert isinstance(value, str) and re.fullmatch(form, value), (path,
                                                                      value)
    elif isinstance(form, list):
        assert isinstance(value, list) and value, path
        for i, v in enumerate(value):
            conforms(v, form[0], "%s[%d]" % (path, i))
    else:
        assert isinstance(value, dict), path
        known = {k.lstrip("?"): f for k, f in form.items()}
        assert not set(value) - set(known), (path, set(value) - set(known))
        for key, f in known.items():
            if key in value:
                conforms(value[key], f, path + "." + key)
            else:
                assert "?" + key in form, (path, "lacks", key)


def test_device_info(host):
    host.policy("pf=%s#0 num-vfs=2 vdpa-type=vhost" % PF, "vms")
    host.policy("pf=%s#1 num-vfs=2 vdpa-type=virtio" % PF, "pods")
    host.wait_ready(2)
    for index, driver in enumerate(("vhost", "virtio")):
        info = json.loads(host.vdpad("export/deviceinfo", name(index)))
        conforms(info, DEVICE_INFO)
        assert info == host.json("export/deviceinfo", name(index))
        device = host.json("device/show", name(index))
        assert info["vdpa"]["driver"] == driver
        assert info["vdpa"]["parent-device"] == device["name"]
        assert info["vdpa"]["pci-address"] == vf(index)
        assert info["vdpa"]["representor-device"] == device["representor"]
        if driver == "vhost":
            assert info["vdpa"]["path"] == device["chardev"]

    # The name of a virtio device's representor finds it as well.
    assert host.json("export/deviceinfo", "pf0vf1")["vdpa"]["driver"] == (
        "virtio")
    for words in (["nosuch"], []):
        with pytest.raises(Failed):
            host.vdpad("export/deviceinfo", *words)
    text = host.vdpad("export/libvirt", name(0))
    element = ET.fromstring(text)
    assert element.tag == "interface" and element.get("type") == "vdpa"
    # This one has no address; whoever attaches it gives it one.
    assert element.find("mac") is None and "libvirt makes one up" in text
    rep = host.json("device/show", name(0))["representor"]
    host.vsctl("set", "Interface", rep,
               "external_ids:attached-mac=02:00:00:00:00:0A")

    def address():
        text = host.vdpad("export/libvirt", name(0))
        mac = ET.fromstring(text).find("mac")
        return mac is not None and mac.get("address")

    host.wait_until(lambda: address() == "02:00:00:00:00:0a", "its address")
    with pytest.raises(Failed, match="no char device"):
        host.vdpad("export/libvirt", name(1))


def test_output_that_cannot_be_written(host):
    """ovs-appctl does not look whether its output was taken: what puts it
    into a file is to be a program that does, as the manual says."""
    host.policy("pf=%s num-vfs=1 vdpa-type=vhost mac=stable" % PF)
    host.wait_ready(1)
    command = ("set -o pipefail; ovs-appctl -t %s/vdpad.ctl export/%s %s | "
               "cat > %s")
    for words in ("deviceinfo", "libvirt"):
        for target, status in ((host.dir + "/out", 0), ("/dev/full", 1),
                               (host.dir + "/nosuch/out", 1)):
            done = subprocess.run(
                ["bash", "-c", command % (host.dir, words, name(0), target)],
                env=host.env, stderr=subprocess.PIPE, text=True, check=False,
                timeout=60)
            assert done.returncode == status, (target, done.stderr)
            assert bool(done.stderr) == bool(status)
        # Nor is a refusal taken for a file.
        done = subprocess.run(
            ["bash", "-c", command % (host.dir, words, "nosuch",
                                      host.dir + "/out")],
            env=host.env, stderr=subprocess.PIPE, text=True, check=False,
            timeout=60)
        assert done.returncode and 'no device "nosuch"' in done.stderr
    host.wait_ready(1)


def test_device_plugin(host):
    with pytest.raises(Failed, match="no policy with vdpa-type"):
        host.vdpad("export/device-plugin")
    host.policy("pf=%s#0-1,3 num-vfs=5 vdpa-type=vhost" % PF, "vms.a")
    host.policy("pf=%s#2 num-vfs=5 vdpa-type=virtio" % PF, "pods")
    host.policy("pf=%s#4 num-vfs=5" % PF, "plain")
    host.wait_ready(4)
    shown = host.json("export/device-plugin")
    assert shown["apiVersion"] == "v1" and shown["kind"] == "ConfigMap"
    assert set(shown) == {"apiVersion", "kind", "metadata", "data"}
    assert list(shown["data"]) == ["config.json"]
    config = json.loads(shown["data"]["config.json"])
    conforms(config, PLUGIN)
    assert {r["resourceName"]: r["selectors"] for r in
            config["resourceList"]} == {
        "vms_a": [{"rootDevices": [PF + "#0-1,3"], "vdpaType": "vhost"}],
        "pods": [{"rootDevices": [PF + "#2"], "vdpaType": "virtio"}]}

    # As text the same, in a literal block of YAML.
    head, block = host.vdpad("export/device-plugin").split(
        "\n  config.json: |\n")
    assert head.splitlines()[-1] == "data:"
    lines = block.splitlines()
    assert all(line.startswith("    ") for line in lines)
    assert json.loads("\n".join(line[4:] for line in lines)) == config


def test_keys_of_ovn_kubernetes(host):
    """A port made by it is left alone, and shown."""
    keys = {"iface-id": "ns_pod", "attached_mac": "0a:58:0a:f4:00:07",
            "iface-id-ver": "8f1b", "sandbox": "c0ffee",
            "vf-netdev-name": "enp65s0f0v0", "ip_addresses": "10.244.0.7/24"}
    host.set_keys(**{"vdpa-attach": "none"})
    host.policy("pf=%s num-vfs=1 vdpa-type=virtio" % PF)
    host.wait_ready(1)
    host.vsctl("--may-exist", "add-port", "br-int", "pf0vf0", "--", "set",
               "Port", "pf0vf0", "other_config:transient=true", "--", "set",
               "Interface", "pf0vf0",
               *('external_ids:%s="%s"' % item for item in keys.items()))

    def row():
        return next((p for p in host.json("port/list")
                     if p["port"] == "pf0vf0"), None)
    host.wait_until(lambda: row() is not None, "the port")
    port = row()
    assert port["owner"] == "foreign"
    assert port["made_by"] == "ovn-kubernetes"
    del keys["iface-id"]
    assert port["iface_id"] == "ns_pod"
    assert port["consumer_keys"] == dict(keys, transient="true")
    host.vdpad("resync")
    host.wait_quiet()
    left = host.interface("pf0vf0")
    left.pop("vdpa-offload", None)
    assert left == dict(keys, **{"iface-id": "ns_pod"})

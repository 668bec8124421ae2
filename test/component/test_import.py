# SPDX-License-Identifier: Apache-2.0
"""Policies of the SR-IOV network operator: --import needs neither database nor
root, and what it prints does what the policy says."""

import subprocess

from conftest import BUILD, DAEMON, name, vf

POLICY = """
apiVersion: sriovnetwork.openshift.io/v1
kind: SriovNetworkNodePolicy
metadata:
  name: %s
  namespace: openshift-sriov-network-operator
spec:
  nodeSelector:
    feature.node.kubernetes.io/network-sriov.capable: "true"
  resourceName: mlxnics
  priority: 10
  numVfs: 2
  nicSelector:
    vendor: "15b3"
    deviceID: "101d"
    rootDevices:
    - 0000:65:00.0
  deviceType: netdevice
  eSwitchMode: switchdev
  vdpaType: %s
"""


def import_file(path, **kwargs):
    return subprocess.run([BUILD + "/ovs-vdpad", "--import", str(path)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, check=False, **kwargs)


def test_the_command_sets_the_policy(host, tmp_path):
    """The names of the devices are those that the operator gives."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY % ("gold", "vhost"))
    done = import_file(file)
    assert done.returncode == 0, done.stderr
    subprocess.run(done.stdout.replace("ovs-vsctl",
                                       "ovs-vsctl --db=" + host.remote, 1),
                   shell=True, check=True, timeout=60)
    host.wait_ready(2)
    assert host.json("config/show")["errors"] == []
    assert set(host.devices()) == {"vdpa:" + vf(0), "vdpa:" + vf(1)}
    assert host.json("device/show", name(0))["vdpa_type"] == "vhost"


def test_neither_root_nor_database(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY % ("gold", "virtio"))
    file.chmod(0o644)
    gone = {"OVS_RUNDIR": str(tmp_path / "nosuch"), "PATH": "/usr/bin"}
    done = import_file(file, env=gone)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ovs-vsctl set Open_vSwitch . \\\n")
    assert "vdpa-type=virtio" in done.stdout
    assert "note: spec.nodeSelector" in done.stderr
    assert not (tmp_path / "nosuch").exists()


def test_standard_input_and_mistakes():
    def run(text, options=("--import", "-")):
        return subprocess.run([DAEMON, *options], input=text,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60, check=False)

    assert run(POLICY % ("gold", "vhost")).returncode == 0
    done = run(POLICY % ("gold", "both"))
    assert (done.returncode, done.stdout) == (1, "")
    assert ("standard input:20: spec.vdpaType: is both; write virtio or vhost"
            in done.stderr)
    done = run("a" * 10 * 1024 * 1024)
    assert (done.returncode, done.stdout) == (1, "")
    assert "larger than 1024 KiB" in done.stderr


def test_files_that_cannot_be_read(tmp_path):
    for path, reason in ((tmp_path / "nosuch", "No such file"),
                         (tmp_path, "Is a directory"),
                         ("/dev/zero", "larger than 1024 KiB")):
        done = import_file(path)
        assert (done.returncode, done.stdout) == (1, "")
        assert reason in done.stderr and str(path) in done.stderr


def test_output_that_cannot_be_written(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY % ("gold", "vhost"))
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([DAEMON, "--import", str(file)], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=60,
                              check=False)
    assert done.returncode == 1
    assert "cannot write: No space left" in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""What ends and comes back: the database, vswitchd, the daemon."""

import os
import socket

import pytest

from conftest import PF, Failed, name

POLICY = "pf=%s num-vfs=4 vdpa-type=vhost" % PF


def test_no_database_at_start(bare):
    bare.start_daemon(script="add-pf %s 8 p0" % PF)
    status = bare.wait_until(
        lambda: (lambda s: s["problems"] and s)(bare.json("status")),
        "a problem")
    assert not status["healthy"] and not status["database"]["connected"]
    assert any("database" in p for p in status["problems"])
    with pytest.raises(Failed, match="has not been read yet"):
        bare.json("plan")
    assert bare.steps() == {}
    assert len(bare.json("pf/list")) == 1
    bare.start_ovs()
    bare.policy(POLICY)
    bare.wait_ready(4)


def test_ovsdb_restart(ready):
    ready.stop_ovsdb()
    ready.wait_until(lambda: not ready.json("status")["database"][
        "connected"], "disconnected")
    assert all(d["state"] == "ready" for d in ready.devices().values())
    ready.start_ovsdb()
    ready.wait_until(lambda: ready.json("status")["database"]["connected"],
                     "connected again")
    ready.wait_ready(4)
    assert ready.steps()["vdpa-add"] == 4
    assert ready.steps()["numvfs"] == 1
    assert len(ready.ports()) == 4


def test_lost_database(ready):
    """An empty database is no change of intent."""
    ready.stop_ovsdb()
    os.unlink(ready.db_path)
    ready.create_db()
    ready.start_ovsdb()
    ready.wait_until(lambda: ready.json("status")["database"]["connected"],
                     "connected again")
    ready.wait_until(lambda: not ready.json("status")["healthy"],
                     "status says so")
    kernel = ready.kernel()
    assert len(kernel["vdpa"]) == 4
    assert all(d["driver"] == "vhost_vdpa" for d in kernel["vdpa"])
    assert kernel["pfs"][0]["numvfs"] == 4
    assert {d["state"] for d in ready.devices().values()} == {"blocked"}
    # Also after a restart of the daemon.
    ready.stop_daemon()
    ready.start_daemon()
    ready.wait_until(lambda: not ready.json("status")["healthy"],
                     "status says so again")
    assert len(ready.kernel()["vdpa"]) == 4 and ready.steps() == {}
    # Configured anew, all is as before.
    ready.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int",
                "datapath_type=dummy")
    ready.policy(POLICY)
    ready.wait_ready(4)
    assert ready.steps().get("vdpa-add", 0) == 0
    assert len(ready.ports()) == 4


def test_lost_database_then_teardown(ready):
    ready.stop_ovsdb()
    os.unlink(ready.db_path)
    ready.create_db()
    ready.start_ovsdb()
    ready.wait_until(lambda: ready.json("status")["database"]["connected"]
                     and not ready.json("status")["healthy"],
                     "status says so")
    ready.vdpad("teardown", "--all")
    ready.wait_kernel(lambda k: k["vdpa"] == []
                      and k["pfs"][0]["numvfs"] == 0, "all taken down")


def test_vswitchd_restart(ready):
    ready.stop_vswitchd()
    ready.start_vswitchd()
    ready.wait_ready(4)
    assert ready.steps()["vdpa-add"] == 4
    for i in range(4):
        assert ready.interface("pf0vf%d" % i, "ofport") > 0


def test_killed_when_ready(ready):
    ready.kill_daemon()
    ready.start_daemon()
    ready.wait_ready(4)
    assert ready.steps() == {}
    # It still knows what was its own.
    ready.remove_key("vdpa-policy-a")
    ready.wait_kernel(lambda k: k["vdpa"] == []
                      and k["pfs"][0]["numvfs"] == 0
                      and k["pfs"][0]["mode"] == "legacy", "all restored")


@pytest.mark.parametrize("step", ["numvfs", "eswitch-mode", "vf-probe",
                                  "module-load", "vdpa-add", "vdpa-bind",
                                  "link-up"])
def test_killed_during(bare, step):
    """Wherever it dies, the next one goes on to the same end."""
    bare.start_ovs()
    bare.start_daemon(script="add-pf %s 8 p0; set %s 100000" % (PF, step))
    bare.policy(POLICY)
    bare.wait_until(lambda: bare.steps().get(step), "the step has begun")
    bare.kill_daemon()
    bare.start_daemon()
    bare.wait_ready(4)
    assert len(bare.ports()) == 4
    bare.remove_key("vdpa-policy-a")
    bare.wait_kernel(lambda k: k["vdpa"] == []
                     and k["pfs"][0]["numvfs"] == 0
                     and k["pfs"][0]["mode"] == "legacy"
                     and k["pfs"][0]["autoprobe"] == 1
                     and not k["pfs"][0]["uplink"]["tc_offload"],
                     "all restored")
    bare.wait_until(lambda: bare.ports() == [], "no ports")


@pytest.mark.parametrize("step", ["vdpa-del", "eswitch-mode", "numvfs",
                                  "feature"])
def test_killed_during_removal(ready, step):
    ready.fake("set", step, "100000")
    before = ready.steps().get(step, 0)
    ready.remove_key("vdpa-policy-a")
    ready.wait_until(lambda: ready.steps().get(step, 0) > before,
                     "the step has begun")
    ready.kill_daemon()
    ready.start_daemon()
    ready.wait_kernel(lambda k: k["vdpa"] == []
                      and k["pfs"][0]["numvfs"] == 0
                      and k["pfs"][0]["mode"] == "legacy"
                      and not k["pfs"][0]["uplink"]["tc_offload"],
                      "all restored")
    ready.wait_until(lambda: ready.ports() == [], "no ports")


def test_killed_while_blocked(ready):
    """A deletion that hangs in the kernel outlives the daemon."""
    ready.fake("set", "step-deadline", "200")
    ready.fake("hold", name(0), "4711", "qemu")
    ready.vdpad("teardown", "--force", "a")
    ready.wait_until(lambda: ready.kernel()["frozen"], "a blocked deletion")
    ready.kill_daemon()
    ready.start_daemon()
    ready.fake("set", "read-deadline", "200")
    ready.wait_until(lambda: any("cannot observe" in p for p
                                 in ready.json("status")["problems"]),
                     "status says what cannot be seen")
    ready.fake("release", name(0))
    ready.vdpad("resync")
    ready.wait_kernel(lambda k: k["vdpa"] == []
                      and k["pfs"][0]["numvfs"] == 0, "all restored")
    ready.wait_until(lambda: ready.json("status")["healthy"], "healthy")


def test_second_daemon_refuses(ready):
    first = ready.daemon
    ready.spawn_second()
    assert ready.second.wait(60) != 0
    assert first.poll() is None
    ready.wait_ready(4)


def test_exit_command(ready):
    ready.vdpad("exit")
    assert ready.daemon.wait(60) == 0
    ready.daemon = None
    assert len(ready.ports()) == 4


def test_corrupt_record(ready):
    ready.stop_daemon()
    path = os.path.join(ready.dir, "ovs-vdpad.record")
    with open(path, "w", encoding="utf-8") as f:
        f.write("{ nonsense")
    ready.start_daemon()
    ready.wait_ready(4)
    assert os.path.exists(path + ".bad")
    # Nothing proves that the devices are ours: they are not deleted.
    ready.remove_key("vdpa-policy-a")
    ready.wait_until(lambda: all(d["state"] == "foreign" for d
                                 in ready.devices().values()), "foreign")
    assert len(ready.kernel()["vdpa"]) == 4


def test_record_cannot_be_kept(bare):
    """Then nothing is changed, and the log says why."""
    bare.start_ovs()
    os.mkdir(os.path.join(bare.dir, "ovs-vdpad.record.new"))
    bare.start_daemon(script="add-pf %s 8 p0" % PF)
    bare.policy(POLICY)
    bare.wait_until(lambda: "record" in bare.log()
                    and bare.plan(), "the log says why")
    assert bare.steps() == {}
    os.rmdir(os.path.join(bare.dir, "ovs-vdpad.record.new"))
    bare.vdpad("reconcile")
    bare.wait_ready(4)


def test_stop_while_somebody_waits(host):
    """Nothing is left of the request of who waits for readiness."""
    host.policy("pf=0000:ff:1f.7 num-vfs=1 vdpa-type=vhost")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(host.dir + "/vdpad.ctl")
        client.sendall(b'{"id":0,"method":"ready/wait","params":[]}')
        host.vdpad("version")
        host.vdpad("version")
        host.stop_daemon()

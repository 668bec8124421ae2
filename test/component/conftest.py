# SPDX-License-Identifier: Apache-2.0
"""A host for the daemon: a real ovsdb-server and ovs-vswitchd with the dummy
datapath in a directory of their own, and test-ovs-vdpad, which is the daemon
over a fake kernel."""

import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

SRC = os.environ.get(
    "VDPAD_SRC",
    os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))))
BUILD = os.environ.get("VDPAD_BUILD", os.path.join(SRC, "build", "dev"))
DAEMON = os.path.join(BUILD, "test", "test-ovs-vdpad")
VSWITCHD = "/usr/lib/openvswitch-switch/ovs-vswitchd"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"

PF = "0000:65:00.0"
# How much longer a turn of the loop takes with ASan and UBSan: 2.5 to 6 times,
# as measured with gcc 12, and a margin for other machines.
SANITIZERS_COST = 5
LIMIT = float(os.environ.get("VDPAD_TEST_LIMIT", "60"))   # Seconds: generous.


def pytest_configure(config):
    for program in (DAEMON, VSWITCHD, SCHEMA):
        if not os.path.exists(program):
            pytest.exit("%s is missing" % program, 77)


@functools.lru_cache
def is_sanitized():
    with open(DAEMON, "rb") as f:
        return b"__asan_init" in f.read()


def vf(index):
    """The address of VF 'index' of PF."""
    return "0000:65:%02x.%x" % ((index + 2) >> 3, (index + 2) & 7)


def name(index):
    """The default name of its vDPA device."""
    return "vdpa:" + vf(index)


class Failed(Exception):
    """A command ended with an error."""


class Host:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="vdpad.", dir="/tmp")
        self.env = dict(os.environ)
        for key in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR",
                    "OVS_SYSCONFDIR"):
            self.env[key] = self.dir
        self.db_path = os.path.join(self.dir, "conf.db")
        self.remote = "unix:" + os.path.join(self.dir, "db.sock")
        self.ovsdb = self.vswitchd = self.daemon = None
        self.second = None

    # Processes.

    def spawn(self, *argv, env=None, log):
        with open(os.path.join(self.dir, log), "ab") as out:
            return subprocess.Popen(argv, env=env or self.env, stdout=out,
                                    stderr=out, stdin=subprocess.DEVNULL)

    def create_db(self):
        self.run("ovsdb-tool", "create", self.db_path, SCHEMA)

    def start_ovsdb(self):
        # It must not read the socket of a predecessor as its own.
        if os.path.exists(self.dir + "/db.sock"):
            os.unlink(self.dir + "/db.sock")
        self.ovsdb = self.spawn(
            "ovsdb-server", "--remote=p" + self.remote, "--no-chdir",
            "--unixctl=" + self.dir + "/ovsdb.ctl", self.db_path,
            log="ovsdb.out")
        def is_serving():
            try:
                self.run("ovsdb-client", "list-dbs", self.remote)
                return True
            except Failed:
                return False
        self.wait_until(is_serving, "ovsdb-server")
        self.vsctl("--no-wait", "init")

    def stop_ovsdb(self):
        self.ovsdb.terminate()
        self.ovsdb.wait(LIMIT)
        self.ovsdb = None

    def start_vswitchd(self):
        self.vswitchd = self.spawn(
            VSWITCHD, "--enable-dummy=system", "--disable-system",
            "--pidfile", self.remote,
            log="vswitchd.out")

    def stop_vswitchd(self):
        self.vswitchd.terminate()
        self.vswitchd.wait(LIMIT)
        self.vswitchd = None

    def start_ovs(self, bridge=True):
        self.create_db()
        self.start_ovsdb()
        self.start_vswitchd()
        if bridge:
            self.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int",
                       "datapath_type=dummy")

    def start_daemon(self, *options, script=None, wait=True):
        """Starts the daemon; 'script' prepares its host when it is new."""
        env = dict(self.env)
        env["VDPAD_FAKE_STATE"] = os.path.join(self.dir, "fake.state")
        if script:
            env["VDPAD_FAKE"] = script
        self.daemon = self.spawn(
            DAEMON, "--unixctl=" + self.dir + "/vdpad.ctl", "-vconsole:" + os.environ.get("VDPAD_TEST_LOG", "info"),
            *options, self.remote, env=env, log="daemon.out")
        if wait:
            self.wait_until(self.is_serving, "the daemon serves commands")

    def spawn_second(self):
        """A second daemon on the same host."""
        self.second = self.spawn(
            DAEMON, "--unixctl=" + self.dir + "/second.ctl", self.remote,
            log="second.out")

    def is_serving(self):
        assert self.daemon.poll() is None, "the daemon has ended"
        try:
            self.vdpad("version")
            return True
        except Failed:
            return False

    def stop_daemon(self):
        """Ends the daemon as systemd does; it must end cleanly."""
        self.daemon.terminate()
        status = self.daemon.wait(LIMIT)
        self.daemon = None
        assert status == 0, "the daemon's exit status is %d" % status

    def kill_daemon(self):
        self.daemon.kill()
        self.daemon.wait(LIMIT)
        self.daemon = None
        # A killed daemon leaves its socket.
        os.unlink(self.dir + "/vdpad.ctl")

    def close(self):
        status = 0
        try:
            if self.daemon:
                self.daemon.send_signal(signal.SIGTERM)
                status = self.daemon.wait(LIMIT)
        finally:
            self.print_logs()
            for process in (self.daemon, self.second, self.vswitchd,
                            self.ovsdb):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()
            shutil.rmtree(self.dir, ignore_errors=True)
        assert status == 0, "the daemon's exit status is %d" % status

    def print_logs(self):
        for log, n in (("daemon.out", 80), ("vswitchd.out", 5),
                       ("ovsdb.out", 5)):
            path = os.path.join(self.dir, log)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    print("--- %s" % log)
                    print("".join(f.readlines()[-n:]))

    def log(self):
        with open(os.path.join(self.dir, "daemon.out"), encoding="utf-8",
                  errors="replace") as f:
            return f.read()

    # Commands.

    def run(self, *argv):
        done = subprocess.run(argv, env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True,
                              timeout=LIMIT, check=False)
        if done.returncode:
            raise Failed("%s: %s%s" % (" ".join(argv), done.stdout,
                                       done.stderr))
        return done.stdout.rstrip("\n")

    def vsctl(self, *argv):
        return self.run("ovs-vsctl", "--timeout=%d" % LIMIT,
                        "--db=" + self.remote, *argv)

    def vdpad(self, *argv):
        return self.run("ovs-appctl", "-t", self.dir + "/vdpad.ctl", *argv)

    def json(self, *argv):
        return json.loads(self.vdpad(*argv, "--json"))

    def fake(self, *argv):
        return self.vdpad("fake/" + argv[0], *argv[1:])

    def kernel(self):
        """The fake kernel's own state."""
        return json.loads(self.fake("dump"))

    def set_keys(self, **keys):
        """Sets external_ids: underscores in names stand for hyphens."""
        self.set_raw({key.replace("_", "-"): value
                      for key, value in keys.items()})

    def set_raw(self, keys):
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".",
                   *['external_ids:"%s"="%s"' % item
                     for item in keys.items()])

    def policy(self, text, policy="a"):
        self.set_raw({"vdpa-policy-" + policy: text})

    def remove_key(self, key):
        self.vsctl("--no-wait", "remove", "Open_vSwitch", ".",
                   "external_ids", key)

    def interface(self, ifname, column="external_ids"):
        """A column of an Interface: a map as a dict."""
        text = self.vsctl("--format=json", "--columns=" + column, "list",
                          "Interface", ifname)
        return ovsdb_value(json.loads(text)["data"][0][0])

    def port(self, port, column):
        text = self.vsctl("--format=json", "--columns=" + column, "list",
                          "Port", port)
        return ovsdb_value(json.loads(text)["data"][0][0])

    def ports(self, bridge="br-int"):
        return sorted(self.vsctl("list-ports", bridge).split())

    def devices(self):
        return {d["name"]: d for d in self.json("device/list")}

    # Waiting.

    def wait_until(self, predicate, what, limit=LIMIT):
        end = time.monotonic() + limit
        pause = 0.002
        while True:
            result = predicate()
            if result:
                return result
            if time.monotonic() > end:
                text = ""
                try:
                    text = self.vdpad("status") + "\n" + self.vdpad(
                        "device/list") + "\n" + self.vdpad("plan")
                except Failed as e:
                    text = str(e)
                raise AssertionError("%s: not in %d s\n%s"
                                     % (what, limit, text))
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def plan(self):
        """None while the database has not been read."""
        try:
            return self.json("plan")
        except Failed as e:
            if "the database has not been read" not in str(e):
                raise
            return None

    def wait_ready(self, n, plan_empty=True):
        """Waits until exactly 'n' devices are ready, and nothing is left to
        do."""
        def is_ready():
            counts = self.json("status")["devices"]
            return (counts["ready"] == n == counts["total"]
                    and (not plan_empty or self.plan() == []))
        self.wait_until(is_ready, "%d ready devices" % n)

    def wait_state(self, device, state, reason=""):
        def is_so():
            try:
                d = self.json("device/show", device)
            except Failed:
                return None
            return (d["state"] == state and reason in (d["reason"] or "")
                    and d)
        return self.wait_until(is_so, "%s %s '%s'" % (device, state, reason))

    def wait_kernel(self, predicate, what):
        return self.wait_until(lambda: predicate(self.kernel()), what)

    def wait_quiet(self):
        """Waits until nothing is left to do."""
        self.wait_until(lambda: self.plan() == [], "an empty plan")

    def replan(self):
        """Has everything observed anew and failed steps tried again at once;
        returns when it has planned with that and every step that was due has
        been done, or has failed."""
        def plans():
            return self.json("status")["reconcile"]["plans"]
        before = plans()
        self.vdpad("resync")
        self.wait_until(lambda: plans() > before and not [
            s for s in self.json("plan") if s["when"] != "later"],
            "another plan, and its steps")

    def cpu_s(self):
        """Seconds of the processor that the daemon itself has taken."""
        with open("/proc/%d/stat" % self.daemon.pid, encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def assert_short_turns(self, limit_ms):
        """No turn of the loop since the last call has taken that much time of
        the processor, which is the same on a busy machine."""
        took_us = self.json("loop/show", "--reset")["longest_cpu_us"]
        if is_sanitized():
            limit_ms *= SANITIZERS_COST
        assert took_us < 1000 * limit_ms, "a turn of %d us" % took_us

    def steps(self):
        """How many steps the kernel has been asked for, by kind."""
        return {k: n for k, n in self.kernel()["steps"].items() if n}


def ovsdb_value(value):
    """A value of OVSDB's JSON as one of Python."""
    if isinstance(value, list) and value[0] == "map":
        return {k: v for k, v in value[1]}
    if isinstance(value, list) and value[0] == "set":
        return value[1]
    return value


@pytest.fixture
def bare():
    """A host on which nothing runs yet."""
    h = Host()
    yield h
    h.close()


@pytest.fixture
def host(bare):
    """OVS with br-int, a PF with 8 VFs, the daemon without configuration."""
    bare.start_ovs()
    bare.start_daemon(script="add-pf %s 8 p0" % PF)
    return bare


@pytest.fixture
def ready(host):
    """Likewise with 4 vhost devices that are ready."""
    host.policy("pf=%s num-vfs=4 vdpa-type=vhost" % PF)
    host.wait_ready(4)
    return host

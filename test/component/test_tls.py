# SPDX-License-Identifier: Apache-2.0
"""The database over TLS: each side wants the other's certificate signed by its
CA, and who is refused says so."""

import os
import subprocess

import pytest

from conftest import PF, Failed

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@pytest.fixture
def pki(bare):
    """Two CAs, and certificates of each."""
    def openssl(*argv):
        subprocess.run(["openssl", *argv], cwd=bare.dir, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    for ca in ("ca", "other"):
        openssl("req", "-x509", *CURVE, "-days", "2", "-subj", "/CN=" + ca,
                "-keyout", ca + ".key", "-out", ca + ".pem")
        for who in ("server", "client"):
            stem = "%s-%s" % (ca, who)
            openssl("req", *CURVE, "-subj", "/CN=" + stem, "-keyout",
                    stem + ".key", "-out", stem + ".csr")
            openssl("x509", "-req", "-days", "2", "-in", stem + ".csr", "-CA",
                    ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
                    "-out", stem + ".pem")
    return bare


def options(host, ca, of, who):
    """What makes 'who' with a certificate of CA 'of' trust CA 'ca'."""
    stem = "%s/%s-%s" % (host.dir, of, who)
    return ["--private-key=%s.key" % stem, "--certificate=%s.pem" % stem,
            "--ca-cert=%s/%s.pem" % (host.dir, ca)]


@pytest.fixture
def connect(pki):
    """Starts the daemon at a database over TLS."""
    host = pki
    servers = []

    def serve(port=0, ca="ca", of="ca"):
        for server in servers:
            server.kill()
            server.wait()
        servers[:] = [host.spawn(
            "ovsdb-server", "--no-chdir", "--unixctl=" + host.dir + "/tls.ctl",
            "--remote=pssl:%d:127.0.0.1" % port,
            "--remote=punix:" + host.dir + "/tls.sock",
            *options(host, ca, of, "server"),
            "--log-file=" + host.dir + "/tls.log", host.dir + "/tls.db",
            log="tls.out")]

    host.serve = serve

    def start(server="ca", client="ca", trusted="ca", given=None):
        schema = "/usr/share/openvswitch/vswitch.ovsschema"
        host.run("ovsdb-tool", "create", host.dir + "/tls.db", schema)
        serve(of=server)
        host.remote = "unix:" + host.dir + "/tls.sock"
        host.wait_until(lambda: listening(host), "a server")
        host.vsctl("--no-wait", "init")
        host.policy("pf=%s num-vfs=2 vdpa-type=vhost" % PF)
        ours = options(host, trusted, client, "client")
        host.remote = "ssl:127.0.0.1:%d" % listening(host)
        host.start_daemon(*(ours if given is None else given),
                          script="add-pf %s 8 p0" % PF)
        return host

    yield start
    for server in servers:
        server.kill()
        server.wait()


def listening(host):
    """The port that the server has chosen."""
    try:
        with open(host.dir + "/tls.log", encoding="utf-8") as log:
            for line in log:
                if "listening on port" in line:
                    return int(line.split()[-1])
    except FileNotFoundError:
        pass
    return None


def problem(host):
    """What status says of the connection."""
    status = host.json("status")
    assert not status["database"]["connected"]
    return " ".join(p for p in status["problems"] if "database" in p)


def test_trusted(connect):
    host = connect()
    host.wait_until(lambda: host.json("status")["database"]["connected"],
                    "a connection")
    # And it is used: the policy came over it.
    host.wait_until(lambda: host.kernel()["steps"]["vdpa-add"] == 2,
                    "two devices")


@pytest.mark.parametrize("who", [
    dict(server="other"),       # A stranger answers.
    dict(trusted="other"),      # We were given the wrong CA.
    dict(client="other"),       # We are a stranger there.
])
def test_stranger(connect, who):
    """No connection, no configuration taken, and the reason is told."""
    host = connect(**who)
    host.wait_until(lambda: "TLS failed" in problem(host), "the reason")
    assert "ssl:127.0.0.1" in problem(host)
    assert not host.json("status")["healthy"]
    with pytest.raises(Failed, match="has not been read yet"):
        host.json("config/show")
    assert host.steps() == {}
    assert "SSL" in host.log()


def test_replaced(connect):
    """Certificates end, and CAs too: what is put in their place is taken when
    there is a connection to be made, in whatever order it came."""
    host = connect()

    def is_connected():
        return host.json("status")["database"]["connected"]

    def replace(name, other):
        os.rename("%s/%s" % (host.dir, other), "%s/%s" % (host.dir, name))

    host.wait_until(is_connected, "a connection")
    host.serve(listening(host), "other", "other")
    host.wait_until(lambda: "TLS failed" in problem(host), "the reason")
    # What is read of the key alone fits no certificate.
    for n, (name, other) in enumerate((
            ("ca-client.key", "other-client.key"), ("ca.pem", "other.pem"),
            ("ca-client.pem", "other-client.pem"))):
        assert not is_connected()
        replace(name, other)
        host.wait_until(lambda n=n: host.log().count("changed: read again") > n,
                        "a look at " + name)
    host.wait_until(is_connected, "another connection")


def test_without_certificates(connect):
    host = connect(given=[])
    host.wait_until(lambda: "--ca-cert" in problem(host), "what is missing")
    assert host.steps() == {}

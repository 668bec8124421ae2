# SPDX-License-Identifier: Apache-2.0
"""Names and texts that somebody chose to do harm: in the database, in the
kernel, in arguments.  Whatever they are, no answer and no line of the log
steers a terminal or begins a line of its own, what is meant for programs stays
well-formed, and no file is made."""

import json
import os
import re
import subprocess
import unicodedata

import pytest

from conftest import PF, Failed, name

# An escape sequence, its one-character form, a line of its own, a turn of the
# direction of writing, format directives, shell, markup.
ESCAPE = "\x1b[2J"
NASTY = ("\x1b]0;x\x07", "\u009b31m", "\nFAKE|ERR|line\r", "\u202eevil",
         "%n%s%99999d", "$(touch PWNED)`touch PWNED`;touch PWNED",
         "'\"><x y=\"\\", "../../../../PWNED", "a/b", "\U000e0041")
# Of a representor.
REP = "r\u009b31m\u202e\"%n"
OWN = re.compile("(?!(fake|vlog|memory|coverage|poll|backtrace)/|exit|version"
                 "|list-commands|teardown|resume|resync|ready)")


def disturbing(text):
    """Characters that a person must not be shown as they are."""
    return [c for c in text if c != "\n" and (
        unicodedata.category(c) == "Cc" or c in "\u202e\u202d\u200f")]


def answer(host, *words):
    """What a command says, be it an error."""
    done = subprocess.run(
        ["ovs-appctl", "-t", host.dir + "/vdpad.ctl", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return (done.stdout + done.stderr).decode()


def configure(host):
    for i, text in enumerate(NASTY):
        words = {"vdpa-policy-%s%d" % (text, i): "pf=%s" % PF,
                 "vdpa-policy-x%d" % i: "pf=%s#%d %s" % (PF, i % 4, text),
                 "vdpa-policy-y%d" % i: "pf=%s name=%s%%a" % (PF, text),
                 "vdpa-port-%s%d" % (text, i): "device=%s" % text,
                 "vdpa-port-p%d" % i: "policy=%s" % text,
                 "vdpa-%s" % text: text}
        row = [["map", [[k, v] for k, v in words.items()]]]
        transact(host, "Open_vSwitch", row[0])


def transact(host, table, external_ids):
    """Adds to external_ids as any client of the database can."""
    operation = {"op": "mutate", "table": table, "where": [],
                 "mutations": [["external_ids", "insert", external_ids]]}
    host.run("ovsdb-client", "transact", host.remote,
             json.dumps(["Open_vSwitch", operation]))


@pytest.fixture
def hostile(ready):
    """A host full of such names, with four devices at work."""
    host = ready
    configure(host)
    transact(host, "Interface",
             ["map", [["iface-id", ESCAPE + "'\"<&"], [ESCAPE, "\n"]]])
    host.fake("rename", "p0", "p" + ESCAPE + "$(id)\x9b")
    host.fake("rename", "pf0vf2", REP)
    host.fake("add-flow", REP, "sw", "packets=9")
    host.fake("add-flow", REP, "kernel", "packets=9")
    host.fake("hold", name(0), "4711", "qemu" + "".join(NASTY[:3]))
    host.fake("fail", "vdpa-add", "EIO", "text=" + "".join(NASTY), "times=9")
    host.fake("vanish", name(1))
    host.wait_until(lambda: host.json("device/show", name(0))["in_use_by"],
                    "the holder")
    host.wait_state(name(1), "failed")
    return host


def commands(host):
    for line in host.vdpad("list-commands").splitlines()[1:]:
        command = line.split()[0]
        if OWN.match(command):
            yield command


def test_answers(hostile):
    host = hostile
    seen = 0
    for command in commands(host):
        for words in ([], [name(0)], [name(1)], ["a"], *([n] for n in NASTY),
                      ["vdpa-policy-z", "pf=" + NASTY[0]]):
            for json_word in ([], ["--json"]):
                text = answer(host, command, *words, *json_word)
                assert not disturbing(text), (command, words, text)
                assert "\nFAKE" not in text, (command, words, text)
                seen += bool(text)
    assert seen > 50
    assert not disturbing(host.log().replace("\t", ""))
    assert "\nFAKE" not in host.log()


def test_json_and_metrics(hostile):
    host = hostile
    for command in ("status", "device/list", "pf/list", "port/list",
                    "representor/list", "plan", "config/show", "event/list",
                    "why", "verify", "flow/list", "flow/stats", "metrics",
                    "offload/audit", "export/nova", "export/device-plugin",
                    "export/deviceinfo " + name(2),
                    "export/libvirt " + name(2),
                    "config/check vdpa-port-\u00e9 device=\u00e9"):
        text = host.vdpad(*command.split(), "--json")
        json.loads(text)
        assert text.isascii(), command
    label = r'[a-z_0-9]+="(?:[^"\\\n]|\\["\\n])*"'
    sample = re.compile(r"[a-z_0-9]+(\{%s(,%s)*\})? [0-9.e+-]+$"
                        % (label, label))
    for line in host.vdpad("metrics").splitlines():
        assert line.startswith("# ") or sample.match(line), line


def test_no_harm_done(hostile):
    """What was in order stays so, and nothing was written anywhere."""
    host = hostile
    assert {d for d, row in host.devices().items()
            if row["state"] == "ready"} >= {name(0), name(2), name(3)}
    assert not any(e["key"] == "vdpa-policy-a"
                   for e in host.json("config/show")["errors"])
    for place in (host.dir, "/", os.getcwd(), "/sys", "/tmp"):
        assert not os.path.exists(os.path.join(place, "PWNED"))
    ours = [f for f in os.listdir(host.dir) if f.startswith("ovs-vdpad")]
    assert set(ours) <= {"ovs-vdpad.pid", "ovs-vdpad.record",
                         "ovs-vdpad.record.lock"}

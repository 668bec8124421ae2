# SPDX-License-Identifier: Apache-2.0
"""Single flows: what flow/list asks for, shows, refuses, and how long it keeps
the loop."""

import pytest

from conftest import Failed, name

REP = "pf0vf0"
MANY = 100000


def listed(host, *words):
    """All flows, page by page."""
    flows, after = [], []
    while True:
        page = host.json("flow/list", *words, *after)
        assert page["kernel_flows_unknown"] is None
        flows += page["flows"]
        if page["next"] is None:
            return flows
        assert page["flows"]
        after = ["--after=" + page["next"]]


def refused(host, *words):
    with pytest.raises(Failed) as failed:
        host.vdpad("flow/list", *words)
    return str(failed.value)


@pytest.fixture
def flows(ready):
    """A few of each class on the first device's port."""
    ready.fake("flow", REP, "hw=3", "sw=2", "packets=40")
    ready.fake("kflow", REP, "number=2", "packets=7")
    ready.fake("flow", "pf0vf1", "hw=1")
    ready.fake("add-flow", REP, "sw", "to=pf0vf2", "packets=5", "uses=0x10000",
               "word=tcp(dst=80)")
    return ready


def test_classes(flows):
    everything = listed(flows)
    assert [f["class"] for f in everything] == (
        ["hw"] * 3 + ["sw"] * 3 + ["hw"] + ["kernel"] * 2)
    for class_ in "hw", "sw", "kernel":
        assert listed(flows, "--class=" + class_) == [
            f for f in everything if f["class"] == class_]
    assert [f["offloaded"] for f in everything].count(True) == 4
    assert {f["dp"] for f in everything if f["class"] == "kernel"} == {"ovs"}
    assert everything[0]["hw_packets"] == everything[0]["packets"] == 40
    assert sum(f["packets"] for f in listed(flows, "--class=kernel")) == 7


def test_joined_with_names(flows):
    flow, = [f for f in listed(flows, name(0)) if f["uses"] == ["ct"]]
    assert flow["port"] == REP and flow["device"] == name(0)
    assert flow["outputs"] == [{"port": "pf0vf2", "device": name(2)}]
    assert "tcp(dst=80)" in flow["match"] and flow["actions"] == "pf0vf2"
    line, = [l for l in flows.vdpad("flow/list", "--class=sw").splitlines()
             if "tcp(dst=80)" in l]
    for part in ("ufid:" + flow["ufid"], "in_port(pf0vf0)", "packets:5,",
                 "bytes:500", "used:0.100s", "age:1.000s", "offloaded:no",
                 "dp:tc", "device:" + name(0), "to:" + name(2),
                 "actions:pf0vf2"):
        assert part in line, part


def test_filters(flows):
    assert len(listed(flows, name(1))) == 1
    assert listed(flows, name(0)) == listed(flows, "--port=" + REP)
    assert len(listed(flows, name(0))) == 8
    assert listed(flows, "--port=p0") == []
    assert flows.vdpad("flow/list", "--port=p0") == "none"
    wanted = listed(flows)[4]
    for ufid in wanted["ufid"], wanted["ufid"].upper():
        assert listed(flows, "--ufid=" + ufid) == [wanted]


@pytest.mark.parametrize("limit", range(1, 10))
def test_pages(flows, limit):
    assert listed(flows, "--limit=%d" % limit) == listed(flows)
    assert len(flows.json("flow/list", "--limit=%d" % limit)["flows"]) == min(
        limit, 9)


def test_text_tells_how_to_go_on(flows):
    text = flows.vdpad("flow/list", "--limit=4").splitlines()
    assert len(text) == 5
    assert text[-1].startswith("there are more: say --after=tc-")
    rest = flows.vdpad("flow/list", text[-1].split()[-1]).splitlines()
    assert text[:-1] + rest == flows.vdpad("flow/list").splitlines()


def test_refused(flows):
    assert 'no device "vdpa:nosuch"' in refused(flows, "vdpa:nosuch")
    assert 'no network device "pf0vf9"' in refused(flows, "--port=pf0vf9")
    for word, expected in (
            ("--class=fast", "one of hw, sw, kernel"),
            ("--ufid=0123", "no identifier"),
            ("--ufid=01234567-89ab-cdef-0123-456789abcdeg", "no identifier"),
            ("--limit=0", "a number from 1"), ("--limit=-1", "a number from"),
            ("--limit=10001", "a number from"), ("--limit=1x", "a number"),
            ("--after=tc-1", "none of flow/list's"),
            ("--after=tc-1-2-3-4-10000-6-7", "none of flow/list's"),
            ("--after=kernel-1-2", "none of flow/list's"),
            ("--nonsense=1", "unknown argument")):
        said = refused(flows, word)
        assert word in said and expected in said, said
    assert "another --class" in refused(flows, "--class=kernel",
                                        "--after=tc-1-0-2-0-1-800-1")
    assert "unknown argument" in refused(flows, name(0), name(1))
    assert "given twice" in refused(flows, "--class=hw", "--class=sw")
    assert "which port already" in refused(flows, name(0), "--port=p0")
    assert "--class=?[31m: one of" in refused(flows, "--class=\x1b[31m")


def test_hanging_generic_netlink(flows):
    """Flows of TC are shown all the same."""
    flows.fake("hold", name(3), "77", "qemu")
    flows.fake("set", "step-deadline", "300")
    flows.fake("do", "vdpa-del", name(3))
    page = flows.json("flow/list")
    assert len(page["flows"]) == 7 and page["next"] is None
    assert page["kernel_flows_unknown"]
    assert "kernel datapath are not known" in flows.vdpad("flow/list")
    assert "cannot be listed" in refused(flows, "--class=kernel")
    flows.fake("release", name(3))


def test_sums_of_kernel_flows(flows):
    def numbers():
        shown = flows.json("flow/stats")
        return ({d["name"]: d["kernel_flows"] for d in shown["devices"]},
                shown["total"]["kernel_flows"])
    # They may be five seconds old.
    flows.wait_until(lambda: numbers()[0][name(0)] == 2, "two kernel flows")
    assert numbers() == ({name(0): 2, name(1): 0, name(2): 0, name(3): 0}, 2)


def test_many(ready):
    """A hundred thousand, in pages of 10,000."""
    ready.fake("flow", REP, "hw=%d" % MANY)
    seen, after, pages = set(), [], 0
    ready.json("loop/show", "--reset")
    while True:
        page = ready.json("flow/list", "--class=hw", *after)
        seen |= {f["match"] for f in page["flows"]}
        pages += 1
        ready.assert_short_turns(40)
        if page["next"] is None:
            break
        after = ["--after=" + page["next"]]
    assert len(seen) == MANY and pages == 10
    text = ready.vdpad("flow/list", "--class=hw").splitlines()
    assert len(text) == 10001
    ready.assert_short_turns(40)

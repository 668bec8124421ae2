#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Records netlink answers of the running kernel as files.

usage: record.py DIRECTORY [SECONDS]

With SECONDS it records what the kernel announces in that time instead.

Each file holds the messages of one answer as they came, headers included, one
after the other.  It speaks netlink by itself, not through the code whose tests
use the files.
"""

import os
import select
import socket
import struct
import sys
import time

NETLINK_ROUTE, NETLINK_KOBJECT_UEVENT, NETLINK_GENERIC = 0, 15, 16
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE, GENL_ID_CTRL = 2, 3, 16


def attr(kind, data):
    """One attribute with its padding."""
    if isinstance(data, str):
        data = data.encode() + b"\0"
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)


def split(data):
    """The messages in 'data', with padding."""
    while len(data) >= 16:
        size, kind = struct.unpack_from("=IH", data)
        step = (size + 3) & ~3
        yield kind, data[:size] + b"\0" * (min(step, len(data)) - size)
        data = data[step:]


class Netlink:
    """A socket for requests."""

    def __init__(self, protocol):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.sock.setsockopt(270, 11, 1)    # SOL_NETLINK, NETLINK_EXT_ACK
        self.sock.bind((0, 0))
        self.seq = 0

    def ask(self, kind, payload, flags):
        """The messages of the answer, without the final acknowledgement."""
        self.seq += 1
        size = 16 + len(payload)
        self.sock.send(struct.pack("=IHHII", size, kind, NLM_F_REQUEST | flags,
                                   self.seq, 0) + payload)
        answer = []
        while True:
            for kind, message in split(self.sock.recv(1 << 17)):
                if kind == NLMSG_DONE:
                    return answer
                if kind == NLMSG_ERROR:
                    error, = struct.unpack_from("=i", message, 16)
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return answer
                answer.append(message)


def record(directory, name, messages):
    """Writes one file."""
    with open(os.path.join(directory, name + ".nl"), "wb") as stream:
        for message in messages:
            stream.write(message)
    print(f"{name}: {len(messages)} messages")


def record_genl(directory):
    """vDPA, devlink, ethtool, and the controller itself."""
    genl = Netlink(NETLINK_GENERIC)
    families = {}

    def call(family, cmd, payload=b"", flags=NLM_F_DUMP, version=1):
        return genl.ask(families[family], struct.pack("=BBH", cmd, version, 0)
                        + payload, flags)

    families["nlctrl"] = GENL_ID_CTRL
    for name in ("vdpa", "devlink", "ethtool", "ovs_datapath", "ovs_vport",
                 "ovs_flow"):
        try:
            answer = call("nlctrl", 3, attr(2, name), NLM_F_ACK)
        except FileNotFoundError:
            print(f"{name}: none in this kernel")
            continue
        record(directory, "genl-family-" + name, answer)
        families[name] = struct.unpack_from("=H", answer[0],
                                            find(answer[0], 20, 1))[0]
    if "vdpa" in families:
        record(directory, "vdpa-mgmtdev", call("vdpa", 2))
        devices = call("vdpa", 5)
        record(directory, "vdpa-dev", devices)
        record(directory, "vdpa-config",
               sum((call("vdpa", 6, attr(4, text(message, 4)), NLM_F_ACK)
                    for message in devices), []))
    if "devlink" in families:
        record_devlink(directory, call)
    if "ethtool" in families:
        record(directory, "ethtool-features", call("ethtool", 11))
    if "ovs_flow" in families:
        record_datapath(directory, call)


def record_datapath(directory, call):
    """Open vSwitch's kernel datapaths, their ports and flows."""
    datapaths = call("ovs_datapath", 3, struct.pack("=i", 0), version=2)
    record(directory, "ovs-datapath", datapaths)
    answers = {"ovs_vport": [], "ovs_flow": []}
    for message in datapaths:
        for name, into in answers.items():
            into += call(name, 3, message[20:24])
    record(directory, "ovs-vport", answers["ovs_vport"])
    record(directory, "ovs-flow", answers["ovs_flow"])


def record_devlink(directory, call):
    """Instances with their e-switch and versions, ports."""
    instances = call("devlink", 1)
    record(directory, "devlink-dev", instances)
    record(directory, "devlink-port", call("devlink", 5))
    answers = {29: [], 51: []}
    for message in instances:
        handle = attr(1, text(message, 1)) + attr(2, text(message, 2))
        for cmd, into in answers.items():
            try:
                into += call("devlink", cmd, handle, NLM_F_ACK)
            except OSError:
                # It has none.
                continue
    record(directory, "devlink-eswitch", answers[29])
    record(directory, "devlink-info", answers[51])


def find(message, start, kind):
    """Offset of the payload of the first attribute 'kind' from 'start'."""
    while start + 4 <= len(message):
        size, found = struct.unpack_from("=HH", message, start)
        if found & 0x3fff == kind:
            return start + 4
        start += (size + 3) & ~3
    raise ValueError(f"no attribute {kind}")


def text(message, kind):
    """The text of attribute 'kind' of a generic netlink message."""
    at = find(message, 20, kind)
    return message[at:message.index(b"\0", at)].decode()


def record_route(directory):
    """Links, qdiscs, filters."""
    route = Netlink(NETLINK_ROUTE)
    record(directory, "link",
           route.ask(18, struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0), NLM_F_DUMP))
    qdiscs = route.ask(38, struct.pack("=BBHiIII", 0, 0, 0, 0, 0, 0, 0),
                       NLM_F_DUMP)
    record(directory, "qdisc", qdiscs)
    terse, full = [], []
    for message in qdiscs:
        ifindex, _, parent = struct.unpack_from("=iII", message, 20)
        if parent != 0xfffffff1:
            continue
        header = struct.pack("=BBHiIII", 0, 0, 0, ifindex, 0, 0xfffffff2, 0)
        full += route.ask(46, header, NLM_F_DUMP)
        terse += route.ask(46, header + attr(15, struct.pack("=II", 1, 1)),
                           NLM_F_DUMP)
    record(directory, "filter-full", full)
    record(directory, "filter-terse", terse)


def record_events(directory, seconds):
    """Uevents, announcements of links, TC and devlink of the next seconds."""
    socks = []
    for name, protocol, group in (("uevent", NETLINK_KOBJECT_UEVENT, 1),
                                  ("link-event", NETLINK_ROUTE, 1),
                                  ("tc-event", NETLINK_ROUTE, 8)):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        sock.bind((0, group))
        sock.settimeout(0)
        socks.append((name, sock))
    genl = Netlink(NETLINK_GENERIC)
    answer = genl.ask(GENL_ID_CTRL, struct.pack("=BBH", 3, 1, 0)
                      + attr(2, "devlink"), NLM_F_ACK)[0]
    groups = find(answer, 20, 7)
    group, = struct.unpack_from("=I", answer, find(answer, groups + 4, 2))
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    sock.bind((0, 0))
    sock.setsockopt(270, 1, group)          # NETLINK_ADD_MEMBERSHIP
    sock.settimeout(0)
    socks.append(("devlink-event", sock))
    print("listening", flush=True)
    seen = {name: [] for name, _ in socks}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for sock in select.select([s for _, s in socks], [], [], 0.5)[0]:
            name = [n for n, s in socks if s is sock][0]
            seen[name].append(sock.recv(1 << 17))
    # Each with its length before it: they have none in themselves.
    with open(os.path.join(directory, "uevents.bin"), "wb") as stream:
        for data in seen["uevent"]:
            stream.write(struct.pack("=I", len(data)) + data)
    print("uevents:", len(seen["uevent"]))
    for name in "link-event", "tc-event", "devlink-event":
        record(directory, name, seen[name])


def main():
    directory = sys.argv[1]
    if len(sys.argv) > 2:
        record_events(directory, float(sys.argv[2]))
        return
    record_route(directory)
    record_genl(directory)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes first inputs for the fuzz targets of the codecs out of recorded
messages.

usage: seed-corpus.py TEST_DIRECTORY
"""

import os
import struct
import sys

# Target: for each decoder, in the target's order, files and how many messages.
TARGETS = {
    "vdpa": ["vdpa-mgmtdev", "vdpa-dev", "vdpa-config"],
    "devlink": ["devlink-dev", "devlink-eswitch", "devlink-info",
                "devlink-port", "devlink-event"],
    "ethtool": ["ethtool-features"],
    "link": ["link", "link-event", "link-event"],
    "tc": ["qdisc", "filter-full"],
    "flower": ["ovs-filter-actions", "ovs-filter-tunnel", "ovs-flow",
               "ovs-flow", "ovs-vport", "ovs-datapath"],
    "misc": ["genl-family-devlink", None],
}
MESSAGES = 3


def messages(path):
    """The payloads in a file of messages, without their nlmsghdr, the
    longest and the shortest first."""
    with open(path, "rb") as stream:
        data = stream.read()
    found = []
    while len(data) >= 16:
        size, = struct.unpack_from("=I", data)
        found.append(data[16:size])
        data = data[(size + 3) & ~3:]
    found.sort(key=len)
    return found[-1:] + found[:-1]


def uevents(path):
    """The datagrams in a file of uevents."""
    with open(path, "rb") as stream:
        data = stream.read()
    found = []
    while len(data) >= 4:
        size, = struct.unpack_from("=I", data)
        found.append(data[4:4 + size])
        data = data[4 + size:]
    return found[14:17]


def records(directory):
    """Sequences for the fuzzer of the tracker (see fuzz-track.c): what was
    announced, and the same with dumps in the middle."""
    types = [44, 45, 101, 36, 37, 17, 92, 100]

    def record(kind, data=b""):
        data += b"\0" * (-len(data) % 4)
        return bytes([kind, len(data) // 4]) + data

    def message(kind, data):
        number, = struct.unpack_from("=H", data, 4)
        return record(kind, bytes([types.index(number), 0, 0, 0]) + data[16:])

    def load(name):
        with open(os.path.join(directory, name + ".nl"), "rb") as stream:
            data = stream.read()
        found = []
        while len(data) >= 16:
            size, = struct.unpack_from("=I", data)
            found.append(data[:size])
            data = data[(size + 3) & ~3:]
        return found

    events = [message(0, m) for m in load("tc-event")]
    qdiscs = [message(1, m) for m in load("qdisc")
              if struct.unpack_from("=H", m, 4)[0] in types]
    filters = [message(1, m) for m in load("filter-terse")]
    dump = [record(11, b"all "), record(2), *filters, record(3)]
    yield b"".join(events)
    yield b"".join([record(5), *qdiscs, record(6), *dump, *dump])
    yield b"".join(events[:7] + dump[:3] + events[7:12] + dump[3:]
                   + [record(10)] + events[12:] + dump)


def main():
    top = sys.argv[1]
    recorded = os.path.join(top, "data", "linux-6.12")
    for target, files in TARGETS.items():
        directory = os.path.join(top, "fuzz", "corpus", "fuzz-codec-" + target)
        os.makedirs(directory, exist_ok=True)
        for decoder, name in enumerate(files):
            inputs = (messages(os.path.join(recorded, name + ".nl")) if name
                      else uevents(os.path.join(recorded, "uevents.bin")))
            for number, payload in enumerate(inputs[:MESSAGES]):
                path = os.path.join(directory, f"{decoder}-{number}")
                with open(path, "wb") as stream:
                    stream.write(bytes([decoder]) + payload)

    directory = os.path.join(top, "fuzz", "corpus", "fuzz-track")
    os.makedirs(directory, exist_ok=True)
    for number, data in enumerate(records(recorded)):
        with open(os.path.join(directory, str(number)), "wb") as stream:
            stream.write(data)


if __name__ == "__main__":
    main()

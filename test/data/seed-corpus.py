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


if __name__ == "__main__":
    main()

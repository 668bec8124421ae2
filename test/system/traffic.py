# SPDX-License-Identifier: Apache-2.0
"""Running traffic between two containers, with every packet accounted for."""

import contextlib
import itertools
import json
import subprocess

import pytest

from conftest import BUILD
from twinlib import Namespace, filters, hw_packets, wait_for

# Each user takes addresses of its own: Open vSwitch 3.1 can lose track of a
# flow that looks the same as one of a representor that has vanished (see
# docs/kernel-behaviours.md).
_BASES = ('02:00:00:%02x:00:00' % i for i in itertools.count(0x40))


def new_macs():
    """A base address for mac= that no other test has."""
    return next(_BASES)


@pytest.fixture
def spaces(daemon, pf, policy):
    """Two containers, each with the netdev of a vDPA device; files that import
    this have it."""
    policy('num-vfs=2 vdpa-type=virtio mac=' + new_macs())
    daemon.wait_ready(2)
    made = []
    for i in range(2):
        netdev = daemon.device('vdpa:' + pf.vf(i))['netdev']
        made.append(Namespace('c%d' % i, netdev, '192.0.2.%d/24' % (i + 1)))
    yield made
    for space in made:
        space.delete()


class Spaces:
    """Containers 'NAME0' and so on, each with the netdev of a vDPA device of
    'pf', that know each other's addresses without asking for them."""

    def __init__(self, daemon, pf, vfs=(0, 1), name='c', net='192.0.2'):
        self.net = net
        self.all = []
        try:
            for n, i in enumerate(vfs):
                netdev = daemon.device('vdpa:' + pf.vf(i))['netdev']
                self.all.append(Namespace('%s%d' % (name, n), netdev,
                                          '%s/24' % self.address(n)))
            for a, b in itertools.permutations(range(len(self.all)), 2):
                self.all[a].ip('neigh replace %s lladdr %s dev eth0 nud '
                               'permanent' % (self.address(b), self.mac(b)))
        except BaseException:
            self.delete()
            raise

    def address(self, n):
        return '%s.%d' % (self.net, n + 1)

    def mac(self, n):
        return json.loads(self.all[n].ip('-j link show dev eth0'))[0][
            'address']

    def delete(self):
        for space in self.all:
            space.delete()
        self.all = []


class Traffic:
    """Numbered packets from the first of 'spaces' to the second."""

    def __init__(self, spaces, rate=50):
        a, b = spaces.all[:2]
        a.ping(spaces.address(1))
        self.process = subprocess.Popen(
            [str(BUILD / 'test/seq-traffic'), a.name, b.name,
             spaces.address(1), str(rate)], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def mark(self):
        """What became of the packets since the last mark."""
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, 'seq-traffic has ended'
        return json.loads(line)

    def wait_flow(self):
        """Waits until packets arrive again, some in a row, and leaves a
        fresh mark."""
        row = 0

        def flows():
            nonlocal row
            figures = self.mark()
            row = 0 if figures['lost'] else row + figures['received']
            return row >= 10
        wait_for(flows, 'that packets arrive', 120)

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(60)
            self.process = None


def in_hardware(rep):
    """Packets that hardware has counted at a representor's ingress."""
    return sum(hw_packets(f) for f in filters(rep)
               if f['options'].get('in_hw'))


def wait_in_hardware(rep, more=20):
    """Waits until hardware has counted 'more' packets.  Rules that are made
    anew begin at 0."""
    start = in_hardware(rep)

    def counted():
        nonlocal start
        now = in_hardware(rep)
        start = min(start, now)
        return now >= start + more

    wait_for(counted, 'packets in hardware at ' + rep)
    return in_hardware(rep)


@contextlib.contextmanager
def traffic_in_hardware(daemon, pf):
    """Traffic between containers with the first two devices of 'pf', which
    hardware carries by now."""
    spaces = Spaces(daemon, pf)
    traffic = None
    try:
        traffic = Traffic(spaces)
        wait_in_hardware(pf.rep(0))
        traffic.mark()
        yield traffic
    finally:
        if traffic:
            traffic.stop()
        spaces.delete()

# SPDX-License-Identifier: Apache-2.0
"""One of two compute hosts between which a server moves.

usage: nova_host.py a|b geneve|vxlan

The server has one port of vnic_type=vdpa.  os-vif itself plugs and unplugs
it, in the order in which nova's libvirt driver has that done; the guest is a
program that drives the char device as QEMU would.  The daemon only looks on
(vdpa-attach=none).  On each host a container pings the server."""

import subprocess
import sys
import time

from host import (BUILD, Host, LIMIT, NUMBER, Pinger, SIDE, failed_checks,
                  meet, offloaded, play, say, verdict)
from twinlib import Namespace, run, wait_for

from peer import Peer

PORT = '11111111-0000-4000-8000-000000000001'
VM = '22222222-0000-4000-8000-000000000001'
MAC = '02:00:00:00:09:0a'
ADDRESS = '10.0.0.9'
# A policy's, to which the VF's index is added.
NEAR_MAC = '02:00:00:00:0%d:%02x'
RESUMES = 30


class Server:
    """What there is of it on this host."""

    def __init__(self, host, peer):
        self.host = host
        self.peer = peer
        self.name = 'vdpa:' + host.pf.vf(0)
        self.guest = None

    def device(self):
        return self.host.daemon.device(self.name)

    def plug(self):
        self.peer.call('plug', 'br-int', self.host.pf.vf(0), PORT, MAC, VM)

    def unplug(self):
        self.peer.call('unplug', 'br-int', self.host.pf.vf(0), PORT, MAC, VM)

    def start(self):
        self.guest = subprocess.Popen(
            [BUILD / 'test/vdpa-guest', self.device()['chardev'], ADDRESS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.guest.stdout.readline() == 'ready %s\n' % MAC

    def stop(self):
        self.guest.stdin.close()
        assert self.guest.wait(LIMIT) == 0
        self.wait(lambda d: d['in_use_by'] == [], 'nobody holds it')

    def wait(self, condition, what):
        self.host.daemon.wait(lambda: condition(self.device()), what, LIMIT)

    def assert_free(self):
        """Nothing of the server is left, and the device is for the next."""
        self.wait(lambda d: d['port'] is None and d['in_use_by'] == [],
                  'the device is free')
        assert self.device()['state'] == 'ready'
        assert self.host.pf.rep(0) not in self.host.ovs.vsctl(
            'list-ports', 'br-int').split()

    def assert_serves(self, near):
        """Traffic, in hardware, and nothing that why would blame."""
        near.ping(ADDRESS, limit=LIMIT)
        self.wait(lambda d: d['iface_id'] == PORT
                  and [u['pid'] for u in d['in_use_by']] == [self.guest.pid],
                  'port and guest are seen')
        wait_for(lambda: near.ping(ADDRESS, count=30, limit=LIMIT)
                 and verdict(self.host, self.device()) == 'offloaded',
                 'the verdict on the server', LIMIT)
        assert not failed_checks(self.host, self.device())


def near_container(host):
    """Attached by hand, as somebody else would."""
    device = host.daemon.device('vdpa:' + host.pf.vf(1))
    rep = device['representor']
    wait_for(lambda: 'br-int' in host.ovs.vsctl('list-br').split(),
             'the bridge that ovn-controller makes', LIMIT)
    run('ip link set %s up' % rep)
    host.ovs.vsctl('add-port', 'br-int', rep, '--', 'set', 'Interface', rep,
                   'external_ids:iface-id=near-' + SIDE)
    space = Namespace('near', device['netdev'], '10.0.0.%d/24' % NUMBER[SIDE],
                      mtu=1400)
    return device, space


class Play:
    def __init__(self, host, peer):
        self.host = host
        self.server = Server(host, peer)
        if host.central:
            host.central.nbctl('ls-add', 'ls')
            for side in 'ab':
                host.central.add_port('near-' + side,
                                      NEAR_MAC % (NUMBER[side], 10),
                                      '10.0.0.%d' % NUMBER[side])
            host.central.add_port(PORT, MAC, ADDRESS)
        self.near_device, self.near = near_container(host)
        peer.answer()
        meet('loaded')

    def bind(self, side):
        """Neutron's part: the port is bound to a host."""
        if self.host.central:
            self.host.central.nbctl('lsp-set-options', PORT,
                                    'requested-chassis=host-' + side)
            self.host.central.nbctl('--wait=hv', '--timeout=%d' % LIMIT,
                                    'sync')

    def serves(self, side, step):
        """The server is there on 'side', for both containers."""
        if SIDE == side:
            self.server.assert_serves(self.near)
        else:
            wait_for(lambda: offloaded(self.host, self.near_device, self.near,
                                       ADDRESS),
                     'the server across hosts in hardware', LIMIT)
        if self.host.central:
            wait_for(lambda: self.host.central.chassis_of(PORT)
                     == 'host-' + side, 'the port is on ' + side, LIMIT)
        say('%s: served by %s' % (step, side))
        meet(step)

    def boot(self):
        self.bind('a')
        if SIDE == 'a':
            self.server.plug()
            self.server.start()
        self.serves('a', 'boot')

    def detach_and_attach(self):
        if SIDE == 'a':
            self.server.stop()
            self.server.unplug()
            self.server.assert_free()
            wait_for(lambda: self.host.central.chassis_of(PORT) is None,
                     'the port is down', LIMIT)
            self.server.plug()
            self.server.start()
        self.serves('a', 'attach')

    def suspend_and_resume(self):
        """The guest lets go of the device; the port stays plugged."""
        if SIDE == 'a':
            self.server.stop()
            blamed = [w['check'] for w in failed_checks(
                self.host, self.server.device())]
            assert blamed == ['vdpa-holder'], blamed
            self.host.daemon.wait_settled()
            assert self.server.device()['iface_id'] == PORT
            self.server.plug()
            self.server.start()
        self.serves('a', 'resume')

    def migrate_cold(self):
        if SIDE == 'a':
            self.server.stop()
            self.server.unplug()
            self.server.assert_free()
        self.bind('b')
        meet('powered off')
        if SIDE == 'b':
            self.server.plug()
            self.server.start()
        self.serves('b', 'cold migration')

    def migrate_live(self):
        """Plugged ahead at the destination; at the source the device is
        unplugged from the guest before its memory moves."""
        if SIDE == 'a':
            self.server.plug()
            pinger = Pinger('near', ADDRESS)
            self.near.ping(ADDRESS, limit=LIMIT)
        meet('before live migration')
        if SIDE == 'b':
            self.server.stop()
            self.server.unplug()
            self.server.assert_free()
        meet('detached')
        self.bind('a')
        if SIDE == 'a':
            began = time.monotonic()
            self.server.plug()
            self.server.start()
            self.near.ping(ADDRESS, count=1, limit=LIMIT)
            seconds = time.monotonic() - began
            say('live migration: traffic %.1f s after attaching' % seconds)
            assert seconds < RESUMES
        else:
            self.server.unplug()     # nova does once more.
        self.serves('a', 'live migration')
        if SIDE == 'a':
            sent, answered, gap = pinger.stop()
            say('live migration; sent, answered, longest gap: %d, %d, %.1f s'
                % (sent, answered, gap))
            assert gap < RESUMES

    def crash(self):
        """The guest dies, and nova-compute with it; the server is evacuated.
        The old port stays until nova-compute is back."""
        if SIDE == 'a':
            self.server.guest.kill()
            self.server.guest.wait(LIMIT)
            self.server.wait(lambda d: d['in_use_by'] == [],
                             'nobody holds it')
            blamed = failed_checks(self.host, self.server.device())
            assert [w['check'] for w in blamed] == ['vdpa-holder'], blamed
            assert PORT in blamed[0]['seen']
        self.bind('b')
        meet('crashed')
        if SIDE == 'b':
            began = time.monotonic()
            self.server.plug()
            self.server.start()
            self.near.ping(ADDRESS, count=1, limit=LIMIT)
            say('evacuation: traffic after %.1f s'
                % (time.monotonic() - began))
            assert time.monotonic() - began < RESUMES
        self.serves('b', 'evacuation')
        if SIDE == 'a':
            # It is not ours, whoever starts anew.
            self.host.daemon.stop()
            self.host.daemon.start()
            self.host.daemon.wait_ready(2)
            self.host.daemon.wait_settled()
            assert self.server.device()['iface_id'] == PORT
            self.server.unplug()
            self.server.assert_free()
        self.serves('b', 'cleaned')


def main():
    peer = Peer()
    peer.ask('load')       # Takes a minute or so.
    host = Host(sys.argv[2], [
        ('vms', '#0', 'vdpa-type=vhost mac=' + MAC),
        ('near', '#1', 'vdpa-type=virtio mac=' + NEAR_MAC % (NUMBER[SIDE], 9)),
    ], attach='none')
    the = Play(host, peer)
    the.boot()
    the.detach_and_attach()
    the.suspend_and_resume()
    the.migrate_cold()
    the.migrate_live()
    the.crash()
    peer.stop()
    return host


play(main)

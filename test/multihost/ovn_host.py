# SPDX-License-Identifier: Apache-2.0
"""One of two hosts on which OVN makes a logical switch over vDPA devices.

usage: ovn_host.py a|b geneve|vxlan STAGE...

Both do the same stages and meet between them.  The daemon is told of ports by
our keys alone; what it did is judged by ovn-sbctl, ovs-vsctl, tc and ping."""

import json
import sys
import time

from host import (Host, LIMIT, MEET, OTHER, Pinger, SIDE,
                  failed_checks, meet, offloaded, play, say, verdict)
from twinlib import CommandError, Namespace, run, wait_for

ADDRESS = {'a': '10.0.0.1', 'b': '10.0.0.2', 'm': '10.0.0.3'}
MAC = {'a': '02:00:00:00:01:0a', 'b': '02:00:00:00:02:0a',
       'm': '02:00:00:00:03:0a'}


class Place:
    """A container with a logical port, by our keys."""

    def __init__(self, host, port):
        self.host = host
        self.port = port
        self.device = host.declare('lsp-' + port, MAC[port])
        self.space = Namespace(port, self.device['netdev'],
                               ADDRESS[port] + '/24', mtu=1400)

    def ping(self, address, **kwargs):
        return self.space.ping(address, limit=LIMIT, **kwargs)

    def delete(self):
        self.space.delete()
        self.host.withdraw('lsp-' + self.port)

    def wait_offloaded(self, address):
        """In hardware both ways, and judged so."""
        wait_for(lambda: offloaded(self.host, self.device, self.space,
                                   address),
                 'rules of %s in hardware on host %s' % (self.port, SIDE),
                 LIMIT)
        wait_for(lambda: self.ping(address, count=30)
                 and verdict(self.host, self.device) == 'offloaded',
                 'verdict on %s on host %s' % (self.port, SIDE), LIMIT)


def set_up(host):
    """A logical port on each host; that of this one."""
    central = host.central
    if central:
        central.nbctl('ls-add', 'ls')
        for port in MAC:
            central.add_port('lsp-' + port, MAC[port], ADDRESS[port])
    place = Place(host, SIDE)
    if central:
        for side in 'ab':
            wait_for(lambda s=side: central.chassis_of('lsp-' + s)
                     == 'host-' + s, 'lsp-%s is bound' % side, LIMIT)
    meet('bound')
    return place


def moved(host, place):
    """A logical port is unplugged on b, and plugged on a."""
    if SIDE == 'b':
        second = Place(host, 'm')
        second.ping(ADDRESS['a'])
        meet('before')
        wait_for((MEET / 'pinging').exists, 'a pings', LIMIT)
        second.delete()
        (MEET / 'unplugged').touch()
    else:
        meet('before')
        pinger = Pinger(place.port, ADDRESS['m'])
        (MEET / 'pinging').touch()
        wait_for((MEET / 'unplugged').exists, 'b unplugs', LIMIT)
        began = time.monotonic()
        second = Place(host, 'm')
        second.ping(ADDRESS['b'], count=1)
        seconds = time.monotonic() - began
        say('lsp-m moved: traffic after %.1f s' % seconds)
        assert seconds < 30
        assert host.central.chassis_of('lsp-m') == 'host-a'
        second.wait_offloaded(ADDRESS['b'])
        place.ping(ADDRESS['m'])
        say('sent, answered, longest gap: %d, %d, %.1f s' % pinger.stop())
    meet('moved')


def options(host, *words):
    """Sets the moved port's options, and waits for both hosts."""
    host.central.nbctl('lsp-set-options', 'lsp-m', *words)
    host.central.nbctl('--wait=hv', '--timeout=%d' % LIMIT, 'sync')


def is_deaf(place):
    try:
        place.space.exec('ping', '-c', '3', '-i', '0.2', '-W', '2',
                         ADDRESS[OTHER])
        return False
    except CommandError:
        return True


def send_rarp(place):
    """As QEMU announces a guest that has arrived."""
    mac = bytes.fromhex(MAC['m'].replace(':', ''))
    frame = (b'\xff' * 6 + mac + b'\x80\x35'
             + b'\x00\x01\x08\x00\x06\x04\x00\x03'
             + mac + bytes(4) + mac + bytes(4)).ljust(60, b'\0')
    place.space.exec(
        sys.executable, '-c',
        'import socket; s = socket.socket(socket.AF_PACKET, '
        'socket.SOCK_RAW); s.bind(("eth0", 0)); '
        's.send(bytes.fromhex("%s"))' % frame.hex())


def requested(host, place):
    """A logical port is plugged on both hosts, and OVN told where it is."""
    central = host.central
    if central:
        options(host, 'requested-chassis=host-a')
    meet('requested')
    second = Place(host, 'm')
    meet('plugged')
    if central:
        wait_for(lambda: central.chassis_of('lsp-m') == 'host-a',
                 'lsp-m is on a', LIMIT)
        second.ping(ADDRESS['b'])
    meet('on a')
    if SIDE == 'b':
        assert is_deaf(second)
    meet('not on b')

    # Switched, with neither host's keys touched.
    keys = host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')
    pinger = Pinger(place.port, ADDRESS['m'])
    place.ping(ADDRESS['m'])
    meet('switch')
    if central:
        options(host, 'requested-chassis=host-b')
        wait_for(lambda: central.chassis_of('lsp-m') == 'host-b',
                 'lsp-m is on b', LIMIT)
    meet('switched')
    if SIDE == 'b':
        second.wait_offloaded(ADDRESS['a'])
    else:
        assert is_deaf(second)
    meet('on b')
    sent, answered, gap = pinger.stop()
    say('switched; sent, answered, longest gap: %d, %d, %.1f s' % (
        sent, answered, gap))
    assert gap < 30
    assert keys == host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')
    if not central:
        assert host.daemon.states()[second.device['name']] == 'ready'

    # On both, and deaf on a until it announces itself there.
    if central:
        options(host, 'requested-chassis=host-b,host-a',
                'activation-strategy=rarp')
        wait_for(lambda: run('ovn-sbctl', '--bare',
                             '--columns=additional_chassis', 'find',
                             'Port_Binding', 'logical_port=lsp-m',
                             env=central.env).strip(),
                 'a is an additional chassis', LIMIT)
        assert is_deaf(second)
        began = time.monotonic()
        send_rarp(second)
        second.ping(ADDRESS['b'], count=1)
        say('rarp: traffic after %.1f s' % (time.monotonic() - began))
        assert time.monotonic() - began < 30
        say('on both hosts: verdict on a ' + verdict(host, second.device))
        options(host, 'requested-chassis=host-a')
        second.wait_offloaded(ADDRESS['b'])
    meet('announced')


def tracked(host, place):
    """Connection tracking cannot be offloaded on this kernel."""
    far = ADDRESS[OTHER]
    if host.central:
        host.central.nbctl('acl-add', 'ls', 'from-lport', '1000', 'ip4',
                           'allow-related')
        host.central.nbctl('--wait=hv', '--timeout=120', 'sync')
    meet('acl')
    for _ in range(3):
        place.ping(far, count=30)
    wait_for(lambda: place.ping(far, count=30)
             and verdict(host, place.device) != 'offloaded',
             'another verdict with connection tracking', LIMIT)
    say('with connection tracking: ' + verdict(host, place.device))
    failed = failed_checks(host, place.device)
    say('why: ' + json.dumps(failed))
    assert any('connection tracking' in w['seen'] for w in failed), failed
    meet('tracked')


def refused(host, place):
    """The card does not know the tunnel: what leaves by it is in software, and
    why says so; on this host only."""
    knob = 'no_' + sys.argv[2]
    far = ADDRESS[OTHER]
    # Both hosts ping all the time: an echo is in software on its way out.
    if SIDE == 'a':
        host.pf.knob(knob, 'Y')
        # Open vSwitch does not offer again what was taken once.
        host.ovs.appctl('revalidator/purge')
    meet('refused')
    if SIDE == 'a':
        wait_for(lambda: place.ping(far, count=30)
                 and verdict(host, place.device) == 'software',
                 'the verdict that the tunnel is in software', LIMIT)
        shown = host.daemon.device(place.device['name'])['offload']
        say('tunnel refused: ' + json.dumps(shown))
        wait_for(lambda: place.ping(far, count=30) and any(
            w['check'] == 'rules' and 'tunnel' in w['seen']
            for w in failed_checks(host, place.device)),
            'why blames the tunnel', LIMIT)
        say('why: ' + json.dumps(failed_checks(host, place.device)))
        probed = [w for w in host.daemon.json(
            'why', place.device['name'], '--probe') if w['check'] == 'rules']
        say('why --probe: ' + json.dumps(probed))
        assert 'twin: the card does not know' in probed[0]['seen'], probed
        host.pf.knob(knob, 'N')
        host.ovs.appctl('revalidator/purge')
    place.wait_offloaded(far)
    meet('taken')


def main():
    host = Host(sys.argv[2], [('test', '', 'vdpa-type=virtio')])
    place = set_up(host)
    place.wait_offloaded(ADDRESS[OTHER])
    say('offloaded: ' + json.dumps(
        host.daemon.device(place.device['name'])['offload']))
    assert not failed_checks(host, place.device)
    meet('offloaded')
    for stage in sys.argv[3:]:
        globals()[stage](host, place)
    return host


play(main)

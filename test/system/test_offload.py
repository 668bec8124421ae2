# SPDX-License-Identifier: Apache-2.0
# level: full
"""Counters and verdicts with every kind of traffic, and with what can happen to
it, against what the card itself counts.

Whatever the ports of the card carry either stays in hardware or reaches the
host: a representor counts all of it, and CPU_HIT the latter.  None of that
comes from filters, which is what the daemon goes by."""

import json
import re
import subprocess
import threading

import pytest

from conftest import fixtures
from traffic import new_macs
from twinlib import Namespace, Pf, filters, run, wait_for

NET, VLAN_NET, FAR_NET = '192.0.2', '198.51.100', '203.0.113'
COUNTERS = ('hw_packets', 'hw_bytes', 'sw_packets', 'sw_bytes',
            'slow_path_packets')
LIMIT = 150

# Shares of what the card passes on itself, in percent, by verdict (kept ones).
SHARES = {'offloaded': (80, 100), 'partial': (4, 91), 'software': (0, 15),
          'kernel': (0, 15)}


pf, ovs, daemon, policy = fixtures('module')


class Card:
    """What the card counts at a representor."""

    def __init__(self, rep):
        self.rep = rep

    def look(self):
        """Packets that its port received, and of these those that reached
        the host."""
        shown = json.loads(run('ip -j stats show dev %s group link group '
                               'offload subgroup cpu_hit' % self.rep))
        packets = {s['group']: s['stats64']['rx']['packets'] for s in shown}
        return packets['link'], packets['offload']


class Recorder(threading.Thread):
    """Looks at the daemon's counters, which must never go down."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon = daemon
        self.is_over = threading.Event()
        self.wrong, self.looks, self.last = [], 0, {}

    def look(self):
        for row in self.daemon.json('flow/stats')['devices']:
            old = self.last.get(row['name'], row)
            self.wrong += ['%s: %s %s -> %s' % (row['name'], c, old[c],
                                                row[c])
                           for c in COUNTERS
                           if row[c] is None or row[c] < old[c]]
            self.last[row['name']] = row
        self.looks += 1

    def run(self):
        while not self.is_over.wait(0.5):
            try:
                self.look()
            except Exception as e:      # No look is a fault as well.
                self.wrong.append(repr(e))

    def stop(self):
        self.is_over.set()
        self.join()
        assert not self.wrong, self.wrong
        assert self.looks


class Scene:
    """Two containers on one PF, and what they send."""

    def __init__(self, daemon, ovs, pf):
        self.daemon, self.ovs, self.pf = daemon, ovs, pf
        self.names = ['vdpa:' + self.pf.vf(i) for i in range(2)]
        self.cards = [Card(self.pf.rep(i)) for i in range(2)]
        self.spaces = [Namespace('o%d' % i, daemon.device(n)['netdev'],
                                 '%s.%d/24' % (NET, i + 1))
                       for i, n in enumerate(self.names)]
        self.pings, self.counted = [], None

    def send(self, address='192.0.2.2', frm=0):
        """Packets there and back until quiet()."""
        space = self.spaces[frm]
        space.ping(address)
        self.pings.append(subprocess.Popen(
            ['ip', 'netns', 'exec', space.name, 'ping', '-q', '-i', '0.04',
             address], stdout=subprocess.DEVNULL))

    def quiet(self):
        for ping in self.pings:
            ping.terminate()
            ping.wait()
        self.pings = []

    def stats(self, i):
        return self.daemon.json('flow/stats', self.names[i])['devices'][0]

    def verdicts(self):
        return [d['offload']['verdict']
                for d in self.daemon.json('device/list')]

    def becomes(self, *verdicts):
        self.daemon.wait(lambda: self.verdicts()[:len(verdicts)]
                         == list(verdicts),
                         'verdicts %s' % (verdicts,), LIMIT)

    def settle(self):
        """What the card and the daemon have counted, once nothing passes any
        more: lists by device."""
        last = None

        def is_still():
            nonlocal last
            old, last = last, [(c.look(),
                                {k: self.stats(i)[k] for k in COUNTERS})
                               for i, c in enumerate(self.cards)]
            return old == last
        self.quiet()
        wait_for(is_still, 'that nothing passes', pause=1.5)
        return last

    def begin(self):
        """check() is about what passes from here on."""
        self.counted = self.settle()

    def check(self, *verdicts, lost=0):
        """Of the first len(verdicts) devices, under traffic: their verdicts;
        and when it is quiet: what was counted since begin(), of which 'lost'
        packets may be missing, and what filters there are."""
        n = len(verdicts)
        self.becomes(*verdicts)
        before = [card.look() for card in self.cards]
        wait_for(lambda: all(self.cards[i].look()[0] >= before[i][0] + 100
                             for i in range(n)), '100 packets each way',
                 LIMIT)
        for i, verdict in enumerate(verdicts):
            everything, slow = self.passed(i, before[i])
            low, high = SHARES[verdict]
            share = 100 * (everything - slow) / everything
            assert low <= share <= high, (verdict, everything, slow)
        self.becomes(*verdicts)
        settled = self.settle()
        for i in range(n):
            self.check_counters(i, settled[i], lost)
        verified = self.daemon.json('verify')
        assert verified['equal'], verified
        for i in range(n):
            self.check_flows(i)
        self.begin()

    def passed(self, i, before):
        """Packets, and of these the slow ones, since 'before'."""
        return [new - old for new, old in zip(self.cards[i].look(), before)]

    def check_counters(self, i, settled, lost):
        (everything, slow), ours = settled
        (old_everything, old_slow), old = self.counted[i]
        slow -= old_slow
        hard = everything - old_everything - slow
        gained = {c: ours[c] - old[c] for c in COUNTERS}
        few = 5 + (hard + slow) // 50
        told = 'hardware %d, slow path %d, but %s' % (hard, slow, gained)
        print(told)
        assert abs(gained['slow_path_packets'] - slow) <= few, told
        assert hard - lost - few <= gained['hw_packets'] <= hard + few, told
        assert gained['sw_packets'] <= slow + few, told

    def check_flows(self, i):
        """As many as TC has."""
        def is_same():
            there = [f['options'].get('in_hw', False)
                     for f in filters(self.pf.rep(i))
                     if f['options'].get('handle')]
            row = self.stats(i)
            return (row['hw_flows'], row['sw_flows']) == (
                sum(there), len(there) - sum(there))
        wait_for(is_same, 'the flows that TC has', 30)

    def delete(self):
        self.quiet()
        for space in self.spaces:
            space.delete()


@pytest.fixture(scope='module')
def built(daemon, ovs, pf, policy):
    policy('num-vfs=2 vdpa-type=virtio mac=' + new_macs())
    daemon.wait_ready(2)
    scene = Scene(daemon, ovs, pf)
    yield scene
    scene.delete()


@pytest.fixture
def scene(built):
    """With counters that are watched all the time."""
    recorder = Recorder(built.daemon)
    recorder.start()
    built.begin()
    yield built
    built.quiet()
    recorder.stop()


def test_plain(scene):
    scene.send()
    scene.check('offloaded', 'offloaded')


def test_flows_come_and_go(scene):
    """Open vSwitch deletes all and begins anew, again and again: nothing that
    was counted is lost."""
    scene.send()
    scene.becomes('offloaded', 'offloaded')
    for _ in range(5):
        before = scene.stats(0)['hw_packets']
        scene.ovs.appctl('revalidator/purge')
        wait_for(lambda: scene.stats(0)['hw_packets'] >= before + 30,
                 'packets in hardware again')
    scene.check('offloaded', 'offloaded')


@pytest.fixture
def vlans(scene):
    """An access port and a trunk."""
    vsctl, reps = scene.ovs.vsctl, [scene.pf.rep(i) for i in range(2)]
    vsctl('set', 'Port', reps[0], 'tag=7', '--', 'set', 'Port', reps[1],
          'trunks=7')
    scene.spaces[0].ip('addr add %s.1/24 dev eth0' % VLAN_NET)
    scene.spaces[1].ip('link add link eth0 name eth0.7 type vlan id 7')
    scene.spaces[1].ip('addr add %s.2/24 dev eth0.7' % VLAN_NET)
    scene.spaces[1].ip('link set eth0.7 up')
    yield
    scene.spaces[1].ip('link del eth0.7')
    scene.spaces[0].ip('addr del %s.1/24 dev eth0' % VLAN_NET)
    vsctl('clear', 'Port', reps[0], 'tag', '--', 'clear', 'Port', reps[1],
          'trunks')


def test_vlan(scene, vlans):
    scene.send(VLAN_NET + '.2')
    scene.becomes('offloaded', 'offloaded')
    for i, what in enumerate(('push', 'pop')):
        assert [f for f in filters(scene.pf.rep(i)) if f['options'].get('in_hw')
                and 'vlan' in str(f['options'].get('actions'))
                and what in str(f['options']['actions'])]
    scene.check('offloaded', 'offloaded')


@pytest.fixture
def tunnel(scene):
    """VXLAN to a host behind the wire."""
    pf = scene.pf
    far = Namespace('ofar', pf.wire, '10.0.2.2/24', mtu=1600)
    run('ip link set %s up mtu 1600' % pf.netdev)
    run('ip addr add 10.0.2.1/24 dev ' + pf.netdev)
    run('ethtool -K %s hw-tc-offload on' % pf.netdev)
    far.ip('link add tun type vxlan id 42 remote 10.0.2.1 dstport 4789')
    far.ip('addr add %s.9/24 dev tun' % FAR_NET)
    far.ip('link set tun up')
    scene.spaces[0].ip('addr add %s.1/24 dev eth0' % FAR_NET)
    scene.ovs.vsctl('add-port', 'br-int', 'vx', '--', 'set', 'Interface',
                    'vx', 'type=vxlan', 'options:remote_ip=10.0.2.2',
                    'options:key=42')
    yield
    scene.quiet()
    scene.ovs.vsctl('del-port', 'vx')
    scene.spaces[0].ip('addr del %s.1/24 dev eth0' % FAR_NET)
    run('ip addr flush dev ' + pf.netdev)
    run('ip link set %s mtu 1500' % pf.netdev)
    far.delete()


def test_vxlan(scene, tunnel):
    scene.send(FAR_NET + '.9')
    scene.becomes('offloaded')
    assert 'tunnel_key' in str([f for f in filters(scene.pf.rep(0))
                                if f['options'].get('in_hw')])
    scene.check('offloaded')


@pytest.fixture
def lag(scene):
    """The uplinks of both PFs in a bond that is a port, and a bridge between
    the far ends."""
    other = Pf(1)
    other.mode('switchdev')
    run('ip link add bond7 type bond mode active-backup miimon 50')
    run('ip link add far type bridge')
    # Open vSwitch takes in the ports of a bond that it knows.
    scene.ovs.vsctl('add-port', 'br-int', 'bond7')
    for pf in (scene.pf, other):
        run('ethtool -K %s hw-tc-offload on' % pf.netdev)
        run('ip link set %s down' % pf.netdev)
        run('ip link set %s master bond7' % pf.netdev)
        run('ip link set %s up' % pf.wire)
        run('ip link set %s master far' % pf.wire)
    run('ip link set bond7 up')
    run('ip link set far up')
    run('ip addr add %s.9/24 dev far' % FAR_NET)
    scene.spaces[0].ip('addr add %s.1/24 dev eth0' % FAR_NET)
    # The kernel announces no change of a mode.
    scene.daemon.appctl('resync')
    yield
    scene.quiet()
    scene.ovs.vsctl('del-port', 'bond7')
    scene.spaces[0].ip('addr del %s.1/24 dev eth0' % FAR_NET)
    run('ip link del far')
    run('ip link del bond7')
    other.mode('legacy')
    scene.daemon.appctl('resync')


def test_lag(scene, lag):
    """One block for both uplinks; the active one goes away under traffic."""
    scene.send(FAR_NET + '.9')
    scene.becomes('offloaded')

    def blocks():
        return [re.findall(r'ingress_block (\d+)',
                           run('tc qdisc show dev ' + name))
                for name in ('p0', 'p1')]
    wait_for(lambda: blocks()[0] and blocks()[0] == blocks()[1],
             'one block for both')
    active = '/sys/class/net/bond7/bonding/active_slave'
    first = open(active).read().strip()
    run('ip link set wire%s down' % first[-1])
    wait_for(lambda: open(active).read().strip() not in ('', first),
             'failover')
    scene.spaces[0].ping(FAR_NET + '.9')
    scene.check('offloaded')


def test_refused(scene):
    """The card refuses all rules, then takes them."""
    scene.pf.knob('rule_fail', '-1 95 refused by a test')
    try:
        scene.ovs.appctl('revalidator/purge')
        scene.send()
        scene.check('software', 'software')
    finally:
        scene.pf.knob('rule_fail', '0 5')
    scene.ovs.appctl('revalidator/purge')
    scene.send()
    scene.check('offloaded', 'offloaded')


def test_full_table(scene):
    """A rule for each port, and room for half of them."""
    sender = ('import socket,threading\n'
              'tick=threading.Event()\n'
              's=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n'
              'while 1:\n'
              ' for p in range(2000,2012):\n'
              '  s.sendto(b"x",("192.0.2.2",p))\n'
              '  tick.wait(0.01)\n')
    flow = 'priority=9,udp,in_port=%s,tp_dst=%d,actions=output:%s'
    reps = [scene.pf.rep(i) for i in range(2)]
    for port in range(2000, 2012):
        scene.ovs.run('ovs-ofctl', 'add-flow', 'br-int',
                      flow % (reps[0], port, reps[1]))
    scene.spaces[0].ip('neigh replace 192.0.2.2 lladdr %s dev eth0 nud '
                       'permanent' % json.loads(scene.spaces[1].ip(
                           '-j link show dev eth0'))[0]['address'])
    scene.pf.knob('rule_limit', 6)
    try:
        scene.ovs.appctl('revalidator/purge')
        scene.pings.append(subprocess.Popen(
            ['ip', 'netns', 'exec', scene.spaces[0].name, '/usr/bin/python3',
             '-c', sender]))
        scene.becomes('partial')
        row = scene.stats(0)
        assert row['hw_flows'] >= 1 and row['sw_flows'] >= 5, row
        scene.check('partial')
    finally:
        scene.quiet()
        scene.pf.knob('rule_limit', 0)
        scene.spaces[0].ip('neigh flush dev eth0 nud permanent')
        scene.ovs.run('ovs-ofctl', 'del-flows', 'br-int', 'udp')
    scene.ovs.appctl('revalidator/purge')
    scene.send()
    scene.check('offloaded', 'offloaded')


def test_vswitchd_is_killed(scene):
    """In the middle of traffic, which goes on in hardware; the next one begins
    anew."""
    scene.send()
    scene.becomes('offloaded', 'offloaded')
    scene.ovs.kill('ovs-vswitchd')
    before = scene.stats(0)['hw_packets']
    wait_for(lambda: scene.stats(0)['hw_packets'] >= before + 30,
             'packets in hardware without it')
    scene.ovs.start()
    wait_for(lambda: 'in_hw' in run('tc filter show dev %s ingress'
                                    % scene.pf.rep(0)), 'filters again')
    before = scene.stats(0)['hw_packets']
    wait_for(lambda: scene.stats(0)['hw_packets'] >= before + 30,
             'packets in hardware again')
    # Those of which no look told before it removed the qdiscs.
    scene.check('offloaded', 'offloaded', lost=500)


def restart(scene, value):
    scene.ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
                    'other_config:hw-offload=' + value)
    scene.ovs.kill('ovs-vswitchd')
    scene.ovs.start()


def test_switched_off_and_on(scene):
    scene.ovs.vsctl('set', 'Open_vSwitch', '.',
                    'external_ids:vdpa-hw-offload=false')
    restart(scene, 'false')
    scene.send()
    scene.becomes('kernel', 'kernel')
    assert scene.stats(0)['kernel_flows'] >= 1
    scene.check('kernel', 'kernel')
    restart(scene, 'true')
    scene.send()
    scene.check('offloaded', 'offloaded')
    scene.ovs.vsctl('remove', 'Open_vSwitch', '.', 'external_ids',
                    'vdpa-hw-offload')


def test_counters_of_other_drivers(built):
    """No CPU_HIT.  With counters of what came to the host it is all the same;
    with those of the port nobody can say what hardware did not carry, and the
    daemon does not claim to."""
    def without_hit(counts_all):
        built.pf.knob('cpu_hit', 'N')
        built.pf.knob('rep_counts_all', counts_all)

    def goes_on():
        before = built.stats(0)['hw_packets']
        wait_for(lambda: built.stats(0)['hw_packets'] >= before + 200,
                 '200 packets in hardware', LIMIT)
    try:
        built.send()
        built.becomes('offloaded', 'offloaded')
        without_hit('N')
        wait_for(lambda: built.stats(0)['slow_path_packets'] is None,
                 'that the slow path is not known')
        goes_on()
        assert built.verdicts() == ['offloaded', 'offloaded']
        without_hit('Y')
        built.becomes('partial', 'partial')
        goes_on()
        reason = built.stats(0)['verdict_reason']
        assert 'does not tell (CPU_HIT)' in reason, reason
        assert built.stats(0)['slow_path_packets'] is None
    finally:
        built.pf.knob('cpu_hit', 'Y')
        built.pf.knob('rep_counts_all', 'Y')
    built.begin()
    built.send()
    built.check('offloaded', 'offloaded')

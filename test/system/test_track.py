# SPDX-License-Identifier: Apache-2.0
"""What the tracker says of flower filters against what tc says, while rules,
chains, qdiscs, blocks and netdevs come and go, by hand and by Open vSwitch."""

import json
import os
import subprocess
import threading

import pytest

from conftest import BUILD
from twinlib import Namespace, filters, run, wait_for

COOKIE = '00112233445566778899aabbccddeeff'
COUNTERS = ('hw_packets', 'hw_bytes', 'sw_packets', 'sw_bytes')


class Probe:
    """A tracker that goes on between two looks."""

    def __init__(self):
        self.process = subprocess.Popen(
            [str(BUILD / 'test/track-probe')], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.totals = {}

    def look(self):
        """Rows by ifindex."""
        rows = {}
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        for line in self.process.stdout:
            head, _, rest = line.partition(': ')
            values = {k: int(v) for k, _, v in
                      (w.partition('=') for w in rest.split())}
            if head == 'end':
                self.totals = values
                return rows
            rows[values['ifindex']] = values
        raise AssertionError('the probe has ended')

    def helper(self):
        """Process id of the tracker itself."""
        for pid in run('pgrep', '-P', self.process.pid).split():
            with open('/proc/%s/comm' % pid, encoding='ascii') as f:
                if f.read().strip() == 'vdpad-track':
                    return int(pid)
        return None

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0


@pytest.fixture
def probe():
    run('modprobe -a cls_flower act_mirred act_gact sch_ingress')
    probe = Probe()
    yield probe
    probe.stop()


@pytest.fixture
def reps(pf):
    """Names of two representors, up."""
    pf.numvfs(2)
    pf.mode('switchdev')
    names = [pf.rep(i) for i in range(2)]
    wait_for(lambda: all(os.path.exists('/sys/class/net/' + n)
                         for n in names), 'representors')
    for name in names:
        run('ip link set %s up' % name)
    return names


def index(dev):
    return json.loads(run('ip -j link show dev ' + dev))[0]['ifindex']


def tc(words):
    return run('tc ' + words)


def shown(words):
    """What tc shows of the filters of a netdev or block."""
    filters_ = json.loads(run('tc -s -j filter show ' + words) or '[]')
    flows = [f for f in filters_ if f.get('kind') == 'flower'
             and 'options' in f and f['options'].get('handle')]
    total = dict.fromkeys(('hw_flows', 'sw_flows', 'foreign_flows',
                           *COUNTERS), 0)
    for f in flows:
        actions = f['options'].get('actions', [])
        stats = max((a['stats'] for a in actions),
                    key=lambda s: s['packets'])
        hw = stats.get('hw_packets', 0), stats.get('hw_bytes', 0)
        total['hw_flows' if f['options'].get('in_hw') else 'sw_flows'] += 1
        total['foreign_flows'] += not any(
            len(a.get('cookie', '')) == 32 for a in actions)
        total['hw_packets'] += hw[0]
        total['hw_bytes'] += hw[1]
        total['sw_packets'] += stats['packets'] - hw[0]
        total['sw_bytes'] += stats['bytes'] - hw[1]
    return total


def compare(probe, dev, words=None, counters=False):
    """The row of a netdev is what tc shows."""
    expected = shown(words or 'dev %s ingress' % dev)
    keys = expected if counters else [k for k in expected
                                      if k.endswith('flows')]

    def got():
        row = probe.look().get(index(dev), {})
        return {k: row.get(k) for k in keys}
    wait_for(lambda: got() == {k: expected[k] for k in keys},
             'a row as tc shows it: %s, not %s' % (expected, got()), 20)
    return expected


def test_by_hand(probe, reps):
    dev, other = reps
    probe.look()
    tc('qdisc add dev %s ingress' % dev)
    tc('filter add dev %s ingress prio 2 protocol ip flower ip_proto icmp '
       'action mirred egress redirect dev %s cookie %s' % (dev, other, COOKIE))
    for i in range(1, 6):
        tc('filter add dev %s ingress prio 3 protocol ip chain %d flower '
           'skip_hw ip_proto udp dst_port %d action drop' % (dev, i % 2, i))
    # The first of a kind that has no terse form ends a terse dump.
    run('modprobe -a cls_matchall cls_basic')
    tc('filter add dev %s ingress prio 9 protocol all matchall action pass'
       % dev)
    tc('filter add dev %s ingress prio 1 protocol all basic action continue'
       % dev)
    total = compare(probe, dev)
    assert (total['hw_flows'], total['sw_flows']) == (1, 5)
    assert total['foreign_flows'] == 5
    tc('filter replace dev %s ingress prio 3 protocol ip chain 1 handle 1 '
       'flower skip_hw ip_proto udp dst_port 99 action drop cookie %s'
       % (dev, COOKIE))
    assert compare(probe, dev)['foreign_flows'] == 4
    tc('filter del dev %s ingress prio 3 protocol ip chain 1 handle 1 flower'
       % dev)
    compare(probe, dev)
    tc('filter del dev %s ingress chain 1' % dev)
    compare(probe, dev)
    tc('filter del dev %s ingress prio 3' % dev)
    assert compare(probe, dev)['sw_flows'] == 0
    tc('chain add dev %s ingress chain 9' % dev)
    tc('filter add dev %s ingress chain 9 prio 1 protocol ip flower action '
       'drop' % dev)
    compare(probe, dev)
    tc('chain del dev %s ingress chain 9' % dev)
    compare(probe, dev)
    tc('qdisc del dev %s ingress' % dev)
    # Its driver counts what hardware passes on: a row all the same.
    assert probe.look()[index(dev)]['hw_flows'] == 0
    assert (probe.totals['repaired'], probe.totals['overruns']) == (0, 0)


def test_clsact(probe, reps):
    dev = reps[0]
    tc('qdisc add dev %s clsact' % dev)
    probe.look()
    tc('filter add dev %s ingress prio 1 protocol ip flower action drop' % dev)
    tc('filter add dev %s egress prio 1 protocol ip flower action drop' % dev)
    tc('filter add dev %s egress prio 1 protocol ip chain 3 flower action '
       'drop' % dev)
    assert compare(probe, dev)['hw_flows'] == 1
    tc('filter del dev %s egress' % dev)
    compare(probe, dev)
    tc('filter del dev %s ingress' % dev)
    assert compare(probe, dev)['hw_flows'] == 0
    tc('qdisc del dev %s clsact' % dev)
    assert (probe.totals['repaired'], probe.totals['overruns']) == (0, 0)


def test_shared_block(probe, reps):
    for dev in reps:
        tc('qdisc add dev %s ingress_block 22 ingress' % dev)
    probe.look()
    for i in range(1, 4):
        tc('filter add block 22 prio 1 protocol ip flower ip_proto udp '
           'dst_port %d action drop' % i)
    for dev in reps:
        compare(probe, dev, 'block 22')
        assert probe.look()[index(dev)]['block'] == 22
    tc('filter del block 22 prio 1 protocol ip handle 2 flower')
    tc('qdisc del dev %s ingress' % reps[0])
    assert probe.look()[index(reps[0])]['hw_flows'] == 0
    total = compare(probe, reps[1], 'block 22')
    assert total['hw_flows'] + total['sw_flows'] == 2
    tc('qdisc del dev %s ingress' % reps[1])
    assert probe.look()[index(reps[1])]['block'] == 0
    assert (probe.totals['repaired'], probe.totals['overruns']) == (0, 0)


def test_netdev_goes(probe):
    run('ip link add track0 type dummy')
    tc('qdisc add dev track0 ingress')
    tc('filter add dev track0 ingress prio 1 protocol ip flower action drop')
    run('ip link add track1 type bridge')
    run('ip link set track0 master track1')
    run('ip link set track0 nomaster')
    run('ip link del track1')
    assert compare(probe, 'track0')['sw_flows'] == 1
    old = index('track0')
    run('ip link del track0')
    assert old not in probe.look()


def test_counters(probe, pf, reps):
    for i, dev in enumerate(reps):
        tc('qdisc add dev %s ingress' % dev)
        tc('filter add dev %s ingress prio 1 protocol arp flower skip_hw '
           'action mirred egress redirect dev %s' % (dev, reps[1 - i]))
        tc('filter add dev %s ingress prio 2 protocol ip flower '
           'action mirred egress redirect dev %s' % (dev, reps[1 - i]))
    spaces = [Namespace('c%d' % i, pf.nic(i), '192.0.2.%d/24' % (i + 1))
              for i in range(2)]
    try:
        probe.look()
        spaces[0].ping('192.0.2.2', count=10)
        before = compare(probe, reps[0], counters=True)
        assert before['hw_packets'] >= 10
        assert before['sw_packets'] >= 1        # ARP.
        row = probe.look()[index(reps[0])]
        assert row['cpu_hit'] >= before['sw_packets']
        # Made anew: the sums go on.
        tc('filter del dev %s ingress prio 2' % reps[0])
        tc('filter add dev %s ingress prio 2 protocol ip flower '
           'action mirred egress redirect dev %s' % tuple(reps))
        spaces[0].ping('192.0.2.2', count=10)
        after = shown('dev %s ingress' % reps[0])
        wait_for(lambda: probe.look()[index(reps[0])]['hw_packets']
                 >= before['hw_packets'] + after['hw_packets'],
                 'sums that go on', 20)
    finally:
        for space in spaces:
            space.delete()


def test_meter(probe, pf, reps):
    """A meter counts the packets of all filters that have it."""
    tc('actions add action police rate 1gbit burst 1m conform-exceed drop/pipe '
       'index 268435456')
    spaces = [Namespace('c%d' % i, pf.nic(i), '192.0.2.%d/24' % (i + 1))
              for i in range(2)]
    try:
        for dev in reps:
            tc('qdisc add dev %s ingress' % dev)
            tc('filter add dev %s ingress prio 2 protocol ip flower '
               'action police index 268435456 pipe action drop' % dev)
        spaces[0].ip('neigh add 192.0.2.2 lladdr 02:00:00:00:00:99 dev eth0')
        probe.look()
        spaces[0].exec('ping', '-c', '3', '-i', '0.2', '-W', '1', '192.0.2.2',
                       check=False)
        wait_for(lambda: probe.look()[index(reps[0])]['sw_packets'] == 3,
                 'what the first filter counted', 20)
        assert probe.look()[index(reps[1])]['sw_packets'] == 0
        assert shown('dev %s ingress' % reps[1])['sw_packets'] == 3
    finally:
        for space in spaces:
            space.delete()
        for dev in reps:
            run('tc qdisc del dev %s ingress' % dev, check=False)
        tc('actions flush action police')


class Churn(threading.Thread):
    """Rules that come and go as fast as tc can."""

    def __init__(self, dev, n=400):
        super().__init__()
        self.is_over = threading.Event()
        self.rounds = 0
        self.lines = ['filter add dev %s ingress prio %d protocol ip chain %d '
                      'handle %d flower skip_hw ip_proto udp dst_port %d '
                      'action drop' % (dev, i % 3 + 1, i % 5, i, i)
                      for i in range(1, n)]
        self.lines += [
            'filter del dev %s ingress prio %d protocol ip chain %d handle %d '
            'flower' % (dev, i % 3 + 1, i % 5, i) for i in range(1, n)
            if i % 4]
        self.lines += ['filter del dev %s ingress chain %d' % (dev, i)
                       for i in range(5)]

    def run(self):
        while not self.is_over.is_set():
            run('tc', '-batch', '-', input='\n'.join(self.lines) + '\n',
                timeout=300)
            self.rounds += 1

    def stop(self):
        self.is_over.set()
        self.join()


def test_churn(probe, reps):
    dev = reps[0]
    tc('qdisc add dev %s ingress' % dev)
    probe.look()
    churn = Churn(dev)
    churn.start()
    try:
        for _ in range(20):
            row = probe.look()[index(dev)]
            assert 0 <= row['hw_flows'] + row['sw_flows'] < 400
            assert probe.totals['error'] == 0
        wait_for(lambda: churn.rounds >= 3, 'rounds', 200)
    finally:
        churn.stop()
    assert compare(probe, dev)['sw_flows'] == 0
    tc('filter add dev %s ingress prio 1 protocol ip flower action drop' % dev)
    compare(probe, dev)
    assert (probe.totals['repaired'], probe.totals['overruns']) == (0, 0)


def test_tracker_is_killed(probe, reps):
    dev = reps[0]
    tc('qdisc add dev %s ingress' % dev)
    tc('filter add dev %s ingress prio 1 protocol ip flower action drop' % dev)
    compare(probe, dev)
    epoch = probe.look()[index(dev)]['epoch']
    old = probe.helper()
    os.kill(old, 9)
    wait_for(lambda: probe.helper() != old, 'its end')
    compare(probe, dev)
    assert probe.look()[index(dev)]['epoch'] != epoch
    assert probe.helper() not in (None, old)


def test_verify_under_churn(daemon, pf, reps):
    tc('qdisc add dev %s ingress' % reps[0])
    churn = Churn(reps[0])
    churn.start()
    try:
        for _ in range(5):
            verified = daemon.json('verify')
            assert verified['equal'], verified
    finally:
        churn.stop()
    assert daemon.json('verify')['equal']


def test_steady_traffic_is_no_work(daemon, pf, policy):
    """Turns of the loop are for looks at the counters, one in 10 s, and for
    flows that Open vSwitch makes anew; not for packets, of which there are 160
    in 20 s, both ways."""
    policy('num-vfs=2 vdpa-type=virtio mac=02:00:00:00:e1:00')
    daemon.wait_ready(2)
    spaces = [Namespace('c%d' % i, daemon.device('vdpa:' + pf.vf(i))['netdev'],
                        '192.0.2.%d/24' % (i + 1)) for i in range(2)]

    def turns():
        return daemon.json('loop/show')['turns']
    try:
        spaces[0].ping('192.0.2.2')
        daemon.wait_settled()
        seen = []
        for _ in range(3):
            asking = -turns() + turns()
            before = turns()
            spaces[0].exec('ping -q -i 0.25 -c 80 192.0.2.2')   # 20 s.
            seen.append(turns() - before - asking)
        assert min(seen) < 60, seen
    finally:
        for space in spaces:
            space.delete()


def flow_stats(daemon, name):
    return daemon.json('flow/stats', name)['devices'][0]


def test_open_vswitch(daemon, ovs, pf, policy):
    """Its flows, its restart, its ports that leave."""
    policy('num-vfs=2 vdpa-type=virtio mac=02:00:00:00:e0:00')
    daemon.wait_ready(2)
    names = ['vdpa:' + pf.vf(i) for i in range(2)]
    spaces = [Namespace('c%d' % i, daemon.device(names[i])['netdev'],
                        '192.0.2.%d/24' % (i + 1)) for i in range(2)]

    def same():
        spaces[0].ping('192.0.2.2', count=2)
        for i in range(2):
            there = [f for f in filters(pf.rep(i))
                     if f['options'].get('handle')]
            row = flow_stats(daemon, names[i])
            if (not there or row['hw_flows'] + row['sw_flows'] != len(there)
                    or row['hw_flows'] != sum(
                        bool(f['options'].get('in_hw')) for f in there)):
                return False
        return True
    try:
        daemon.wait(same, 'the flows that tc shows')
        ovs.appctl('-t', 'ovs-vswitchd', 'exit')
        wait_for(lambda: not (ovs.dir / 'ovs-vswitchd.pid').exists(),
                 'end of ovs-vswitchd')
        ovs.start()
        daemon.wait(same, 'the flows after a restart')
        ovs.vsctl('set', 'Open_vSwitch', '.',
                  'external_ids:vdpa-policy-test=pf=%s num-vfs=2 '
                  'vdpa-type=virtio mac=02:00:00:00:e0:00 vdpa-attach=none'
                  % pf.bdf)
        daemon.wait(lambda: flow_stats(daemon, names[0])['hw_flows']
                    + flow_stats(daemon, names[0])['sw_flows']
                    == len([f for f in filters(pf.rep(0))
                            if f['options'].get('handle')]),
                    'the flows of a port that left')
        assert daemon.json('verify')['equal']
    finally:
        for space in spaces:
            space.delete()

# SPDX-License-Identifier: Apache-2.0
"""offload/audit in the VM: filters that a real ovs-vswitchd left behind, judged
by tc before and after."""

import json
import os
import signal
import subprocess

import pytest

from traffic import new_macs
from twinlib import Namespace, run, wait_for

GRACE = 30
LIMIT = 150
COOKIE = '00112233445566778899aabbccddeeff'


def filters(where):
    """Handles and kinds, as tc has them."""
    shown = json.loads(run('tc', '-j', 'filter', 'show', *where.split())
                       or '[]')
    return [(f.get('chain', 0), f['pref'], f['kind']) for f in shown
            if 'options' in f]


def has_qdisc(dev, kind='ingress'):
    return 'qdisc %s ' % kind in run('tc qdisc show dev ' + dev)


@pytest.fixture
def host(request, daemon, ovs, pf, policy):
    """Two devices with traffic, so that there are filters; the parameter is
    vdpa-attach, with 'none' the ports are made here."""
    attach = getattr(request, 'param', 'auto')
    # Flows must not end while the tests wait.
    ovs.vsctl('set', 'Open_vSwitch', '.', 'other_config:hw-offload=true',
              'other_config:max-idle=900000',
              'external_ids:vdpa-attach=' + attach)
    policy('num-vfs=2 vdpa-type=virtio mac=' + new_macs())
    daemon.wait_ready(2)
    for i in range(2):
        ovs.vsctl('--may-exist', 'add-br', 'br-int', '--', '--may-exist',
                  'add-port', 'br-int', pf.rep(i))
        run('ip link set %s up' % pf.rep(i))
    spaces = [Namespace('a%d' % i,
                        daemon.device('vdpa:' + pf.vf(i))['netdev'],
                        '192.0.2.%d/24' % (i + 1)) for i in range(2)]
    try:
        make_filters(daemon, pf, spaces)
        yield spaces
    finally:
        for space in spaces:
            space.delete()
    ovs.vsctl('--no-wait', 'remove', 'Open_vSwitch', '.', 'other_config',
              'max-idle')
    if not (ovs.dir / 'ovs-vswitchd.pid').exists() or not is_running(ovs):
        ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
                  'other_config:hw-offload=true')
        ovs.start()


def make_filters(daemon, pf, spaces):
    spaces[0].ping('192.0.2.2', count=5)
    wait_for(lambda: filters('dev %s ingress' % pf.rep(0)), 'filters')


def pid_of(ovs):
    return int((ovs.dir / 'ovs-vswitchd.pid').read_text())


def is_running(ovs):
    try:
        os.kill(pid_of(ovs), 0)
    except (OSError, ValueError):
        return False
    return True


def kill(ovs):
    pid = pid_of(ovs)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not os.path.exists('/proc/%d' % pid), 'its end')


def audit(daemon, *words):
    rows = json.loads(daemon.appctl('offload/audit', *words, '--json',
                                    timeout=LIMIT))
    return {(r['netdevs'], r['hook']): r for r in rows}


def wait_old(ovs):
    """Until the ovs-vswitchd that runs is no longer new."""
    def age():
        fields = open('/proc/%d/stat' % pid_of(ovs)).read().rsplit(')')[1]
        began = int(fields.split()[19]) / os.sysconf('SC_CLK_TCK')
        return float(open('/proc/uptime').read().split()[0]) - began
    wait_for(lambda: age() > GRACE, 'an ovs-vswitchd of that age', LIMIT)


def test_live(daemon, ovs, pf, host):
    """What is in use is left alone, whatever one asks for."""
    wait_old(ovs)
    before = filters('dev %s ingress' % pf.rep(0))
    row = audit(daemon, '--fix')[pf.rep(0), 'ingress']
    assert row['class'] == 'live' and row['fix'] is None
    assert row['ovs_filters'] >= 1
    assert before and has_qdisc(pf.rep(0))
    assert set(before) <= set(filters('dev %s ingress' % pf.rep(0)))


def test_killed_and_gone(daemon, ovs, pf, host):
    kill(ovs)
    before = filters('dev %s ingress' % pf.rep(0))
    assert before
    row = audit(daemon)[pf.rep(0), 'ingress']
    assert row['class'] == 'stranded' and 'no ovs-vswitchd' in row['proof']
    assert row['filters'] == len(before)
    assert filters('dev %s ingress' % pf.rep(0)) == before    # A dry run.
    text = daemon.appctl('offload/audit', '--fix', timeout=LIMIT)
    assert 'removed, with the qdisc' in text
    for i in range(2):
        assert not has_qdisc(pf.rep(i))
        assert not filters('dev %s ingress' % pf.rep(i))


def test_restarting(daemon, ovs, pf, host):
    """It is away for a few seconds only."""
    kill(ovs)
    before = filters('dev %s ingress' % pf.rep(0))
    call = subprocess.Popen(
        ['ovs-appctl', '-t', 'ovs-vdpad', 'offload/audit', '--fix', '--json'],
        env=ovs.env, stdout=subprocess.PIPE, text=True)
    ovs.start()
    rows = json.loads(call.communicate(timeout=LIMIT)[0])
    assert before
    assert not [r for r in rows if r['class'] == 'stranded']
    assert not [r for r in rows if r['fix']]


@pytest.mark.parametrize('host', ['none'], indirect=True)
def test_switched_off(daemon, ovs, pf, host):
    """Open vSwitch goes on until it is restarted.  Then it clears the ports
    that it still has, and leaves what was taken out meanwhile."""
    taken_out, kept = pf.rep(0), pf.rep(1)
    ovs.vsctl('set', 'Open_vSwitch', '.', 'other_config:hw-offload=false',
              'external_ids:vdpa-hw-offload=false')
    wait_old(ovs)
    assert audit(daemon)[taken_out, 'ingress']['class'] == 'live'
    said = len(daemon.log())
    kill(ovs)
    before = filters('dev %s ingress' % taken_out)
    assert before and has_qdisc(kept)
    ovs.vsctl('--no-wait', 'del-port', taken_out)
    ovs.start()
    wait_for(lambda: not has_qdisc(kept), 'Open vSwitch clears its port')
    assert 'qdisc-del' not in daemon.log()[said:]   # Not by us.
    assert filters('dev %s ingress' % taken_out) == before
    assert audit(daemon)[taken_out, 'ingress']['class'] == 'live'   # Too new.
    wait_old(ovs)
    row = wait_for(lambda: [r for k, r in audit(daemon).items()
                            if k == (taken_out, 'ingress')
                            and r['class'] == 'stranded'],
                   'they are stranded')[0]
    assert 'hw-offload is off' in row['proof']
    assert filters('dev %s ingress' % taken_out) == before
    audit(daemon, '--fix')
    assert not has_qdisc(taken_out)
    # In software it goes on.
    ovs.vsctl('add-port', 'br-int', taken_out)
    host[0].ping('192.0.2.2', count=3)


@pytest.fixture
def orphan():
    """A netdev that is in no bridge."""
    run('ip link add orphan0 type dummy')
    run('ip link set orphan0 up')
    run('tc qdisc add dev orphan0 ingress')
    yield 'orphan0'
    run('ip link del orphan0')


def add_filter(where, chain, prio, action):
    run('tc filter add %s chain %d prio %d protocol ip flower skip_hw '
        'ip_proto %d action %s' % (where, chain, prio, prio, action))


def test_foreign_beside(daemon, ovs, pf, host, orphan):
    """Filters of a port that was removed, in two chains, and another
    program's between them."""
    wait_old(ovs)
    where = 'dev %s ingress' % orphan
    add_filter(where, 0, 2, 'drop cookie ' + COOKIE)
    add_filter(where, 7, 3, 'drop cookie ' + COOKIE)
    add_filter(where, 0, 9, 'drop')
    run('tc chain add dev %s ingress chain 11' % orphan)
    row = audit(daemon)[orphan, 'ingress']
    assert row['class'] == 'stranded' and 'in no bridge' in row['proof']
    assert (row['filters'], row['ovs_filters']) == (3, 2)
    assert 'those of Open vSwitch' in row['fix']
    row = audit(daemon, '--fix')[orphan, 'ingress']
    assert 'not Open vSwitch' in row['fix'] and 'removed' in row['fix']
    assert filters(where) == [(0, 9, 'flower')]
    assert 'chain 11' in run('tc chain show ' + where)
    assert audit(daemon)[orphan, 'ingress']['class'] == 'foreign'
    # What belongs to ports is as it was.
    assert filters('dev %s ingress' % pf.rep(0))


def test_foreign_kind_beside(daemon, ovs, pf, host, orphan):
    """Another program's filters need not be flower's."""
    wait_old(ovs)
    run('modprobe -a cls_matchall cls_basic')
    where = 'dev %s ingress' % orphan
    add_filter(where, 0, 2, 'drop cookie ' + COOKIE)
    for kind in ('matchall', 'basic'):
        run('tc filter add %s prio 9 protocol all %s action pass'
            % (where, kind))
        row = audit(daemon)[orphan, 'ingress']
        assert row['class'] == 'stranded'
        assert (row['filters'], row['ovs_filters']) == (2, 1)
        row = audit(daemon, '--fix')[orphan, 'ingress']
        assert 'not Open vSwitch' in row['fix'] and 'removed' in row['fix']
        assert filters(where) == [(0, 9, kind)]
        run('tc filter del %s prio 9' % where)
        add_filter(where, 0, 2, 'drop cookie ' + COOKIE)


def test_shared_block(daemon, ovs, pf, host, orphan):
    """A block is live for as long as one of its netdevs is a port."""
    wait_old(ovs)
    run('ip link add orphan1 type dummy')
    try:
        run('tc qdisc del dev orphan0 ingress')
        for name in ('orphan0', 'orphan1'):
            run('tc qdisc add dev %s ingress_block 44 ingress' % name)
        add_filter('block 44', 0, 2, 'drop cookie ' + COOKIE)
        ovs.vsctl('--no-wait', 'add-port', 'br-int', 'orphan1', '--', 'set',
                  'Interface', 'orphan1', 'type=nonsense')
        key = ('orphan0 orphan1', 'block')
        wait_for(lambda: audit(daemon)[key]['class'] == 'live', 'live')
        ovs.vsctl('--no-wait', 'del-port', 'orphan1')
        wait_for(lambda: audit(daemon)[key]['class'] == 'stranded',
                 'stranded')
        audit(daemon, '--fix')
        assert not has_qdisc('orphan0') and not has_qdisc('orphan1')
    finally:
        run('ip link del orphan1')


def test_killed_in_the_middle(daemon, ovs, pf, host, orphan):
    """kill -9 of the daemon while it removes: the next one ends the work."""
    wait_old(ovs)
    where = 'dev %s ingress' % orphan
    add_filter(where, 0, 99, 'drop')
    for chain in range(40):
        add_filter(where, chain, 2, 'drop cookie ' + COOKIE)
    call = subprocess.Popen(
        ['ovs-appctl', '-t', 'ovs-vdpad', 'offload/audit', '--fix'],
        env=ovs.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(filters(where)) < 41, 'the first removal')
    daemon.stop(signal.SIGKILL)
    call.wait(LIMIT)
    daemon.start()
    daemon.wait_ready(2)
    audit(daemon, '--fix')
    assert filters(where) == [(0, 99, 'flower')]
    assert has_qdisc(orphan)
    assert filters('dev %s ingress' % pf.rep(0))


def test_egress(daemon, ovs, pf, host):
    """Filters that are left in another program's clsact."""
    wait_old(ovs)
    run('ip link add orphan2 type dummy')
    try:
        run('tc qdisc add dev orphan2 clsact')
        add_filter('dev orphan2 egress', 0, 2, 'drop cookie ' + COOKIE)
        rows = audit(daemon)
        assert rows['orphan2', 'egress']['class'] == 'stranded'
        assert rows['orphan2', 'ingress']['class'] == 'clean'
        audit(daemon, '--fix')
        assert not filters('dev orphan2 egress')
        assert has_qdisc('orphan2', 'clsact')
    finally:
        run('ip link del orphan2')

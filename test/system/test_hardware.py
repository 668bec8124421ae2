# SPDX-License-Identifier: Apache-2.0
"""What hardware, drivers, udev and other people do to the card."""

import json
import os
import signal

import pytest

from conftest import (driver, fixtures, has_offload, interface, link, ports,
                      remove_id, set_id, vdpa_config, vdpa_dev)
from traffic import new_macs, traffic_in_hardware, wait_in_hardware
from twinlib import Pf, run, wait_for, write

DRIVER = '/sys/bus/pci/drivers/twin'

pf, ovs, daemon, policy = fixtures('module')


def reset(pf):
    write(pf.knobs / 'reset', '1')
    wait_for(lambda: pf.knob('reset') == '0', 'the end of the reset')


def chain(ovs, pf, n):
    """Everything about VFs 0..n-1 that has to be the same after a recovery;
    found by PCI address, from the VF to the representor."""
    shown = []
    for i in range(n):
        vf = pf.vf(i)
        name = [d for d in vdpa_dev()
                if vdpa_dev()[d]['mgmtdev'] == 'pci/' + vf]
        assert len(name) == 1, name
        config = vdpa_config(name[0])
        port = json.loads(run('devlink -j port show ' + pf.port(i)))['port']
        rep = port[pf.port(i)]['netdev']
        ids, ofport = interface(ovs, rep)
        ids.pop('vdpa-offload', None)
        assert ofport and ofport > 0
        shown.append((vf, name[0], driver(name[0]), config.get('mac'),
                      config.get('mtu'), vdpa_dev()[name[0]]['max_vqs'], rep,
                      link(rep)['mtu'], 'UP' in link(rep)['flags'],
                      has_offload(rep), ovs.vsctl('port-to-br', rep).strip(),
                      ovs.vsctl('get', 'Port', rep, 'tag').strip(),
                      sorted(ids.items())))
    return shown


@pytest.fixture(scope='module')
def scene(daemon, ovs, pf, policy):
    """Two containers with everything that a port can have: MAC, MTU, queues,
    a tag, an iface-id, and keys that others have written."""
    set_id(ovs, 'vdpa-attach', 'declared')
    policy('num-vfs=2 vdpa-type=virtio mtu=1400 max-vqp=2 mac=' + new_macs())
    for i in range(2):
        set_id(ovs, 'vdpa-port-lp%d' % i,
                'device=vdpa:%s tag=7' % ('0001:08:00.%d' % (i + 2)))
    daemon.wait_ready(2)
    daemon.wait(lambda: len(ovs.vsctl('list-ports', 'br-int').split()) == 2,
                'the ports')
    daemon.wait_ready(2)
    for i in range(2):
        assert pf.vf(i) == '0001:08:00.%d' % (i + 2)
        ovs.vsctl('set', 'Interface', pf.rep(i),
                  'external_ids:ovn-installed=true',
                  'external_ids:somebody=%d' % i)
    return daemon


@pytest.fixture
def rich(scene):
    """The same, at the start of each test."""
    scene.wait_ready(2)
    scene.wait_settled()
    return scene


def flow_once(daemon, pf):
    """Traffic between the two containers works, in hardware."""
    with traffic_in_hardware(daemon, pf) as traffic:
        wait_in_hardware(pf.rep(0))
        figures = traffic.mark()
        assert figures['lost'] == 0, figures


def assert_recovers(daemon, ovs, pf, before):
    def same():
        try:
            return chain(ovs, pf, len(before)) == before
        except (AssertionError, KeyError, OSError, RuntimeError) as e:
            return print(e)
        except Exception as e:      # A device or row that is away just now.
            return print(e)
    daemon.wait(same, 'recovery to %s' % (before,))
    daemon.wait_ready(len(before))
    daemon.wait_settled()
    assert chain(ovs, pf, len(before)) == before


def test_firmware_reset(rich, ovs, pf):
    flow_once(rich, pf)
    before = chain(ovs, pf, 2)
    pf.knob('reset_ms', 3000)
    try:
        write(pf.knobs / 'reset', '1')
        rich.wait(lambda: set(rich.states().values()) != {'ready'},
                  'the reset is seen')
        assert all(d['reason'] for d in rich.json('device/list')
                   if d['state'] != 'ready')
        wait_for(lambda: pf.knob('reset') == '0', 'the end of the reset')
    finally:
        pf.knob('reset_ms', 200)
    assert_recovers(rich, ovs, pf, before)
    flow_once(rich, pf)
    # And as many times as it likes.
    for _ in range(2):
        reset(pf)
    assert_recovers(rich, ovs, pf, before)


def test_vf_driver(rich, ovs, pf):
    before = chain(ovs, pf, 2)
    write(DRIVER + '/unbind', pf.vf(1))
    assert_recovers(rich, ovs, pf, before)
    # By hand, while the daemon is away.
    rich.stop()
    write(DRIVER + '/unbind', pf.vf(0))
    write(DRIVER + '/bind', pf.vf(0))
    rich.start()
    assert_recovers(rich, ovs, pf, before)


@pytest.mark.parametrize('how', ['unbind', 'remove'])
def test_pf_goes_and_returns(rich, ovs, pf, how):
    before = chain(ovs, pf, 2)
    if how == 'unbind':
        write(DRIVER + '/unbind', pf.bdf)
        rich.wait(lambda: [p for p in rich.json('pf/list')
                             if p['pf'] == pf.bdf
                             and 'driver' in (p['reason'] or '')],
                    'the reason')
        write(DRIVER + '/bind', pf.bdf)
    else:
        write(pf.sysfs / 'remove', '1')
        rich.wait(lambda: any(pf.bdf in p for p in
                                rich.json('status')['problems']),
                    'status tells of it')
        write('/sys/bus/pci/rescan', '1')
        wait_for(lambda: os.path.exists('/sys/class/net/' + pf.netdev),
                 'the PF again')
        run('ip link set %s up' % pf.netdev)
    assert_recovers(rich, ovs, pf, before)


def test_eswitch_flap(rich, ovs, pf):
    before = chain(ovs, pf, 2)
    pf.mode('legacy')
    assert_recovers(rich, ovs, pf, before)
    assert pf.mode() == 'switchdev'
    flow_once(rich, pf)


def test_vf_count_changed_by_others(rich, ovs, pf):
    before = chain(ovs, pf, 2)
    pf.numvfs(0)
    assert_recovers(rich, ovs, pf, before)
    assert pf.numvfs() == 2


def test_other_vf_count_by_others(rich, ovs, pf):
    """It is shown and stays, until a person has it undone."""
    def is_told():
        return any('another program has changed it' in (p['reason'] or '')
                   for p in rich.json('pf/list'))

    before = chain(ovs, pf, 2)
    # It goes through 0, where the daemon would interfere.
    rich.process.send_signal(signal.SIGSTOP)
    try:
        pf.numvfs(0)
        pf.numvfs(5)
    finally:
        rich.process.send_signal(signal.SIGCONT)
    rich.wait(is_told, 'the reason')
    rich.appctl('verify')      # Looks at everything anew.
    rich.wait_settled()
    assert is_told() and pf.numvfs() == 5
    rich.stop()
    rich.start()
    rich.wait(is_told, 'the reason, of the next daemon')
    rich.wait_settled()
    assert is_told() and pf.numvfs() == 5
    rich.appctl('reconcile')
    assert_recovers(rich, ovs, pf, before)
    assert pf.numvfs() == 2


def renamed(before, old, new):
    return [tuple(new if v == old else v for v in row) for row in before]


def test_renamed(rich, ovs, pf):
    """By udev, in the bridge, with the link up as newer kernels allow; and
    while the daemon is away, both at once."""
    before = chain(ovs, pf, 2)
    for netdev, name in ((pf.rep(0), 'enp8s0npf0vf0'),
                         ('enp8s0npf0vf0', pf.rep(0))):
        run('ip link set %s down' % netdev)
        run('ip link set %s name %s' % (netdev, name))
        assert_recovers(rich, ovs, pf, renamed(before, pf.rep(0), name))
        assert ports(ovs) == sorted([name, pf.rep(1)])
    # While the daemon is away the names change places, there and back.
    for expected in (
            [tuple({pf.rep(0): pf.rep(1), pf.rep(1): pf.rep(0)}.get(v, v)
                   if isinstance(v, str) else v for v in row)
             for row in before], before):
        rich.stop()
        for netdev, name in ((pf.rep(0), 'tmp0'), (pf.rep(1), pf.rep(0)),
                             ('tmp0', pf.rep(1))):
            run('ip link set %s down' % netdev)
            run('ip link set %s name %s' % (netdev, name))
        rich.start()
        assert_recovers(rich, ovs, pf, expected)
        assert ports(ovs) == [pf.rep(0), pf.rep(1)]
    flow_once(rich, pf)


def test_renamed_late(rich, ovs, pf):
    """As soon as it is there, and once more when its port is; its link is up
    at least then."""
    before = chain(ovs, pf, 2)
    rep = pf.rep(0)
    pf.numvfs(0)
    wait_for(lambda: os.path.exists('/sys/class/net/' + rep),
             'the representor', pause=0.001)
    run('ip link set %s name late0' % rep)
    rich.wait(lambda: 'late0' in ports(ovs), 'its port')
    run('ip link set late0 name late1')
    assert_recovers(rich, ovs, pf, renamed(before, rep, 'late1'))
    assert ports(ovs) == ['late1', pf.rep(1)]
    run('ip link set late1 name ' + rep)
    assert_recovers(rich, ovs, pf, before)
    assert ports(ovs) == [rep, pf.rep(1)]


def test_links_flap(rich, ovs, pf):
    """A representor that was set down is set up again; the uplink is left to
    whoever set it down."""
    before = chain(ovs, pf, 2)
    for netdev in (pf.netdev, pf.wire, pf.rep(0)):
        run('ip link set %s down' % netdev)
    rich.wait(lambda: 'UP' in link(pf.rep(0))['flags'],
              'the representor is up again')
    assert_recovers(rich, ovs, pf, before)
    assert 'UP' not in link(pf.netdev)['flags']
    for netdev in (pf.netdev, pf.wire):
        run('ip link set %s up' % netdev)
    assert_recovers(rich, ovs, pf, before)
    flow_once(rich, pf)


@pytest.fixture
def other(ovs):
    other = Pf(1)
    yield other
    remove_id(ovs, 'vdpa-policy-other')
    other.defaults()


def last_event(daemon):
    return daemon.json('event/list', '-n', '1')[0]['serial']


def test_faults_of_another_pf(rich, ovs, pf, other, policy):
    """Whatever fails on one PF, the devices of its neighbour stay ready, and
    all of their packets arrive."""
    ours = {d['name'] for d in rich.json('device/list')}
    before = chain(ovs, pf, 2)
    ifindexes = [link(pf.rep(i))['ifindex'] for i in range(2)]

    def states():
        """Of the devices, or of the PF, that has the fault."""
        return {d['state'] for d in rich.json('device/list')
                + rich.json('pf/list') if d['pf'] == other.bdf}

    def wait_mended():
        rich.wait_ready(4)
        rich.wait_settled()

    def set_other(words):
        policy(words + ' vdpa-type=vhost', name='other', selector=other.bdf)

    def fails_for_long(knob):
        def fault():
            other.knob(knob, '-1')
            set_other('num-vfs=2')
            rich.wait(lambda: 'failed' in states(), 'a fault')
            other.knob(knob, '0')
            rich.appctl('reconcile')
            wait_mended()
            remove_id(ovs, 'vdpa-policy-other')
            rich.wait(lambda: other.numvfs() == 0
                      and other.mode() == 'legacy', 'a bare neighbour')
            rich.wait_settled()
        return fault

    def refused():
        set_other('num-vfs=2')
        wait_mended()
        set_other('num-vfs=4000')
        rich.wait(lambda: any('at most 127 VFs' in p for p in
                              rich.json('status')['problems']), 'a refusal')
        rich.replan()
        set_other('num-vfs=2')
        wait_mended()

    def driver_goes():
        write(DRIVER + '/unbind', other.bdf)
        rich.wait(lambda: states() & {'blocked', 'waiting', 'failed'},
                  'a fault')
        write(DRIVER + '/bind', other.bdf)
        wait_mended()

    def resets():
        count = int(other.knob('resets'))
        reset(other)
        assert int(other.knob('resets')) == count + 1
        wait_mended()

    with traffic_in_hardware(rich, pf) as traffic:
        since = last_event(rich)
        for name, fault in (
                ('numvfs', fails_for_long('numvfs_fail')),
                ('mode', fails_for_long('mode_fail')),
                ('vdpa', fails_for_long('vdpa_add_fail')),
                ('refused', refused), ('resets', resets),
                ('driver', driver_goes)):
            fault()
            figures = traffic.mark()
            assert figures['sent'] > 20 and not figures['lost'], (name,
                                                                  figures)
        wait_in_hardware(pf.rep(0))
        told = [e for e in rich.json('event/list', '-n', '1000')
                if e['serial'] > since and e['object'] in ours
                and e['what'] in ('state', 'step')]
        assert told == []
        assert ifindexes == [link(pf.rep(i))['ifindex'] for i in range(2)]
        assert chain(ovs, pf, 2) == before


def test_vfs_stay_ours_over_resets(rich, ovs, pf, policy):
    """Their number can be changed, and they go with the policy, also in the
    middle of a reset."""
    def reset_is_seen():
        write(pf.knobs / 'reset', '1')
        rich.wait(lambda: set(rich.states().values()) != {'ready'},
                  'the reset is seen')

    pf.knob('reset_ms', 3000)
    try:
        reset_is_seen()
        wait_for(lambda: pf.knob('reset') == '0', 'the end of the reset')
        rich.wait_ready(2)
        rich.wait_settled()
        policy('num-vfs=3 vdpa-type=virtio')
        rich.wait_ready(3)
        assert pf.numvfs() == 3
        reset_is_seen()
        remove_id(ovs, 'vdpa-policy-test', 'vdpa-port-lp0', 'vdpa-port-lp1')
        wait_for(lambda: pf.knob('reset') == '0', 'the end of the reset')
        rich.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
                  'a bare card')
    finally:
        pf.knob('reset_ms', 200)


def test_vfs_of_others_over_a_reset(daemon, ovs, pf, policy):
    """A policy that comes in its middle, and wants as many as there were, does
    not make them ours, nor keeps them from their drivers."""
    pf.numvfs(2)
    pf.knob('reset_ms', 3000)
    try:
        write(pf.knobs / 'reset', '1')
        wait_for(lambda: not os.path.exists(
            '/sys/bus/pci/devices/%s/virtfn0' % pf.bdf), 'the reset is seen')
        policy('num-vfs=2 vdpa-type=virtio')
        wait_for(lambda: pf.knob('reset') == '0', 'the end of the reset')
        daemon.wait_ready(2)
    finally:
        pf.knob('reset_ms', 200)
    remove_id(ovs, 'vdpa-policy-test')
    daemon.wait(lambda: pf.mode() == 'legacy', 'legacy mode')
    daemon.wait_settled()
    assert pf.numvfs() == 2
    for i in range(2):
        assert os.path.exists('/sys/bus/pci/devices/%s/driver' % pf.vf(i))
    pf.numvfs(0)

# SPDX-License-Identifier: Apache-2.0
# level: full
"""The daemon is killed: at each step, at random, and with traffic running."""

import os
import random
import signal
import subprocess

import pytest

from conftest import (driver, has_offload, interface, link, remove_id,
                      vdpa_config, vdpa_dev)
from traffic import new_macs, traffic_in_hardware, wait_in_hardware
from twinlib import run, wait_for

LIMIT = 120


def flags(netdev):
    path = '/sys/class/net/%s/flags' % netdev
    return int(open(path).read(), 16) if os.path.exists(path) else 0


def autoprobe(pf):
    return (pf.sysfs / 'sriov_drivers_autoprobe').read_text().strip()


def vf_path(pf, i, *rest):
    link_ = str(pf.sysfs / ('virtfn%d' % i))
    return os.path.exists(link_) and os.path.exists(
        os.path.join(link_, *rest))


def vdpa_path(pf, i, *rest):
    return vf_path(pf, i) and os.path.exists(os.path.join(
        '/sys/bus/vdpa/devices/vdpa:' + pf.vf(i), *rest))


def ports(ovs):
    text = ovs.vsctl('--bare', '--columns=name', 'find', 'Interface',
                     'external_ids:vdpa-owner=ovs-vdpad')
    return sorted(text.split())


def killed_at(daemon, step, what):
    """Starts the daemon and kills it as soon as step() is true."""
    def done():
        assert daemon.process.poll() is None, daemon.log()
        return step()

    daemon.spawn()
    wait_for(done, what, LIMIT, pause=0.002)
    daemon.stop(signal.SIGKILL)


def kill_chain(daemon, steps):
    """Kills the daemon at each of the steps (phase, name, condition) that come
    one after the other; those that it has passed already are left out, but
    some of each phase must be left."""
    killed = []
    for phase, name, step in steps:
        if not step():
            killed_at(daemon, step, name)
            killed.append((phase, name))
    print('killed at', killed)
    assert {k[0] for k in killed} == {s[0] for s in steps}, killed
    return killed


def card_steps(pf):
    """What happens to a bare card one after the other, seen from outside."""
    return [
        ('card', 'autoprobe off', lambda: autoprobe(pf) == '0'),
        ('card', 'VFs', lambda: vf_path(pf, 0)),
        ('card', 'representors', lambda: flags(pf.rep(0))),
        ('card', 'autoprobe back', lambda: autoprobe(pf) == '1'),
        ('card', 'driver of a VF', lambda: vf_path(pf, 0, 'driver')),
    ]


def device_steps(ovs, pf, first, n):
    """And then to VFs first..n-1 of it."""
    last = n - 1
    return [
        ('device', 'first device', lambda: vdpa_path(pf, first)),
        ('device', 'last driver', lambda: vdpa_path(pf, last, 'driver')),
        ('device', 'representor up', lambda: flags(pf.rep(first)) & 1),
        ('port', 'first port', lambda: pf.rep(first) in ports(ovs)),
        ('port', 'all ports', lambda: len(ports(ovs)) == n),
    ]


def down_steps(ovs, pf):
    return [
        ('port', 'a port gone', lambda: len(ports(ovs)) < 3),
        ('device', 'a device gone', lambda: not all(
            vdpa_path(pf, i) for i in range(3))),
        ('device', 'devices gone', lambda: not any(
            vdpa_path(pf, i) for i in range(3))),
        ('card', 'VFs or mode gone', lambda: not vf_path(pf, 0)
         or not os.path.exists('/sys/class/net/' + pf.rep(0))),
        ('card', 'VFs gone', lambda: not vf_path(pf, 0)),
    ]


def assert_ready_state(ovs, pf, n, mac):
    """n devices as the policy has them, each once."""
    assert set(vdpa_dev()) == {'vdpa:' + pf.vf(i) for i in range(n)}
    assert ports(ovs) == sorted(pf.rep(i) for i in range(n))
    assert sorted(ovs.vsctl('list-ports', 'br-int').split()) == ports(ovs)
    assert autoprobe(pf) == '1'
    assert has_offload(pf.netdev)
    for i in range(n):
        name = 'vdpa:' + pf.vf(i)
        assert driver(name) == 'vhost_vdpa'
        assert vdpa_config(name)['mac'] == mac[:-2] + '%02x' % i
        assert vdpa_config(name)['mtu'] == 1400
        assert link(pf.rep(i))['mtu'] == 1400
        ids, ofport = interface(ovs, pf.rep(i))
        assert ids['vdpa-vf'] == pf.vf(i) and ofport > 0


def test_killed_at_each_step(daemon, ovs, pf, policy):
    before = pf.state(), run('ethtool -k ' + pf.netdev)
    mac = new_macs()
    daemon.stop()
    policy('num-vfs=3 vdpa-type=vhost mtu=1400 mac=' + mac)
    for knob in ('numvfs_delay_ms', 'mode_delay_ms', 'vdpa_delay_ms'):
        pf.knob(knob, '50')
    assert len(kill_chain(daemon, card_steps(pf)
                          + device_steps(ovs, pf, 0, 3))) >= 6
    daemon.start()
    daemon.wait_ready(3)
    daemon.wait_settled()
    assert_ready_state(ovs, pf, 3, mac)

    daemon.stop()
    remove_id(ovs, 'vdpa-policy-test')
    assert len(kill_chain(daemon, down_steps(ovs, pf))) >= 3
    daemon.start()
    daemon.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
                'a bare card')
    daemon.wait_settled()
    assert vdpa_dev() == {} and ports(ovs) == []
    assert (pf.state(), run('ethtool -k ' + pf.netdev)) == before
    assert autoprobe(pf) == '1'
    assert daemon.json('device/list') == []


def test_killed_during_teardown(daemon, ovs, pf, policy):
    """What was asked for is in the database before the first step."""
    policy('num-vfs=3 vdpa-type=vhost')
    daemon.wait_ready(3)
    pf.knob('vdpa_delay_ms', '50')
    daemon.appctl('teardown', 'test')
    wait_for(lambda: not all(vdpa_path(pf, i) for i in range(3)),
             'a device gone', pause=0.002)
    daemon.stop(signal.SIGKILL)
    assert pf.numvfs() == 3
    daemon.start()
    daemon.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
                'a bare card')
    daemon.wait_settled()
    assert vdpa_dev() == {} and ports(ovs) == []
    assert 'vdpa-policy-test' in ovs.vsctl('get', 'Open_vSwitch', '.',
                                           'external_ids')
    daemon.appctl('resume', 'test')
    daemon.wait_ready(3)
    assert len(ports(ovs)) == 3


@pytest.fixture
def flowing(daemon, ovs, pf, policy):
    """Two containers whose traffic is in hardware, on VFs 0 and 1 of 4."""
    policy('num-vfs=4 vdpa-type=virtio mac=' + new_macs(),
           selector=pf.bdf + '#0-1')
    daemon.wait_ready(2)
    with traffic_in_hardware(daemon, pf) as traffic:
        yield traffic


def assert_no_loss(traffic):
    figures = traffic.mark()
    assert figures['sent'] > 20, figures
    assert figures['lost'] == 0 and figures['twice'] == 0, figures


@pytest.mark.parametrize('signo', [signal.SIGTERM, signal.SIGKILL])
def test_restart_with_traffic(daemon, ovs, pf, flowing, signo):
    ids = [link(pf.rep(i))['ifindex'] for i in range(2)], vdpa_dev()
    for _ in range(2):
        daemon.stop(signo)
        daemon.start()
        daemon.wait_ready(2)
    assert_no_loss(flowing)
    wait_in_hardware(pf.rep(0))
    assert ids == ([link(pf.rep(i))['ifindex'] for i in range(2)],
                   vdpa_dev())
    assert not [e for e in daemon.json('event/list') if e['what'] == 'step']


def test_ready_devices_outlive_kills(daemon, ovs, pf, policy, flowing):
    """Others are set up and taken down on the same card, and every step of
    it is the daemon's last."""
    daemon.stop()
    policy('num-vfs=4 vdpa-type=vhost', name='more',
           selector=pf.bdf + '#2-3')
    pf.knob('vdpa_delay_ms', '50')
    kill_chain(daemon, device_steps(ovs, pf, 2, 4))
    daemon.start()
    daemon.wait_ready(4)
    assert_no_loss(flowing)

    daemon.stop()
    remove_id(ovs, 'vdpa-policy-more')
    kill_chain(daemon, [
        ('port', 'a port gone', lambda: len(ports(ovs)) < 4),
        ('device', 'a device gone', lambda: not vdpa_path(pf, 2)),
        ('device', 'both devices gone', lambda: not vdpa_path(pf, 3))])
    daemon.start()
    daemon.wait_ready(2)
    daemon.wait_settled()
    assert_no_loss(flowing)
    assert ports(ovs) == [pf.rep(0), pf.rep(1)]
    assert pf.numvfs() == 4


def has_qdisc(netdev):
    return 'ingress' in run('tc qdisc show dev ' + netdev)


def test_killed_while_it_removes_filters(daemon, ovs, pf, flowing):
    """By offload/audit --fix, of an ovs-vswitchd that has gone; what is not
    stranded stays, and ovs-vswitchd finds a host that it can use."""
    devices = vdpa_dev()
    reps = [pf.rep(i) for i in range(2)]
    ovs.kill('ovs-vswitchd')
    assert all(has_qdisc(rep) for rep in reps)
    audit = subprocess.Popen(
        ['ovs-appctl', '-t', 'ovs-vdpad', 'offload/audit', '--fix'],
        env=ovs.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: not all(has_qdisc(rep) for rep in reps),
             'the first is removed', LIMIT, pause=0.002)
    daemon.stop(signal.SIGKILL)
    audit.wait(LIMIT)
    daemon.start()
    daemon.appctl('offload/audit', '--fix')
    assert not any(has_qdisc(rep) for rep in reps)
    assert vdpa_dev() == devices
    ovs.start()
    daemon.wait_ready(2)
    flowing.wait_flow()
    wait_in_hardware(pf.rep(0))


def test_random_kills(daemon, ovs, pf, policy):
    """Whatever it was doing, and however the wishes changed meanwhile."""
    seed = int(os.environ.get('VDPAD_SEED', '0')) or 4711
    dice = random.Random(seed)
    mac = new_macs()
    words = ['num-vfs=3 vdpa-type=vhost mtu=1400 mac=' + mac,
             'num-vfs=2 vdpa-type=virtio',
             'num-vfs=3 vdpa-type=vhost mtu=1300',
             'num-vfs=3 vdpa-type=none']
    daemon.stop()
    for _ in range(12):
        policy(dice.choice(words))
        daemon.spawn()
        # The moment is meant to be any.
        try:
            daemon.process.wait(dice.uniform(0.05, 4))
            raise AssertionError('seed %d\n%s' % (seed, daemon.log()))
        except subprocess.TimeoutExpired:
            daemon.stop(signal.SIGKILL)
    policy(words[0])
    daemon.start()
    daemon.wait_ready(3)
    daemon.wait_settled()
    assert_ready_state(ovs, pf, 3, mac)
    remove_id(ovs, 'vdpa-policy-test')
    wait_for(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
             'a bare card: all of it was ours')

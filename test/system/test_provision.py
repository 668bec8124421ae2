# SPDX-License-Identifier: Apache-2.0
"""From a bare PF to devices that are ready, and back."""

import json
import signal

import pytest

from conftest import (driver, has_offload, interface, link, ports, remove_id,
                      vdpa_config, vdpa_dev)
from twinlib import Pf, VdpaDevice, fails, run, wait_for, write


def names(pf, n):
    return ['vdpa:' + pf.vf(i) for i in range(n)]


@pytest.mark.parametrize('kind', ['vhost', 'virtio'])
def test_main_job(daemon, ovs, pf, policy, kind):
    policy('num-vfs=4 vdpa-type=%s mac=02:00:00:00:aa:00 mtu=1400 '
           'max-vqp=2' % kind)
    daemon.wait_ready(4)

    assert pf.numvfs() == 4
    assert pf.mode() == 'switchdev'
    assert (pf.sysfs / 'sriov_drivers_autoprobe').read_text() == '1\n'
    assert set(vdpa_dev()) == set(names(pf, 4))
    assert has_offload(pf.netdev)
    assert ovs.vsctl('get', 'Open_vSwitch', '.',
                     'other_config:hw-offload').strip() == '"true"'
    assert set(ovs.vsctl('list-ports', 'br-int').split()) == {
        pf.rep(i) for i in range(4)}
    for i, name in enumerate(names(pf, 4)):
        config = vdpa_config(name)
        assert config['mac'] == '02:00:00:00:aa:%02x' % i
        assert config['mtu'] == 1400
        assert vdpa_dev()[name]['max_vqs'] == 5      # 2 pairs and control.
        assert driver(name) == kind + '_vdpa'
        assert 'UP' in link(pf.rep(i))['flags']
        assert link(pf.rep(i))['mtu'] == 1400
        assert has_offload(pf.rep(i))
        ids, ofport = interface(ovs, pf.rep(i))
        assert ofport > 0
        ids.pop('vdpa-offload', None)   # Comes when it is judged.
        assert ids == {'attached-mac': '02:00:00:00:aa:%02x' % i,
                       'vdpa-owner': 'ovs-vdpad', 'vdpa-device': name,
                       'vdpa-vf': pf.vf(i)}
    assert daemon.json('plan') == []


def test_second_run_does_nothing(daemon, ovs, pf, policy):
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    before = (vdpa_dev(), [link(pf.rep(i))['ifindex'] for i in range(2)])
    cfg = ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg')

    for signo in (signal.SIGTERM, signal.SIGKILL):
        daemon.stop(signo)
        daemon.start()
        daemon.wait_ready(2)
        assert daemon.json('plan') == []
    assert not [e for e in daemon.json('event/list') if e['what'] == 'step']
    assert before == (vdpa_dev(),
                      [link(pf.rep(i))['ifindex'] for i in range(2)])
    assert cfg == ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg')


@pytest.mark.parametrize('how', ['teardown', 'key', 'all'])
def test_leaves_no_trace(daemon, ovs, pf, policy, how):
    before = pf.state()
    features = run('ethtool -k ' + pf.netdev)

    policy('num-vfs=3 vdpa-type=vhost')
    daemon.wait_ready(3)
    if how == 'key':
        ovs.vsctl('remove', 'Open_vSwitch', '.', 'external_ids',
                  'vdpa-policy-test')
    else:
        daemon.appctl('teardown', '--all' if how == 'all' else 'test')
    daemon.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
                'a bare card')
    daemon.wait_settled()

    assert vdpa_dev() == {}
    assert ovs.vsctl('list-ports', 'br-int') == ''
    assert pf.state() == before
    assert run('ethtool -k ' + pf.netdev) == features
    assert daemon.json('device/list') == []
    if how != 'key':
        daemon.appctl('resume', '--all' if how == 'all' else 'test')
        daemon.wait_ready(3)


def test_uplink_is_renamed(daemon, ovs, pf, policy):
    """As udev does it, before and after, and while the daemon is away: no
    step is due, and what was changed on it is put back under its name."""
    def has_uplink(name):
        daemon.wait(lambda: [p['uplink'] for p in daemon.json('pf/list')
                             if p['pf'] == pf.bdf] == [name], 'uplink ' + name)

    def rename(name, new):
        run('ip link set %s down' % name)
        run('ip link set %s name %s' % (name, new))

    def offload(name):
        return [line for line in run('ethtool -k ' + name).splitlines()
                if 'hw-tc-offload' in line]

    was = offload(pf.netdev)
    rename(pf.netdev, 'up0')
    try:
        has_uplink('up0')
        policy('num-vfs=2 vdpa-type=vhost', selector='up0')
        daemon.wait_ready(2)
        assert has_offload('up0')
        before = vdpa_dev(), ports(ovs)
        last = daemon.json('event/list', '-n', '1')[0]['serial']

        policy('num-vfs=2 vdpa-type=vhost')
        rename('up0', 'up1')
        has_uplink('up1')
        daemon.wait_ready(2)
        daemon.wait_settled()
        assert [e for e in daemon.json('event/list', '-n', '1000')
                if e['what'] == 'step' and e['serial'] > last] == []
        daemon.stop()
        rename('up1', 'up2')
        daemon.start()
        has_uplink('up2')
        daemon.wait_ready(2)
        daemon.wait_settled()
        assert [e for e in daemon.json('event/list')
                if e['what'] == 'step'] == []
        assert (vdpa_dev(), ports(ovs)) == before and has_offload('up2')

        daemon.appctl('teardown', 'test')
        daemon.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
                    'a bare card')
        daemon.wait_settled()
        assert offload('up2') == was
    finally:
        for name in ('up0', 'up1', 'up2'):
            if (pf.sysfs / 'net' / name).exists():
                rename(name, pf.netdev)
        run('ip link set %s up' % pf.netdev)


def test_switchdev_that_was_there_stays(daemon, pf, policy, ovs):
    pf.numvfs(2)
    pf.mode('switchdev')
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    daemon.appctl('teardown', 'test')
    daemon.wait(lambda: vdpa_dev() == {}, 'no device')
    daemon.wait_settled()
    assert pf.numvfs() == 2 and pf.mode() == 'switchdev'


def test_adoption(daemon, ovs, pf, policy):
    """A device that another program made is used under its name, bound as the
    policy says, and never deleted."""
    pf.numvfs(2)
    pf.mode('switchdev')
    run('modprobe -a vdpa vhost_vdpa virtio_vdpa')
    VdpaDevice(pf, 1, name='somebodys')
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    assert set(vdpa_dev()) == {'vdpa:' + pf.vf(0), 'somebodys'}
    assert driver('somebodys') == 'vhost_vdpa'
    assert daemon.device('somebodys')['owner'] == 'foreign'

    daemon.appctl('teardown', 'test')
    daemon.wait(lambda: list(vdpa_dev()) == ['somebodys'], 'ours deleted')
    daemon.wait_settled()
    assert list(vdpa_dev()) == ['somebodys']
    assert ovs.vsctl('list-ports', 'br-int') == ''
    run('vdpa dev del somebodys')


def test_declared(daemon, ovs, pf, policy):
    ovs.vsctl('set', 'Open_vSwitch', '.', 'external_ids:vdpa-attach=declared')
    policy('num-vfs=3 vdpa-type=vhost')
    daemon.wait_ready(3)
    assert ovs.vsctl('list-br') == '' or not ovs.vsctl('list-ports', 'br-int')

    ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
              'external_ids:vdpa-port-lp1=vf=%s mac=02:00:00:00:bb:01 tag=7'
              % pf.vf(1))
    daemon.wait(lambda: 'pf0vf1' in ovs.vsctl('list-ports', 'br-int'),
                'the port')
    daemon.wait_ready(3)
    ids, ofport = interface(ovs, pf.rep(1))
    assert ids['iface-id'] == 'lp1' and ofport > 0
    assert ovs.vsctl('get', 'Port', pf.rep(1), 'tag').strip() == '7'
    assert vdpa_config('vdpa:' + pf.vf(1))['mac'] == '02:00:00:00:bb:01'

    remove_id(ovs, 'vdpa-port-lp1')
    daemon.wait(lambda: ovs.vsctl('list-ports', 'br-int') == '', 'no port')


def test_none_leaves_ports_to_others(daemon, ovs, pf, policy):
    ovs.vsctl('set', 'Open_vSwitch', '.', 'external_ids:vdpa-attach=none')
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    ovs.vsctl('add-br', 'br-int', '--', 'add-port', 'br-int', pf.rep(0), '--',
              'set', 'Interface', pf.rep(0), 'external_ids:iface-id=vm1')
    daemon.wait(lambda: daemon.device(pf.rep(0))['iface_id'] == 'vm1',
                'the port is seen')
    daemon.appctl('reconcile')
    daemon.wait_settled()
    assert ovs.vsctl('list-ports', 'br-int').split() == [pf.rep(0)]
    assert 'vdpa-owner' not in interface(ovs, pf.rep(0))[0]


@pytest.mark.parametrize('order', ['with-vfs', 'without-vfs'])
def test_order_that_the_driver_wants(daemon, pf, policy, order):
    pf.knob('mode_order', order)
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    assert pf.numvfs() == 2 and pf.mode() == 'switchdev'


def test_everything_is_late(daemon, pf, policy):
    pf.knob('vf_bind_delay_ms', 200)
    pf.knob('rep_delay_ms', 500)
    pf.knob('mode_delay_ms', 500)
    policy('num-vfs=3 vdpa-type=virtio')
    daemon.wait_ready(3)


def test_netdev_gets_another_address(daemon, ovs, pf, policy):
    """virtio_net reads its device's address once."""
    def address():
        return [f.read_text().strip() for f
                in (pf.sysfs / 'virtfn0').glob('virtio*/net/*/address')]

    for mac in '02:00:00:00:aa:00', '02:00:00:00:bb:00':
        policy('num-vfs=1 vdpa-type=virtio mac=' + mac)
        daemon.wait(lambda m=mac: address() == [m], 'a netdev with ' + mac)
        daemon.wait_ready(1)
        assert vdpa_config(names(pf, 1)[0])['mac'] == mac
        assert interface(ovs, pf.rep(0))[0]['attached-mac'] == mac


def test_mode_fails_for_a_while(daemon, pf, policy):
    pf.knob('mode_fail', '2 5')          # EIO, twice.
    policy('num-vfs=1 vdpa-type=vhost')
    daemon.wait_ready(1)
    assert [e for e in daemon.json('event/list')
            if 'eswitch-mode' in e['text'] and e['object'] == pf.bdf]


def test_firmware_reset(daemon, pf, policy):
    policy('num-vfs=3 vdpa-type=vhost mac=02:00:00:00:cc:00')
    daemon.wait_ready(3)
    before = vdpa_dev()
    write(pf.knobs / 'reset', '1')
    wait_for(lambda: pf.knob('reset') == '0', 'the end of the reset')
    daemon.wait(lambda: set(vdpa_dev()) == set(before), 'the devices return')
    daemon.wait_ready(3)
    assert vdpa_config('vdpa:' + pf.vf(2))['mac'] == '02:00:00:00:cc:02'


def test_both_ports_of_the_card(daemon, ovs, pf, policy):
    other = Pf(1)
    try:
        policy('num-vfs=2 vdpa-type=vhost')
        policy('num-vfs=2 vdpa-type=virtio', name='two', selector=other.bdf)
        daemon.wait_ready(4)
        assert set(ovs.vsctl('list-ports', 'br-int').split()) == {
            'pf0vf0', 'pf0vf1', 'pf1vf0', 'pf1vf1'}
        daemon.appctl('teardown', '--all')
        daemon.wait(lambda: pf.numvfs() == other.numvfs() == 0, 'bare cards')
        daemon.wait_settled()
    finally:
        other.defaults()


def test_policy_that_cannot_be(daemon, pf, policy):
    policy('num-vfs=2 vdpa-type=vhost')
    policy('num-vfs=4000 vdpa-type=vhost', name='many', selector='p1')
    daemon.wait_ready(2)
    status = daemon.json('status')
    assert not status['healthy']
    assert 'vdpa-policy-many' in json.dumps(status['problems'])
    assert Pf(1).numvfs() == 0


def test_verify_agrees(daemon, policy):
    policy('num-vfs=4 vdpa-type=virtio')
    daemon.wait_ready(4)
    daemon.wait_settled()
    verified = daemon.json('verify')
    assert verified['equal'], verified


def test_unknown_device_is_an_error(daemon):
    assert 'no device' in daemon.refused('device/show', 'nosuch')
    assert fails('ovs-appctl -t ovs-vdpad device/show nosuch',
                 env=daemon.ovs.env)

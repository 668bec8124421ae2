# SPDX-License-Identifier: Apache-2.0
# level: full
"""The port of a VM as Nova or a CNI drive it, by our keys and by ports that
they add and remove themselves."""

import signal
import subprocess
import time

from conftest import (BUILD, Holder, driver, interface, ports, remove_id,
                      set_id, vdpa_config, vdpa_dev)
from traffic import new_macs
from twinlib import run, wait_for

UUID = '5e0a3d9a-0b0d-4c36-9d7a-6c2f5f6a1b11'


def row(daemon, iface_id):
    """The port of a logical port, once it has one."""
    return next((p for p in daemon.json('port/list')
                 if p['iface_id'] == iface_id and p['port']), None)


def ready_port(daemon, iface_id):
    daemon.wait(lambda: row(daemon, iface_id), 'a port for ' + iface_id)
    daemon.wait_ready(2)
    return daemon.device(iface_id)


def test_by_our_keys(daemon, ovs, pf, policy):
    """Boot, detach and attach while it runs, crash; and another VM comes."""
    set_id(ovs, 'vdpa-attach', 'declared')
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    words = ('policy=test mac=02:00:00:00:ee:01 iface-id-ver=1 vm-uuid=%s'
             % UUID)
    set_id(ovs, 'vdpa-port-vm1', words)
    device = ready_port(daemon, 'vm1')
    name, rep = device['name'], device['representor']
    ids = interface(ovs, rep)[0]
    assert ids['vm-uuid'] == UUID and ids['iface-id-ver'] == '1'
    assert ids['attached-mac'] == vdpa_config(name)['mac'] == (
        '02:00:00:00:ee:01')

    vms = [Holder(device['chardev'])]            # It boots.
    try:
        daemon.wait(lambda: daemon.device(name)['in_use_by'], 'it runs')
        remove_id(ovs, 'vdpa-port-vm1')          # Its port is detached …
        daemon.wait(lambda: ports(ovs) == [], 'no port')
        daemon.wait_settled()
        assert driver(name) == 'vhost_vdpa'

        # … and while it still runs its device is nobody else's.
        set_id(ovs, 'vdpa-port-vm2', 'policy=test')
        other = ready_port(daemon, 'vm2')
        assert other['name'] != name
        set_id(ovs, 'vdpa-port-vm3', 'policy=test')
        daemon.wait(lambda: any('vm3' in p and 'no free device' in p
                                for p in daemon.json('status')['problems']),
                    'there is none for a third one')
        remove_id(ovs, 'vdpa-port-vm3')

        # It is attached again, by the name of its device.
        set_id(ovs, 'vdpa-port-vm1', words.replace('policy=test',
                                                   'device=' + name))
        assert ready_port(daemon, 'vm1')['representor'] == rep

        vms[0].process.send_signal(signal.SIGKILL)        # It crashes.
        daemon.wait(lambda: not daemon.device(name)['in_use_by'], 'it died')
        daemon.wait_settled()
        assert row(daemon, 'vm1') and interface(ovs, rep)[1] > 0
        vms.append(Holder(device['chardev']))             # And boots again.
        daemon.wait(lambda: daemon.device(name)['in_use_by'], 'it runs')
        daemon.wait_ready(2)
    finally:
        for vm in vms:
            vm.leave()
    for key in ('vdpa-port-vm1', 'vdpa-port-vm2'):
        remove_id(ovs, key)
    daemon.wait(lambda: ports(ovs) == [], 'no ports')
    assert len(vdpa_dev()) == 2


def plug(ovs, pf, i, iface_id):
    """As os-vif does."""
    rep = pf.rep(i)
    ovs.vsctl('--may-exist', 'add-br', 'br-int', '--', '--if-exists',
              'del-port', rep, '--', 'add-port', 'br-int', rep, '--', 'set',
              'Interface', rep, 'external_ids:iface-id=' + iface_id,
              'external_ids:iface-status=active',
              'external_ids:attached-mac=02:00:00:00:ef:%02x' % i,
              'external_ids:vm-uuid=' + UUID)
    run('ip link set %s up' % rep)


def run_guests(devices):
    """Guests on the char devices, that the host can reach through br-int;
    they let go at the end."""
    run('ip address replace 192.0.2.1/24 dev br-int')
    run('ip link set br-int up')
    guests = []
    try:
        for i, device in enumerate(devices):
            guests.append(subprocess.Popen(
                [BUILD / 'test/vdpa-guest', device['chardev'],
                 '192.0.2.%d' % (10 + i)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True))
            assert guests[i].stdout.readline().startswith('ready ')
        for i in range(len(devices)):
            address = '192.0.2.%d' % (10 + i)
            wait_for(lambda a=address: run('ping -c 1 -W 2 ' + a,
                                           check=False).count('bytes from'),
                     'an answer of ' + address, 120)
            run('ping -c 20 -i 0.05 -W 5 ' + address)
    finally:
        for guest in guests:
            guest.stdin.close()
    assert [guest.wait(60) for guest in guests] == [0] * len(devices)


def test_by_ports_of_others(daemon, ovs, pf, policy):
    set_id(ovs, 'vdpa-attach', 'none')
    policy('num-vfs=2 vdpa-type=vhost mac=' + new_macs())
    daemon.wait_ready(2)
    assert ports(ovs) == []
    for i in range(2):
        plug(ovs, pf, i, 'vm%d' % i)
    devices = [ready_port(daemon, 'vm%d' % i) for i in range(2)]
    for i, device in enumerate(devices):
        assert device['vf'] == pf.vf(i) and device['port'] == pf.rep(i)
        assert 'vdpa-owner' not in interface(ovs, pf.rep(i))[0]

    # They run, and answer; suspended, they let go; resumed, they are plugged
    # anew and run again.
    for suspended in (False, True):
        if suspended:
            for i in range(2):
                ovs.vsctl('del-port', 'br-int', pf.rep(i))
            daemon.wait(lambda: not row(daemon, 'vm0'), 'they are unplugged')
            daemon.wait_ready(2)
            for i in range(2):
                plug(ovs, pf, i, 'vm%d' % i)
            for i in range(2):
                ready_port(daemon, 'vm%d' % i)
        run_guests(devices)

    # One crashes, and its port is left: that is its owner's to clean.
    vm = Holder(devices[0]['chardev'])
    daemon.wait(lambda: daemon.device('vm0')['in_use_by'], 'it runs')
    vm.process.send_signal(signal.SIGKILL)
    vm.leave()
    before = interface(ovs, pf.rep(0))[0]
    daemon.appctl('teardown', 'test')
    daemon.wait(lambda: pf.numvfs() == 0 and vdpa_dev() == {}, 'no device')
    daemon.wait_settled()
    assert ports(ovs) == [pf.rep(0), pf.rep(1)]
    # When the device returns, so does the port.
    daemon.appctl('resume', 'test')
    assert ready_port(daemon, 'vm0')['vf'] == pf.vf(0)
    assert interface(ovs, pf.rep(0))[1] > 0
    after = interface(ovs, pf.rep(0))[0]
    before.pop('vdpa-offload', None)
    after.pop('vdpa-offload', None)
    assert after == before


def test_stale_ports(daemon, ovs, pf, policy):
    """What is left of devices that are gone: ours go after the grace time,
    others' stay."""
    policy('num-vfs=2 vdpa-type=vhost mac=' + new_macs())
    daemon.wait_ready(2)
    daemon.stop(signal.SIGKILL)
    remove_id(ovs, 'vdpa-policy-test')
    pf.numvfs(0)
    ovs.vsctl('--no-wait', 'remove', 'Interface', pf.rep(1), 'external_ids',
              'vdpa-owner')
    assert ports(ovs) == [pf.rep(0), pf.rep(1)]
    start = time.monotonic()
    daemon.start()
    wait_for(lambda: ports(ovs) == [pf.rep(1)], 'ours goes', 120)
    assert time.monotonic() - start >= 30
    lines = [e['text'] for e in daemon.json('event/list')]
    assert not [t for t in lines if 'port-del %s' % pf.rep(1) in t], lines
    daemon.wait(lambda: pf.mode() == 'legacy', 'the mode is restored')

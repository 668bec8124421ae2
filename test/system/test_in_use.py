# SPDX-License-Identifier: Apache-2.0
"""Devices that somebody holds, and kernel calls that block for ever."""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess

import pytest

from conftest import Holder, driver, remove_id, vdpa_dev
from twinlib import Namespace, run, wait_for, write

IN_OPEN = 0x20       # <sys/inotify.h>
# <linux/vhost.h>
VHOST_GET_FEATURES, VHOST_SET_FEATURES = 0x8008af00, 0x4008af00
VHOST_SET_OWNER, VHOST_VDPA_SET_STATUS = 0xaf01, 0x4001af72
ACKNOWLEDGE_AND_DRIVER, FEATURES_OK = 3, 8      # <linux/virtio_config.h>
READ_DEADLINE = 10   # Seconds that the daemon gives each observation.


@pytest.fixture
def hold(daemon):
    """Has a device held; whatever happens, not for ever: with a delete that
    waits for the holder nothing on the host could be cleaned up."""
    holders = []

    def hold_it(name):
        chardev = daemon.device(name)['chardev']
        holders.append(Holder(chardev))
        return holders[-1]

    yield hold_it
    for holder in holders:
        holder.leave()


@pytest.fixture
def two(daemon, policy):
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    return daemon


def users(daemon, name):
    return [u['pid'] for u in daemon.device(name)['in_use_by']]


def delete_has_begun(name):
    """Its driver is the first thing that the kernel takes away."""
    return not os.path.exists('/sys/bus/vdpa/devices/%s/driver' % name)


def test_teardown_waits_for_the_holder(two, pf, hold):
    name = 'vdpa:' + pf.vf(0)
    holder = hold(name)
    two.wait(lambda: users(two, name) == [holder.pid], 'the holder is seen')

    text = two.appctl('teardown', 'test')
    line = next(t for t in text.splitlines() if t.startswith(name))
    assert 'refused' in line and 'pid %d' % holder.pid in line
    two.wait(lambda: list(vdpa_dev()) == [name], 'the free one is deleted')
    two.wait(lambda: not two.json('plan'), 'an empty plan')
    device = two.device(name)
    assert device['state'] == 'blocked'
    assert 'pid %d' % holder.pid in device['reason']
    assert list(vdpa_dev()) == [name]
    assert pf.numvfs() == 2
    before = two.log().count(name + ' is ')
    for _ in range(3):       # It does not change its mind at every look.
        two.appctl('resync')
        assert two.device(name)['state'] == 'blocked'
    assert two.log().count(name + ' is ') == before

    holder.leave()
    two.wait(lambda: pf.numvfs() == 0, 'removal when the holder has gone')


def test_teardown_is_refused(two, pf, hold):
    holders = [hold('vdpa:' + pf.vf(i)) for i in range(2)]
    text = two.refused('teardown', 'test')
    for i, holder in enumerate(holders):
        assert 'vdpa:%s: in use by pid %d' % (pf.vf(i), holder.pid) in text
    assert 'vdpa-suspended' not in two.ovs.vsctl(
        'get', 'Open_vSwitch', '.', 'external_ids')
    assert set(two.states().values()) == {'ready'}


def test_forced_removal_blocks_nothing(two, pf, hold):
    """The kernel's delete sleeps until the holder goes, and with it all of
    generic netlink; the daemon answers all the same."""
    name = 'vdpa:' + pf.vf(0)
    holder = hold(name)
    two.appctl('teardown', '--force', 'test')
    wait_for(lambda: delete_has_begun(name), 'the delete has begun')

    two.appctl('loop/show', '--reset')
    for _ in range(8):
        two.appctl('version')
        two.appctl('status')
    # Also beyond the deadline of what it has asked generic netlink for.
    two.wait(lambda: any('netlink' in str(p)
                         for p in two.json('status')['problems']),
             'status names generic netlink')
    longest_us = two.json('loop/show')['longest_turn_us']
    assert longest_us < 1000000 * READ_DEADLINE / 4

    def is_blocked():
        device = two.device(name)
        return (device['state'] == 'blocked' and users(two, name) ==
                [holder.pid] and 'pid %d' % holder.pid in device['reason'])
    two.wait(is_blocked, 'blocked, and who by, is shown')

    holder.leave()
    two.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
             'the removal completes')


def test_another_programs_delete(two, pf, hold):
    """Generic netlink frozen by somebody else: the last picture is kept,
    nothing is removed, all is well when it thaws."""
    name, other = ('vdpa:' + pf.vf(i) for i in range(2))
    holder = hold(name)
    delete = subprocess.Popen(['vdpa', 'dev', 'del', name])
    wait_for(lambda: delete_has_begun(name), 'the delete has begun')
    two.wait(lambda: two.device(name)['state'] == 'blocked'
             and 'pid %d' % holder.pid in two.device(name)['reason'],
             'blocked, and who by, is shown')
    two.appctl('resync')
    two.wait(lambda: any('netlink' in str(p)
                         for p in two.json('status')['problems']),
             'status names generic netlink')
    assert two.states()[other] == 'ready'
    assert driver(other) == 'vhost_vdpa'

    holder.leave()
    assert delete.wait(60) == 0
    two.wait(lambda: driver(name) == 'vhost_vdpa', 'it is made anew')
    two.wait_ready(2)


def knows_former(daemon):
    return any('earlier daemon' in p
               for p in daemon.json('status')['problems'])


@pytest.mark.parametrize('signo', [signal.SIGTERM, signal.SIGKILL])
def test_stop_while_blocked(two, pf, hold, signo):
    """The daemon ends although a helper process is stuck, and the next one
    goes on."""
    name = 'vdpa:' + pf.vf(0)
    holder = hold(name)
    two.appctl('teardown', '--force', 'test')
    wait_for(lambda: delete_has_begun(name), 'the delete has begun')
    two.stop(signo)
    two.start()
    two.wait(lambda: knows_former(two), 'the next one knows of the helper')
    holder.leave()
    two.wait(lambda: pf.numvfs() == 0, 'the removal completes')
    two.wait(lambda: not knows_former(two), 'the helper has ended')


def opens(watch):
    """How often the file has been opened since the last call."""
    try:
        events = os.read(watch, 65536)
    except BlockingIOError:
        return 0
    return sum(mask == IN_OPEN
               for _, mask, _, _ in struct.iter_unpack('=iIII', events))


def test_device_file_is_never_opened(two, pf, hold):
    """Not to see who holds it, nor whether it works: opening it would reset
    the device."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    chardev = two.device('vdpa:' + pf.vf(0))['chardev']
    try:
        assert libc.inotify_add_watch(watch, chardev.encode(), IN_OPEN) > 0
        for words in (['resync'], ['status'], ['why', '--probe'], ['verify'],
                      ['device/list'], ['export/libvirt', pf.vf(0)]):
            two.appctl(*words, check=False)
        two.stop()
        two.start()
        two.wait_ready(2)
        assert opens(watch) == 0
        holder = hold('vdpa:' + pf.vf(0))
        two.wait(lambda: users(two, 'vdpa:' + pf.vf(0)) == [holder.pid],
                 'the holder is seen')
        assert opens(watch) == 1
        holder.leave()
        two.appctl('teardown', 'test')
        two.wait(lambda: pf.numvfs() == 0, 'removal')
        assert opens(watch) == 0
    finally:
        os.close(watch)


class UnseenGuest:
    """Has negotiated features on a char device whose descriptor is in no
    process: it is on its way from one to another."""

    def __init__(self, chardev):
        fd = os.open(chardev, os.O_RDWR)
        fcntl.ioctl(fd, VHOST_SET_OWNER)
        self.status(fd, ACKNOWLEDGE_AND_DRIVER)
        features = fcntl.ioctl(fd, VHOST_GET_FEATURES, bytes(8))
        fcntl.ioctl(fd, VHOST_SET_FEATURES, features)
        self.status(fd, ACKNOWLEDGE_AND_DRIVER | FEATURES_OK)
        self.features = int.from_bytes(features, 'little')
        self.ends = socket.socketpair()
        socket.send_fds(self.ends[0], [b'x'], [fd])
        os.close(fd)

    @staticmethod
    def status(fd, bits):
        fcntl.ioctl(fd, VHOST_VDPA_SET_STATUS, bytes([bits]))

    def leave(self):
        for end in self.ends:
            end.close()


def test_unseen_guest(two, ovs, pf, policy):
    """Neither the command nor a key that goes takes its device away, nor does
    a daemon that has just been started."""
    name = 'vdpa:' + pf.vf(0)
    guest = UnseenGuest(two.device(name)['chardev'])
    reason = 'features 0x%x are negotiated' % guest.features
    try:
        text = two.appctl('teardown', 'test')
        line = next(t for t in text.splitlines() if t.startswith(name))
        assert 'refused' in line and reason in line
        for again in range(2):
            two.wait(lambda: list(vdpa_dev()) == [name], 'the other is gone')
            two.wait(lambda: two.states().get(name) == 'blocked', 'blocked')
            assert reason in two.device(name)['reason']
            assert users(two, name) == []
            two.replan()
            assert list(vdpa_dev()) == [name] and pf.numvfs() == 2
            assert driver(name) == 'vhost_vdpa'
            if not again:
                two.stop(signal.SIGKILL)
                remove_id(ovs, 'vdpa-policy-test', 'vdpa-suspended')
                two.start()
    finally:
        guest.leave()
    two.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
             'removal when the guest has gone')


def test_container_has_the_netdev(daemon, pf, policy):
    policy('num-vfs=1 vdpa-type=virtio')
    daemon.wait_ready(1)
    name = 'vdpa:' + pf.vf(0)
    space = Namespace('c1', daemon.device(name)['netdev'], '192.0.2.1/24')
    try:
        text = daemon.refused('teardown', 'test')
        assert name + ': in use: its netdev is in another network' in text
        assert list(vdpa_dev()) == [name]
    finally:
        space.delete()
    daemon.appctl('teardown', 'test')
    daemon.wait(lambda: pf.numvfs() == 0, 'removal afterwards')


def test_namespace_is_deleted(daemon, pf, policy):
    """A pod that ends takes its namespace with it, without giving anything
    back: the kernel moves the netdev to the host's, and it is followed."""
    policy('num-vfs=2 vdpa-type=virtio')
    daemon.wait_ready(2)
    name, other = ('vdpa:' + pf.vf(i) for i in range(2))
    before = daemon.device(name)
    space = Namespace('pod', before['netdev'], '192.0.2.1/24')
    daemon.wait(lambda: daemon.device(name)['netdev'] is None
                and daemon.states()[name] == 'ready',
                'ready, with its netdev away')
    assert daemon.device(other)['netdev']
    text = daemon.appctl('teardown', 'test')
    line = next(t for t in text.splitlines() if t.startswith(name))
    assert 'refused' in line and 'its netdev is in another network' in line
    daemon.wait(lambda: list(vdpa_dev()) == [name], 'the free one is deleted')
    daemon.wait(lambda: daemon.states().get(name) == 'blocked', 'it is kept')
    daemon.appctl('resume', 'test')
    daemon.wait_ready(2)
    # Neither is it deleted when its policy goes.
    daemon.ovs.vsctl('--no-wait', 'remove', 'Open_vSwitch', '.',
                     'external_ids', 'vdpa-policy-test')
    daemon.wait(lambda: list(vdpa_dev()) == [name], 'the free one is deleted')
    daemon.wait(lambda: daemon.states().get(name) == 'blocked', 'it is kept')
    policy('num-vfs=2 vdpa-type=virtio')
    daemon.wait_ready(2)
    assert space.ip('-4 addr show dev eth0')

    run('ip netns del pod')
    daemon.wait(lambda: daemon.device(name)['netdev'], 'it has come back')
    after = daemon.device(name)
    assert os.path.exists('/sys/class/net/' + after['netdev'])
    for key in ('vf', 'driver', 'mac', 'representor', 'port', 'policy',
                'owner', 'state', 'in_use_by'):
        assert after[key] == before[key], key
    # As for the next pod.
    again = Namespace('pod', after['netdev'], '192.0.2.1/24')
    daemon.wait(lambda: daemon.device(name)['netdev'] is None, 'away again')
    again.delete()
    daemon.wait(lambda: daemon.device(name)['netdev'] == after['netdev'],
                'back again')
    daemon.appctl('teardown', 'test')
    daemon.wait(lambda: pf.numvfs() == 0, 'removal afterwards')


def test_container_has_a_plain_vf(daemon, pf, policy):
    """A VF without a vDPA device serves a container by its own netdev: the
    number of VFs is not changed under it."""
    policy('num-vfs=2 vdpa-type=none')
    daemon.wait(lambda: pf.numvfs() == 2 and os.path.exists(
        '/sys/class/net/' + pf.nic(1)), 'the VFs')
    daemon.wait_settled()
    space = Namespace('c1', pf.nic(1), '192.0.2.1/24')
    try:
        policy('num-vfs=3 vdpa-type=none')
        daemon.wait(lambda: any(
            'VF %s is in use: its netdev' % pf.vf(1) in (p['reason'] or '')
            for p in daemon.json('pf/list')), 'the reason')
        assert pf.numvfs() == 2
        assert '192.0.2.1' in space.ip('addr show dev eth0')
    finally:
        space.delete()
    daemon.appctl('reconcile')
    daemon.wait(lambda: pf.numvfs() == 3, 'the third VF')


def test_reset_under_a_vm(two, pf, hold):
    """A reset waits in the kernel for the VM that has the device open; what
    is shown says so, and all returns when it lets go."""
    name = 'vdpa:' + pf.vf(0)
    before = vdpa_dev()
    holder = hold(name)
    two.wait(lambda: users(two, name) == [holder.pid], 'the holder is seen')
    write(pf.knobs / 'reset', '1')
    two.wait(lambda: any(
        d['state'] == 'blocked' and 'pid %d' % holder.pid in d['reason']
        for d in two.json('device/list')), 'blocked, and by whom')
    holder.leave()
    wait_for(lambda: pf.knob('reset') == '0', 'the end of the reset')
    two.wait(lambda: vdpa_dev() == before, 'the same devices')
    two.wait_ready(2)

# SPDX-License-Identifier: Apache-2.0
"""Devices that somebody holds, and kernel calls that block for ever."""

import os
import subprocess
import time

import pytest

from conftest import vdpa_dev
from twinlib import Namespace, wait_for


class Holder:
    """Holds a char device, as a VM does."""

    def __init__(self, chardev):
        self.process = subprocess.Popen(
            ['sh', '-c', 'exec 3<>"$1"; echo; exec cat <&0', 'holder',
             '/dev/' + chardev], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.pid = self.process.pid

    def leave(self):
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture
def two(daemon, policy):
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    return daemon


def test_teardown_is_refused(two, pf):
    name = 'vdpa:' + pf.vf(0)
    holder = Holder(two.device(name)['chardev'].replace('/dev/', ''))
    assert two.device(name)['in_use_by'][0]['pid'] == holder.pid
    text = two.appctl('teardown', 'test', check=False)
    assert str(holder.pid) in text + str(two.device(name))
    two.wait(lambda: list(vdpa_dev()) == [name], 'the free one is deleted')
    device = two.device(name)
    assert device['state'] == 'blocked'
    assert 'pid %d' % holder.pid in device['reason']
    assert pf.numvfs() == 2

    holder.leave()
    two.wait(lambda: pf.numvfs() == 0, 'removal when the holder has gone')


def test_forced_removal_blocks_nothing(two, pf):
    """The kernel's delete sleeps until the holder goes, and with it all of
    generic netlink; the daemon answers all the same."""
    name = 'vdpa:' + pf.vf(0)
    holder = Holder(two.device(name)['chardev'].replace('/dev/', ''))
    two.appctl('teardown', '--force', 'test')
    wait_for(lambda: not os.path.exists(
        '/sys/bus/vdpa/devices/%s/driver' % name), 'the delete has begun')

    slowest = 0
    for _ in range(20):
        start = time.monotonic()
        two.appctl('version')
        two.appctl('status')
        slowest = max(slowest, time.monotonic() - start)
    assert slowest < 30       # A blocked daemon would never answer.
    two.wait(lambda: two.device(name)['state'] == 'blocked',
             'blocked is shown')
    assert str(holder.pid) in str(two.json('status')) + str(
        two.device(name))

    holder.leave()
    two.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
             'the removal completes')


def test_another_programs_delete(two, pf):
    """Generic netlink frozen by somebody else: the last picture is kept,
    nothing is removed, all is well when it thaws."""
    name = 'vdpa:' + pf.vf(0)
    holder = Holder(two.device(name)['chardev'].replace('/dev/', ''))
    delete = subprocess.Popen(['vdpa', 'dev', 'del', name])
    wait_for(lambda: not os.path.exists(
        '/sys/bus/vdpa/devices/%s/driver' % name), 'the delete has begun')
    two.appctl('resync')
    two.wait(lambda: any('netlink' in str(p)
                         for p in two.json('status')['problems']),
             'status names generic netlink')
    assert 'vdpa:' + pf.vf(1) in two.states()
    assert os.path.exists('/sys/bus/vdpa/devices/vdpa:' + pf.vf(1))

    holder.leave()
    assert delete.wait(60) == 0
    two.wait_ready(2)         # Made anew: the policy stands.


def test_stop_while_blocked(two, pf):
    """SIGTERM ends the daemon although a helper process is stuck."""
    name = 'vdpa:' + pf.vf(0)
    holder = Holder(two.device(name)['chardev'].replace('/dev/', ''))
    two.appctl('teardown', '--force', 'test')
    wait_for(lambda: not os.path.exists(
        '/sys/bus/vdpa/devices/%s/driver' % name), 'the delete has begun')
    two.stop()
    holder.leave()
    two.start()
    two.wait(lambda: pf.numvfs() == 0, 'the removal completes')


def test_container_has_the_netdev(daemon, pf, policy):
    policy('num-vfs=1 vdpa-type=virtio')
    daemon.wait_ready(1)
    name = 'vdpa:' + pf.vf(0)
    space = Namespace('c1', daemon.device(name)['netdev'], '192.0.2.1/24')
    two = daemon.appctl('teardown', 'test', check=False)
    daemon.wait(lambda: daemon.device(name)['state'] == 'blocked',
                'it is in use')
    assert 'namespace' in daemon.device(name)['reason'] + two
    space.delete()
    daemon.wait(lambda: pf.numvfs() == 0, 'removal afterwards')

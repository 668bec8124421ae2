# SPDX-License-Identifier: Apache-2.0
# level: full
# twin: --systemd --boots 2 --prepare $VDPAD_SRC/test/system/install
"""Installed as a user has it, beside Debian's Open vSwitch, under systemd; in
two boots with one database."""

import contextlib
import json
import os
import pathlib
import signal

import pytest

from conftest import driver, interface, vdpa_config, vdpa_dev
from service import UNIT, Service, is_active, show, systemctl
from traffic import Spaces, Traffic
from twinlib import Pf, run, wait_for

FIRST = os.environ['TWIN_BOOT'] == '1'
KEPT = pathlib.Path(os.environ['TWIN_KEEP']) / 'devices.json'
N = 4
only_first = pytest.mark.skipif(not FIRST, reason='done in the first boot')


@pytest.fixture(scope='module')
def daemon():
    daemon = Service()
    yield daemon
    daemon.assert_no_reports()


@pytest.fixture(scope='module')
def pf():
    return Pf(0)


def configure(daemon, pf):
    daemon.ovs.vsctl(
        '--no-wait', 'set', 'Open_vSwitch', '.', 'external_ids:vdpa-policy-vms'
        '=pf=%s num-vfs=%d vdpa-type=virtio mac=02:00:00:00:ee:00 max-vqp=2'
        % (pf.bdf, N))


def devices(daemon, pf):
    """What there is, as vdpa and ovs-vsctl tell it, without the verdict,
    which follows the traffic."""
    def port(name):
        ids = interface(daemon.ovs, rep_of(daemon, name))[0]
        return {k: v for k, v in ids.items() if k != 'vdpa-offload'}

    return {name: {'config': vdpa_config(name), 'parent': dev['mgmtdev'],
                   'max_vqs': dev['max_vqs'], 'driver': driver(name),
                   'port': port(name)}
            for name, dev in vdpa_dev().items()}


def rep_of(daemon, name):
    return daemon.device(name)['representor']


@contextlib.contextmanager
def unharmed(spaces):
    """Whatever is done within, no packet is lost: neither meanwhile nor, once
    it is done, of those that are sent then."""
    traffic = Traffic(spaces)

    def arrived():
        figures = traffic.mark()
        assert figures['lost'] == 0 and figures['twice'] == 0, figures
        return figures['received']

    try:
        traffic.wait_flow()
        yield
        assert arrived() > 20
        afterwards = 0
        while afterwards < 20:
            afterwards += arrived()
    finally:
        traffic.stop()


@pytest.fixture(scope='module')
def spaces(daemon, pf):
    """Ready devices, two of them in containers."""
    configure(daemon, pf)
    daemon.wait_up()
    daemon.wait_ready(N)
    return Spaces(daemon, pf)


def test_boot(daemon, pf):
    """Everything came up in order, by itself; in the second boot with the
    devices of the first, before who needs them."""
    daemon.wait_up()
    assert systemctl('--failed', '--no-legend') == ''
    started = int(show(UNIT, 'ExecMainStartTimestampMonotonic'))
    for unit in ('ovsdb-server', 'ovs-vswitchd', 'openvswitch-switch'):
        assert is_active(unit)
        assert int(show(unit, 'ActiveEnterTimestampMonotonic')) <= started
    assert show(UNIT, 'NRestarts') == '0'
    if FIRST:
        assert daemon.json('status')['healthy']
        return
    wait_for(lambda: is_active('consumer'), 'who needs the devices')
    saw = json.loads(pathlib.Path('/run/consumer-saw').read_text())['dev']
    kept = json.loads(KEPT.read_text())
    assert len(saw) == N and set(saw) == set(kept)
    daemon.wait_ready(N)
    assert devices(daemon, pf) == kept
    assert pf.mode() == 'switchdev' and pf.numvfs() == N


@only_first
def test_not_ready_without_a_database(daemon):
    systemctl('stop', UNIT, 'openvswitch-switch', 'ovs-vswitchd',
              'ovsdb-server')
    try:
        # Without the Wants= that would start Open vSwitch with it.
        systemctl('start', '--no-block', '--job-mode=ignore-dependencies',
                  UNIT)
        wait_for(lambda: 'database not connected' in show(UNIT, 'StatusText'),
                 'a daemon without database')
        daemon.appctl('status')     # After an observation of everything.
        assert show(UNIT, 'ActiveState') == 'activating'
    finally:
        systemctl('start', 'openvswitch-switch')
    daemon.wait_up()
    assert 'database connected' in show(UNIT, 'StatusText')


@only_first
def test_ready_target(daemon, pf):
    """It is reached when the last device is there, not before."""
    target = 'ovs-vdpad-ready.target'
    pf.knob('vdpa_add_fail', '-1')
    configure(daemon, pf)
    daemon.wait(lambda: 'failed' in daemon.states().values(), 'a failure')
    systemctl('start', '--no-block', target)
    wait_for(lambda: show('ovs-vdpad-ready.service',
                          'ActiveState') == 'activating', 'somebody who waits')
    daemon.appctl('reconcile')
    assert vdpa_dev() == {} and not is_active(target)
    pf.knob('vdpa_add_fail', '0')
    wait_for(lambda: is_active(target), target)
    assert len(vdpa_dev()) == N
    for name in vdpa_dev():
        assert interface(daemon.ovs, rep_of(daemon, name))[1] > 0

    # A restart of the daemon does not take it away.
    systemctl('restart', UNIT)
    assert is_active(target)


@only_first
def test_stop_and_start(daemon, spaces):
    before = devices(daemon, Pf(0))
    with unharmed(spaces):
        systemctl('stop', UNIT)
        assert set(vdpa_dev()) == set(before)
        systemctl('start', UNIT)
        daemon.wait_ready(N)
        assert devices(daemon, Pf(0)) == before


@only_first
def test_watchdog(daemon, spaces):
    """A daemon that hangs is killed and started again, to no packet's harm."""
    pid = daemon.pid()
    before = devices(daemon, Pf(0))
    with unharmed(spaces):
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: daemon.pid() not in (0, pid), 'another process', 180)
        daemon.wait_up()
        assert 'watchdog' in run('journalctl', '--no-pager', '-u',
                                 UNIT).lower()
        daemon.wait_ready(N)
        assert devices(daemon, Pf(0)) == before


@only_first
def test_killed(daemon, spaces):
    pid = daemon.pid()
    before = devices(daemon, Pf(0))
    with unharmed(spaces):
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: daemon.pid() not in (0, pid), 'another process')
        daemon.wait_up()
        daemon.wait_ready(N)
        assert devices(daemon, Pf(0)) == before


def usable(daemon, spaces):
    """The host is as before somebody broke it."""
    daemon.wait(lambda: daemon.json('status')['database']['connected'],
                'a database')
    daemon.wait_ready(N)
    daemon.wait(lambda: all(
        (interface(daemon.ovs, rep_of(daemon, name))[1] or -1) > 0
        for name in vdpa_dev()), 'ports')
    spaces.all[0].ping(spaces.address(1), limit=120)


@only_first
def test_restart_of_open_vswitch(daemon, spaces):
    pid = daemon.pid()
    before = devices(daemon, Pf(0))
    systemctl('restart', 'openvswitch-switch')
    usable(daemon, spaces)
    assert daemon.pid() == pid and show(UNIT, 'SubState') == 'running'
    assert devices(daemon, Pf(0)) == before


@only_first
@pytest.mark.parametrize('unit', ['ovs-vswitchd', 'ovsdb-server'])
def test_open_vswitch_killed(daemon, spaces, unit):
    pid = daemon.pid()
    before = devices(daemon, Pf(0))
    theirs = int(show(unit, 'MainPID'))
    os.kill(theirs, signal.SIGKILL)
    wait_for(lambda: is_active(unit)
             and int(show(unit, 'MainPID')) not in (0, theirs),
             'another ' + unit, 120)
    usable(daemon, spaces)
    assert daemon.pid() == pid
    assert devices(daemon, Pf(0)) == before


@only_first
def test_udev(daemon, pf, spaces):
    """The host's rules were at work, ours among them, and the daemon knows
    the netdevs under the names that they gave."""
    def marks(netdev):
        return [line for line in run(
            'udevadm', 'info', '-q', 'property', '/sys/class/net/' + netdev)
            .splitlines() if line in ('NM_UNMANAGED=1',
                                      'VDPAD_REPRESENTOR=1')]

    uplink = 'enP1p8s0f0np0'
    assert (pf.sysfs / 'net' / uplink).exists()
    assert [p['uplink'] for p in daemon.json('pf/list')][0] == uplink
    assert marks(uplink) == []
    for name in vdpa_dev():
        wait_for(lambda n=name: len(marks(rep_of(daemon, n))) == 2,
                 "udev's marks on a representor")


@only_first
def test_left_for_the_second_boot(daemon, pf, spaces):
    spaces.delete()
    daemon.wait_settled()
    KEPT.write_text(json.dumps(devices(daemon, pf)))

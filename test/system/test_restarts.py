# SPDX-License-Identifier: Apache-2.0
# level: full
"""Open vSwitch is restarted around the daemon, in part, whole, and with its
database lost, while traffic runs."""

import subprocess

import pytest

from conftest import BUILD, fixtures, interface, remove_id, vdpa_dev
from traffic import (in_hardware, new_macs, traffic_in_hardware,
                     wait_in_hardware)
from twinlib import run, wait_for

OVS_CTL = '/usr/share/openvswitch/scripts/ovs-ctl'

pf, ovs, daemon, policy = fixtures('module')


@pytest.fixture(scope='module')
def scene(daemon, ovs, pf, policy):
    """Two containers whose traffic is in hardware."""
    words = 'num-vfs=2 vdpa-type=virtio mac=' + new_macs()
    policy(words)
    daemon.wait_ready(2)
    with traffic_in_hardware(daemon, pf) as traffic:
        traffic.words = words
        yield traffic


@pytest.fixture
def flowing(daemon, pf, scene):
    """The same, at the start of each test."""
    daemon.wait_ready(2)
    scene.wait_flow()
    wait_in_hardware(pf.rep(0))
    scene.mark()
    return scene


def connected(daemon):
    return daemon.json('status')['database']['connected']


def last_event(daemon):
    return daemon.json('event/list', '-n', '1')[0]['serial']


def assert_untouched(daemon, devices, since=0):
    """The devices are the same ones as before: none was made or bound."""
    assert vdpa_dev() == devices
    done = [e['text'] for e in daemon.json('event/list', '-n', '1000')
            if e['what'] == 'step' and e['serial'] > since]
    assert not [t for t in done if 'vdpa-' in t], done


def assert_flows_again(daemon, pf, traffic):
    daemon.wait_ready(2)
    traffic.wait_flow()
    wait_in_hardware(pf.rep(0))


def test_ovsdb_server(daemon, ovs, pf, flowing):
    before = vdpa_dev(), last_event(daemon)
    ovs.kill('ovsdb-server')
    daemon.wait(lambda: not connected(daemon), 'the loss is noticed')
    assert set(daemon.states().values()) == {'ready'}
    assert 'connect' in ' '.join(daemon.json('status')['problems'])
    ovs.start_db()
    daemon.wait(lambda: connected(daemon), 'the database is back')
    daemon.wait_ready(2)
    daemon.wait_settled()
    figures = flowing.mark()
    assert figures['sent'] > 20 and figures['lost'] == 0, figures
    assert_untouched(daemon, *before)


def test_lost_database(daemon, ovs, pf, policy, flowing):
    """A new, empty database is no change of intent; vswitchd takes its
    bridges away, but devices and card stay, and a new key brings the ports
    back."""
    before = vdpa_dev(), last_event(daemon)
    ovs.kill('ovsdb-server')
    ovs.create_db()
    ovs.start_db()
    ovs.vsctl('init')
    daemon.wait(lambda: connected(daemon)
                and any('another database' in p
                        for p in daemon.json('status')['problems']),
                'status tells of the database')
    daemon.wait_settled()
    assert set(daemon.states().values()) == {'blocked'}
    assert_untouched(daemon, *before)
    assert pf.numvfs() == 2 and pf.mode() == 'switchdev'

    # Nor after a restart of the daemon.
    daemon.stop()
    daemon.start()
    daemon.wait(lambda: set(daemon.states().values()) == {'blocked'},
                'kept as they are')
    assert vdpa_dev() == before[0]

    policy(flowing.words)
    assert_flows_again(daemon, pf, flowing)
    assert vdpa_dev() == before[0]
    assert interface(ovs, pf.rep(0))[0]['vdpa-owner'] == 'ovs-vdpad'


@pytest.mark.parametrize('how', ['kill', 'db-first', 'db-last', 'ovs-ctl'])
def test_vswitchd(daemon, ovs, pf, flowing, how):
    """Killed, or together with ovsdb-server in either order, or as the
    distribution restarts it."""
    before = vdpa_dev(), last_event(daemon)
    if how == 'kill':
        ovs.kill('ovs-vswitchd')
        ovs.start()
    elif how == 'db-first':
        ovs.kill('ovsdb-server')
        ovs.kill('ovs-vswitchd')
        ovs.start_db()
        ovs.start()
    elif how == 'db-last':
        ovs.kill('ovs-vswitchd')
        ovs.kill('ovsdb-server')
        vswitchd = subprocess.Popen(
            [ovs.vswitchd, '--pidfile', '--log-file', '-vconsole:off'],
            env=ovs.env)
        wait_for(lambda: (ovs.dir / 'ovs-vswitchd.pid').exists(),
                 'ovs-vswitchd without a database')
        assert vswitchd.poll() is None
        ovs.start_db()
    else:
        run(OVS_CTL, '--system-id=random', '--no-monitor',
            '--db-file=%s/conf.db' % ovs.dir, 'restart', env=ovs.env,
            timeout=300)
    daemon.wait(lambda: connected(daemon), 'the database is back')
    assert_flows_again(daemon, pf, flowing)
    daemon.wait_settled()
    for i in range(2):
        assert interface(ovs, pf.rep(i))[1] > 0
    assert_untouched(daemon, *before)


def test_vswitchd_is_away(daemon, ovs, pf, policy, flowing):
    """Nobody takes the ports: the devices say so, and what runs goes on in
    hardware."""
    ovs.kill('ovs-vswitchd')
    daemon.wait(lambda: any('no ovs-vswitchd runs' in problem for problem
                            in daemon.json('status')['problems']), 'a problem')
    counted = in_hardware(pf.rep(0))
    policy('num-vfs=2 vdpa-type=vhost', name='other', selector='0001:08:00.1')
    daemon.wait(lambda: len(daemon.states()) == 4 and any(
        'ovs-vswitchd has not taken' in (d['reason'] or '')
        for d in daemon.json('device/list')), 'the reason')
    ready = [n for n, s in daemon.states().items() if s == 'ready']
    assert sorted(ready) == sorted('vdpa:' + pf.vf(i) for i in range(2))
    figures = flowing.mark()
    assert figures['sent'] > 20 and figures['lost'] == 0, figures
    assert in_hardware(pf.rep(0)) > counted
    ovs.start()
    daemon.wait_ready(4)
    remove_id(ovs, 'vdpa-policy-other')
    daemon.wait(lambda: len(vdpa_dev()) == 2, 'the others are gone')
    daemon.wait_settled()
    assert_flows_again(daemon, pf, flowing)


def test_second_daemon(daemon, ovs, flowing):
    """It refuses, and says why; also without a pidfile that would betray the
    first one."""
    for words in ([], ['--pidfile=%s/second.pid' % ovs.dir,
                       '--unixctl=%s/second.ctl' % ovs.dir]):
        second = subprocess.run(
            [str(BUILD / 'ovs-vdpad'), *words], env=ovs.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
            check=False)
        assert second.returncode == 1, second.stdout
        assert ('another ovs-vdpad is at work' in second.stdout
                or 'already running as pid %d' % daemon.process.pid
                in second.stdout), second.stdout
    daemon.wait_ready(2)
    figures = flowing.mark()
    assert figures['lost'] == 0, figures

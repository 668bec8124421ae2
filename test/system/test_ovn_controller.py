# SPDX-License-Identifier: Apache-2.0
# level: full
"""ovn-controller is restarted around the daemon, while traffic runs."""

import os
import signal

import pytest

from conftest import interface, link, set_id, vdpa_dev
from traffic import traffic_in_hardware, wait_in_hardware
from twinlib import run, wait_for

CTL = '/usr/share/ovn/scripts/ovn-ctl'
MAC = '02:00:00:4f:00:%02x'


class Ovn:
    """OVN's databases, ovn-northd and ovn-controller, all on this host."""

    def __init__(self, ovs):
        self.ovs = ovs
        self.env = dict(ovs.env, OVN_RUNDIR=str(ovs.dir),
                        OVN_DBDIR=str(ovs.dir), OVN_LOGDIR=str(ovs.dir))
        self.ctl('start_northd')
        for key, value in (
                ('system-id', 'here'), ('ovn-encap-type', 'geneve'),
                ('ovn-encap-ip', '127.0.0.1'),
                ('ovn-remote', 'unix:%s/ovnsb_db.sock' % ovs.dir)):
            set_id(ovs, key, value)
        self.ctl('start_controller')

    def ctl(self, word):
        run(CTL, word, env=self.env, timeout=300)

    def nbctl(self, *words):
        return run('ovn-nbctl', *words, env=self.env)

    def pid(self):
        return int((self.ovs.dir / 'ovn-controller.pid').read_text())

    def kill(self):
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not os.path.exists('/proc/%d' % pid), 'its end')

    def stop(self):
        self.ctl('stop_controller')
        self.ctl('stop_northd')


@pytest.fixture
def ovn(daemon, ovs):
    ovn = Ovn(ovs)
    yield ovn
    ovn.stop()


@pytest.fixture
def flowing(daemon, ovs, pf, policy, ovn):
    """Two containers on a logical switch, their traffic in hardware."""
    set_id(ovs, 'vdpa-attach', 'declared')
    policy('num-vfs=2 vdpa-type=virtio')
    daemon.wait_ready(2)
    ovn.nbctl('ls-add', 'ls')
    for i in range(2):
        ovn.nbctl('lsp-add', 'ls', 'lsp%d' % i, '--', 'lsp-set-addresses',
                  'lsp%d' % i, '%s 192.0.2.%d' % (MAC % i, i + 1))
        set_id(ovs, 'vdpa-port-lsp%d' % i,
               'device=vdpa:%s mac=%s' % (pf.vf(i), MAC % i))
    for i in range(2):
        daemon.wait(lambda n=i: [p for p in daemon.json('port/list')
                                 if p['iface_id'] == 'lsp%d' % n
                                 and p['port']], 'port of lsp%d' % i)
    daemon.wait_ready(2)
    for i in range(2):
        wait_for(lambda n=i: ovn.nbctl('get', 'Logical_Switch_Port',
                                       'lsp%d' % n, 'up').strip() == 'true',
                 'lsp%d is up' % i, 120)
    with traffic_in_hardware(daemon, pf) as traffic:
        yield traffic


def ports_of_ovn(ovs, pf):
    """What neither it nor we may change by a restart."""
    shown = []
    for i in range(2):
        ids, ofport = interface(ovs, pf.rep(i))
        kept = {k: v for k, v in ids.items()
                if k.startswith(('iface-', 'vdpa-', 'attached-'))
                and k != 'vdpa-offload'}
        shown.append((link(pf.rep(i))['ifindex'], ofport, kept))
    return shown


def test_ovn_controller(daemon, ovs, pf, ovn, flowing):
    """Killed and started, and as the distribution restarts it."""
    before = vdpa_dev(), ports_of_ovn(ovs, pf)
    last = daemon.json('event/list', '-n', '1')[0]['serial']
    first = ovn.pid()
    ovn.kill()
    figures = flowing.mark()
    assert figures['sent'] > 20 and figures['lost'] == 0, figures
    ovn.ctl('start_controller')
    flowing.wait_flow()
    wait_in_hardware(pf.rep(0))
    second = ovn.pid()
    ovn.ctl('restart_controller')
    flowing.wait_flow()
    wait_in_hardware(pf.rep(0))
    assert len({first, second, ovn.pid()}) == 3
    daemon.wait_ready(2)
    daemon.wait_settled()
    assert (vdpa_dev(), ports_of_ovn(ovs, pf)) == before
    assert not [e for e in daemon.json('event/list', '-n', '100')
                if e['what'] == 'step' and e['serial'] > last]

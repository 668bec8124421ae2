# SPDX-License-Identifier: Apache-2.0
# level: full
# twin: --systemd --prepare $VDPAD_SRC/test/system/install
"""Beside systemd-networkd, NetworkManager and udev, each as Debian has it: they
leave representors to Open vSwitch, because of the files that come with us."""

import contextlib
import json
import pathlib
import shutil
import subprocess

import pytest

from conftest import interface, vdpa_dev
from service import Service, systemctl
from twinlib import Pf, run, wait_for

LIMIT = 180
N = 2
NETWORK = pathlib.Path('/etc/systemd/network')
RULES = pathlib.Path('/etc/udev/rules.d')
ADDRESS = '198.51.100.9'

# An administrator who wants all of the host's network devices configured.
EVERYTHING = """
[Match]
Type=ether
[Network]
DHCP=no
LinkLocalAddressing=no
Address=%s/24
""" % ADDRESS

# Names as os-net-config and the SR-IOV operator have udev give them.
NAMES = ''.join(
    'SUBSYSTEM=="net", ACTION=="add", ATTR{phys_switch_id}!="", '
    'ATTR{phys_port_name}=="pf1vf%d", NAME="os1_%d"\n' % (i, i)
    for i in range(N))


@pytest.fixture(scope='module')
def daemon():
    daemon = Service()
    daemon.wait_up()
    yield daemon
    daemon.assert_no_reports()


@pytest.fixture(scope='module')
def pf():
    return Pf(0)


def set_policy(daemon, pf, name):
    daemon.ovs.vsctl(
        '--no-wait', 'set', 'Open_vSwitch', '.', 'external_ids:vdpa-policy-%s'
        '=pf=%s num-vfs=%d vdpa-type=vhost' % (name, pf.bdf, N))


def reps(daemon, pf):
    """The representors of a PF's devices, by the daemon."""
    return [daemon.device('vdpa:' + pf.vf(i))['representor']
            for i in range(N)]


def uplink(daemon, pf):
    return next(p['uplink'] for p in daemon.json('pf/list')
                if p['pf'] == pf.bdf)


def is_marked(netdev):
    return 'VDPAD_REPRESENTOR=1' in run(
        'udevadm', 'info', '-q', 'property', '/sys/class/net/' + netdev,
        check=False)


@pytest.fixture(scope='module')
def ready(daemon, pf):
    """Devices that are ready, and udev done with their representors."""
    set_policy(daemon, pf, 'vms')
    daemon.wait_ready(N)
    wait_for(lambda: all(is_marked(rep) for rep in reps(daemon, pf)),
             "udev's marks", LIMIT)
    daemon.wait(lambda: ports(daemon) == set(reps(daemon, pf)), 'the ports')
    return reps(daemon, pf)


def ports(daemon):
    return set(daemon.ovs.vsctl('list-ports', 'br-int').split())


def state(daemon, netdevs):
    """What others could have changed of representors and devices."""
    def flags(shown):
        return sorted(set(shown['flags']) - {'NO-CARRIER', 'LOWER_UP'})

    links = [json.loads(run('ip', '-j', 'addr', 'show', 'dev', n))[0]
             for n in netdevs]
    return ([(n['ifname'], n['mtu'], n['address'], n.get('master'), flags(n),
              [a['local'] for a in n['addr_info'] if a['family'] == 'inet'])
             for n in links], daemon.states(), vdpa_dev(),
            [interface(daemon.ovs, n)[0].get('vdpa-device') for n in netdevs])


@contextlib.contextmanager
def running(unit):
    systemctl('start', unit)
    try:
        yield
    finally:
        systemctl('stop', unit)


@contextlib.contextmanager
def shadowed(path, apply):
    """Without one of our files, as an administrator takes it away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to('/dev/null')
    try:
        apply()
        yield
    finally:
        path.unlink()
        apply()


def networkd(netdev):
    """The set-up state that systemd-networkd has of a netdev."""
    for line in run('networkctl', '--no-legend', '--no-pager',
                    'list').splitlines():
        words = line.split()
        if words[1] == netdev:
            return words[4]
    return None


def has_address(netdev):
    return ADDRESS in run('ip', '-4', 'addr', 'show', 'dev', netdev)


def test_networkd(daemon, pf, ready):
    before = state(daemon, ready)
    NETWORK.mkdir(parents=True, exist_ok=True)
    (NETWORK / '50-everything.network').write_text(EVERYTHING)
    with running('systemd-networkd.service'):
        # It does its work.
        wait_for(lambda: has_address(uplink(daemon, pf)), 'the uplink', LIMIT)
        for rep in ready:
            wait_for(lambda r=rep: networkd(r) == 'unmanaged',
                     'unmanaged ' + rep, LIMIT)
        assert state(daemon, ready) == before

        # Without our file it would have them, too.
        with shadowed(NETWORK / '10-ovs-vdpad-representor.network',
                      lambda: run('networkctl', 'reload')):
            wait_for(lambda: networkd(ready[0]) not in ('unmanaged',
                                                        'pending', None),
                     'networkd takes a representor', LIMIT)
            wait_for(lambda: has_address(ready[0]), 'its address', LIMIT)
        for rep in ready:
            wait_for(lambda r=rep: networkd(r) == 'unmanaged',
                     'unmanaged ' + rep, LIMIT)
            run('ip', '-4', 'addr', 'flush', 'dev', rep)
    (NETWORK / '50-everything.network').unlink()
    run('ip', '-4', 'addr', 'flush', 'dev', uplink(daemon, pf))
    daemon.appctl('reconcile')
    daemon.wait_ready(N)
    assert state(daemon, ready) == before


def nm(netdev):
    """The state that NetworkManager has of a netdev."""
    for line in run('nmcli', '-t', '-f', 'DEVICE,STATE', 'device',
                    check=False).splitlines():
        name, _, word = line.rpartition(':')
        if name == netdev:
            return word
    return None


def reread_rules(netdevs):
    run('udevadm', 'control', '--reload')
    for netdev in netdevs:
        run('udevadm', 'trigger', '--action=change',
            '/sys/class/net/' + netdev)
    run('udevadm', 'settle', timeout=LIMIT)


@pytest.fixture
def free(daemon):
    """A representor that is in no bridge."""
    pf = Pf(1)
    daemon.ovs.vsctl(
        '--no-wait', 'set', 'Open_vSwitch', '.', 'external_ids:vdpa-policy-'
        'free=pf=%s num-vfs=1 vdpa-type=none eswitch-mode=switchdev' % pf.bdf)
    wait_for(lambda: is_marked(pf.rep(0)), "udev's mark", LIMIT)
    daemon.wait_settled()
    yield pf.rep(0)
    daemon.ovs.vsctl('--no-wait', 'remove', 'Open_vSwitch', '.',
                     'external_ids', 'vdpa-policy-free')
    daemon.wait(lambda: pf.numvfs() == 0, 'no VFs')


def test_network_manager(daemon, pf, ready, free):
    before = state(daemon, ready)
    with running('NetworkManager.service'):
        wait_for(lambda: nm(uplink(daemon, pf)) not in (None, 'unmanaged'),
                 'the uplink', LIMIT)
        for rep in [*ready, free]:
            wait_for(lambda r=rep: nm(r) == 'unmanaged', 'unmanaged ' + rep,
                     LIMIT)
        assert state(daemon, ready) == before

    # Without our rule it would have them, too.
    with shadowed(RULES / '72-ovs-vdpad.rules',
                  lambda: reread_rules([*ready, free])):
        assert not is_marked(free)
        with running('NetworkManager.service'):
            wait_for(lambda: nm(free) not in (None, 'unmanaged'),
                     'NetworkManager takes a representor', LIMIT)
    # What it has had once it keeps, until it is told or the host boots.
    with running('NetworkManager.service'):
        wait_for(lambda: nm(free) not in (None, 'unmanaged'), 'it is kept',
                 LIMIT)
        run('nmcli', 'device', 'set', free, 'managed', 'no')
        wait_for(lambda: nm(free) == 'unmanaged', 'it has been told', LIMIT)
    shutil.rmtree('/run/NetworkManager/devices')
    with running('NetworkManager.service'):
        for rep in [*ready, free]:
            wait_for(lambda r=rep: nm(r) == 'unmanaged', 'unmanaged ' + rep,
                     LIMIT)
    daemon.appctl('reconcile')
    daemon.wait(lambda: {n: s for n, s in daemon.states().items()
                         if n in before[1]} == before[1], 'all is as before')
    assert state(daemon, ready)[2:] == before[2:]


def test_why_sees_programs_of_guests(daemon, ready):
    """Also with what the unit leaves the daemon: a process that has libvirt's
    library, what is installed, and what libvirt has noted."""
    def seen(check):
        return next(r['seen'] for r in daemon.json('why')
                    if r['check'] == check)

    library = pathlib.Path('/usr/lib/x86_64-linux-gnu/libvirt.so.0').resolve()
    release, micro = map(int, library.name.split('.')[3:])
    version = '%d.%d.%d' % (release // 1000, release % 1000, micro)
    wait_for(lambda: seen('libvirt') == 'it is %s (%s)' % (version, library),
             'the library', LIMIT)

    pathlib.Path('/run/test').mkdir()
    shutil.copy('/usr/bin/sleep', '/run/test/libvirtd')
    with subprocess.Popen(['/run/test/libvirtd', 'infinity'],
                          env={'LD_PRELOAD': str(library)}) as process:
        try:
            wait_for(lambda: seen('libvirt') == 'it is %s (libvirtd, pid %d)'
                     % (version, process.pid), 'a process', LIMIT)
        finally:
            process.kill()

    noted = pathlib.Path('/var/cache/libvirt/qemu/capabilities')
    noted.mkdir(parents=True, exist_ok=True)
    (noted / 'test.xml').write_text(
        '<qemuCaps>\n<emulator>/usr/bin/qemu-test</emulator>\n'
        '<version>7002022</version>\n</qemuCaps>\n')
    wait_for(lambda: seen('qemu') == '/usr/bin/qemu-test is 7.2.22, as '
             'libvirt has noted', 'an emulator', LIMIT)


def test_names_given_by_udev(daemon):
    """Rules of os-net-config and the like name representors as they appear:
    the ports have those names in the end, also after an e-switch that went
    away and came back."""
    pf = Pf(1)
    names = {'os1_%d' % i for i in range(N)}
    path = RULES / '80-persistent-os-net-config.rules'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NAMES)
    run('udevadm', 'control', '--reload')
    try:
        set_policy(daemon, pf, 'second')
        for _ in range(2):
            daemon.wait(lambda: names <= ports(daemon), 'ports of these names')
            daemon.wait_ready(2 * N)
            assert set(reps(daemon, pf)) == names
            assert not any(p.startswith('pf1vf') for p in ports(daemon))
            assert all(is_marked(name) for name in names)
            pf.numvfs(0)
            daemon.wait(lambda: pf.numvfs() == N, 'the VFs again')
        daemon.wait(lambda: names <= ports(daemon), 'ports of these names')
    finally:
        path.unlink()
        run('udevadm', 'control', '--reload')

# SPDX-License-Identifier: Apache-2.0
# level: full
# twin: --systemd --prepare $VDPAD_SRC/test/system/install
"""What the unit grants suffices for the whole job, and nothing of it can be
missing: for every capability, and for every protection that the unit does not
have, what fails without the one or with the other."""

import grp
import os
import pathlib
import pwd
import subprocess

import pytest

from conftest import LIMIT, vdpa_dev
from service import UNIT, Service, show, systemctl
from twinlib import CommandError, Pf, run, wait_for

RUNDIR = pathlib.Path('/run/openvswitch')
NOBODY = pwd.getpwnam('nobody').pw_uid
GROUP = 'openvswitch'

CAPABILITIES = {'cap_net_admin', 'cap_sys_module', 'cap_sys_ptrace',
                'cap_dac_override', 'cap_chown'}
WRITABLE = {'/run/openvswitch', '/var/log/openvswitch', '/tmp', '/var/tmp',
            '/sys/bus', '/sys/devices', '/proc', '/dev/pts', '/dev/shm',
            '/dev/mqueue', '/dev/hugepages',
            '/run/asan'}    # See test/system/install.

# Where devlink refuses to answer.
UNSEEN = ('waiting', 'eswitch cannot be observed: devlink eswitch of '
          'pci/0001:08:00.0: Operation not permitted')


class Holder:
    """Holds a char device as a VM does, under another user's name: it was
    opened by libvirt, say, and handed over."""

    def __init__(self, chardev):
        fd = os.open(chardev, os.O_RDWR)
        self.process = subprocess.Popen(
            ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup',
             '--clear-groups', 'cat'], stdin=subprocess.PIPE, pass_fds=[fd])
        os.close(fd)
        self.pid = self.process.pid
        wait_for(lambda: os.stat('/proc/%d' % self.pid).st_uid == NOBODY,
                 'the holder')

    def leave(self):
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture(scope='module')
def pf():
    return Pf(0)


@pytest.fixture(scope='module')
def service():
    service = Service()
    service.wait_up()
    yield service
    service.assert_no_reports()


@pytest.fixture
def daemon(service, pf):
    """The daemon on a bare card, with the unit as it comes."""
    yield service
    service.ovs.vsctl('--no-wait', 'remove', 'Open_vSwitch', '.',
                      'external_ids', 'vdpa-policy-test', 'vdpa-suspended')
    service.drop_in('')
    service.wait(lambda: vdpa_dev() == {} and pf.numvfs() == 0
                 and pf.mode() == 'legacy', 'a bare card')
    service.wait_settled()


@pytest.fixture
def group():
    run('groupadd', '--system', GROUP)
    yield grp.getgrnam(GROUP).gr_gid
    run('groupdel', GROUP)


def configure(daemon, pf):
    daemon.ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
                     'external_ids:vdpa-policy-test=pf=%s num-vfs=2 '
                     'vdpa-type=vhost' % pf.bdf)


def without(daemon, capability):
    daemon.drop_in('CapabilityBoundingSet=~' + capability.upper())


def unload():
    run('modprobe -r vhost_vdpa virtio_vdpa')


def is_loaded(module):
    return pathlib.Path('/sys/module', module).exists()


def socket():
    return RUNDIR / ('ovs-vdpad.%s.ctl' % show(UNIT, 'MainPID'))


def can_use_socket(*setpriv):
    return not subprocess.run(
        ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', *setpriv, '--',
         'ovs-appctl', '-t', str(socket()), 'version'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        check=False).returncode


def wait_complaint(daemon, state, reason):
    """Until the PF or a device is in that state for that reason, and is again
    when all that is due has been tried once more."""
    def told():
        rows = daemon.json('device/list') + daemon.json('pf/list')
        return any(r['state'] == state and reason in (r['reason'] or '')
                   for r in rows)
    for _ in range(2):
        daemon.wait(told, '%s: %s' % (state, reason))
        daemon.replan()
    assert told(), daemon.appctl('status')


def test_set_is_what_is_tested_here(service):
    granted = set(show(UNIT, 'CapabilityBoundingSet').split())
    assert granted == CAPABILITIES
    status = pathlib.Path('/proc/%d/status' % service.pid()).read_text()
    effective = [line for line in status.splitlines()
                 if line.startswith('CapEff')][0].split()[1]
    assert bin(int(effective, 16)).count('1') == len(CAPABILITIES)


def test_whole_job(daemon, pf):
    """Modules, VFs, e-switch, devices, ports, holders, and back, with the
    unit as it comes."""
    unload()
    configure(daemon, pf)
    daemon.wait_ready(2)
    assert is_loaded('vhost_vdpa')
    name = 'vdpa:' + pf.vf(0)
    holder = Holder(daemon.device(name)['chardev'])
    try:
        daemon.wait(lambda: [u['pid'] for u in daemon.device(name)[
            'in_use_by']] == [holder.pid], 'the holder seen')
        daemon.appctl('teardown', 'test')
        daemon.wait(lambda: list(vdpa_dev()) == [name], 'the other is gone')
    finally:
        holder.leave()
    daemon.wait(lambda: vdpa_dev() == {}, 'no device')
    daemon.wait(lambda: pf.numvfs() == 0 and pf.mode() == 'legacy',
                'a bare card')


def test_net_admin(daemon, pf):
    without(daemon, 'cap_net_admin')
    configure(daemon, pf)
    wait_complaint(daemon, *UNSEEN)
    assert vdpa_dev() == {} and pf.mode() == 'legacy'


def test_sys_module(daemon, pf):
    unload()
    without(daemon, 'cap_sys_module')
    configure(daemon, pf)
    wait_complaint(daemon, 'failed',
                   'load module vhost_vdpa: Operation not permitted')
    # All is done that comes before.
    assert pf.numvfs() == 2 and pf.mode() == 'switchdev'
    assert not is_loaded('vhost_vdpa') and vdpa_dev() == {}


def test_sys_ptrace(daemon, pf):
    """Nobody knows who holds the devices, so that none may be deleted."""
    configure(daemon, pf)
    daemon.wait_ready(2)
    without(daemon, 'cap_sys_ptrace')
    daemon.wait_up()
    holder = Holder(daemon.device('vdpa:' + pf.vf(0))['chardev'])
    try:
        daemon.wait(lambda: 'CAP_SYS_PTRACE' in daemon.appctl('status'),
                    'that it cannot see them')
        text = daemon.appctl('teardown', 'test')
        assert text.count('kept until one can see who uses it') == 2
        wait_complaint(daemon, 'waiting',
                       'to be removed, but holder cannot be observed')
        assert len(vdpa_dev()) == 2
    finally:
        holder.leave()


def test_dac_override(daemon):
    """Open vSwitch runs as another user (Fedora, --ovs-user): his directory
    and his socket can be used, and stay his."""
    paths = [RUNDIR, RUNDIR / 'db.sock']
    try:
        for path in paths:
            os.chown(path, NOBODY, -1)
        systemctl('restart', UNIT)
        daemon.wait_up()
        assert daemon.json('status')['database']['connected']
        assert {p.stat().st_uid for p in paths} == {NOBODY}
        daemon.drop_in('CapabilityBoundingSet=~CAP_DAC_OVERRIDE\nRestart=no',
                       wait=False)
        wait_for(lambda: show(UNIT, 'ActiveState') == 'failed', 'its end')
    finally:
        for path in paths:
            os.chown(path, 0, -1)


def test_socket_is_roots_alone(daemon):
    assert socket().stat().st_mode & 0o7777 == 0o600
    assert socket().stat().st_uid == socket().stat().st_gid == 0
    assert not can_use_socket('--clear-groups')


def test_socket_of_the_group(daemon, group):
    systemctl('restart', UNIT)
    assert socket().stat().st_mode & 0o7777 == 0o660
    assert socket().stat().st_gid == group
    assert can_use_socket('--groups', str(group))
    assert not can_use_socket('--clear-groups')


def test_chown(daemon, group):
    without(daemon, 'cap_chown')
    assert socket().stat().st_mode & 0o7777 == 0o600
    assert not can_use_socket('--groups', str(group))
    assert 'CAP_CHOWN' in daemon.log()


def test_files(daemon, pf):
    """Who may read and write what it leaves in the run directory."""
    configure(daemon, pf)
    daemon.wait_ready(2)
    modes = {p.name: p.stat().st_mode & 0o7777 for p in RUNDIR.iterdir()
             if p.name.startswith('ovs-vdpad')}
    assert modes.pop(socket().name) == 0o600
    assert modes == {'ovs-vdpad.pid': 0o644, 'ovs-vdpad.record': 0o600,
                     'ovs-vdpad.record.lock': 0o600}


def mounts(pid):
    """Options by mount point, in the mount namespace of a process; of several
    mounts on one point the last counts."""
    lines = pathlib.Path('/proc/%d/mountinfo' % pid).read_text().splitlines()
    return {line.split()[4]: line.split()[5].split(',') for line in lines}


def options(points, path):
    """Those of the mount that 'path' is on."""
    while str(path) not in points:
        path = pathlib.PurePath(path).parent
    return points[str(path)]


def test_files_that_it_can_write(service):
    """Of the kernel those of devices and drivers alone, of the host its run
    and log directories; and it can start nothing but itself."""
    points = mounts(service.pid())
    for path in ('/etc', '/usr', '/var/lib', '/sys/kernel', '/sys/module',
                 '/proc/sys/kernel', '/proc/sysrq-trigger'):
        assert 'ro' in options(points, path), path
    for path in ('/bin/sh', '/usr/bin/sh', '/tmp', '/var/tmp', '/dev/shm',
                 RUNDIR):
        assert 'noexec' in options(points, path), path
    # All that is mounted writable: the directories of its own, /proc without
    # what is protected in it, and what PrivateDevices= puts below /dev.
    assert {p for p, words in points.items() if 'rw' in words} <= WRITABLE
    for path in ('/sys/bus/pci', '/sys/devices', RUNDIR):
        assert 'rw' in options(points, path), path


@pytest.mark.parametrize('setting, state, reason', [
    ('ReadWritePaths=\nReadWritePaths=/run/openvswitch', 'failed',
     'sriov_drivers_autoprobe: Read-only file system'),
    ('PrivateNetwork=yes', 'blocked', 'offers no e-switch'),
    ('PrivateUsers=yes', *UNSEEN),
    ('ProtectKernelModules=yes', 'blocked',
     'this kernel has no module vhost_vdpa'),
])
def test_protection_too_far(daemon, pf, setting, state, reason):
    """What the unit does not have, and why."""
    unload()
    daemon.drop_in(setting)
    daemon.wait_up()
    configure(daemon, pf)
    wait_complaint(daemon, state, reason)
    assert vdpa_dev() == {}


def test_internet_sockets(daemon):
    """RestrictAddressFamilies= leaves the way to a database over TCP; what
    docs/security.md has a drop-in say takes it."""
    daemon.ovs.appctl('-t', 'ovsdb-server', 'ovsdb-server/add-remote',
                      'ptcp:6640:127.0.0.1')
    remote = 'Environment="OVS_VDPAD_OPTS=tcp:127.0.0.1:6640"\n'
    daemon.drop_in(remote)
    daemon.wait_up()
    database = daemon.json('status')['database']
    assert database == dict(database, remote='tcp:127.0.0.1:6640',
                            connected=True)

    # Without its database the start does not end.
    daemon.drop_in(remote + 'RestrictAddressFamilies=~AF_INET AF_INET6',
                   wait=False)

    def refused():
        try:
            problems = daemon.json('status')['problems']
        except CommandError:
            return False
        return any('Address family not supported' in p for p in problems)
    wait_for(refused, 'no internet sockets', LIMIT)

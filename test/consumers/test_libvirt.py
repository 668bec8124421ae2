# SPDX-License-Identifier: Apache-2.0
"""libvirt, with udev and D-Bus as on a host: it sees our devices as node
devices of their VFs, and takes the element that export/libvirt prints."""

import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

from conftest import check, driver
from twinlib import CommandError, VDPA, run, wait_for, write

LIMIT = 300
DOMAIN = """
<domain type='qemu'>
  <name>guest</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <cpu mode='custom' match='exact'><model>qemu64</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <memballoon model='none'/>
    %s
  </devices>
</domain>
"""


def virsh(*words, **kwargs):
    return run('virsh', '-c', 'qemu:///system', *words, timeout=LIMIT,
               **kwargs)


@pytest.fixture(scope='session', autouse=True)
def libvirtd():
    for name in ('/run/dbus', '/run/udev', '/run/libvirt', '/run/lock',
                 '/var/log/libvirt/qemu', '/var/lib/libvirt/qemu',
                 '/var/cache/libvirt'):
        os.makedirs(name, exist_ok=True)
    # Its user comes with a package that would start it on the host; the name
    # has to be there even if it is not used.
    for name, line in (('passwd', 'libvirt-qemu:x:64055:64055::/:/bin/false'),
                       ('group', 'libvirt-qemu:x:64055:')):
        with open('/etc/' + name, 'a+', encoding='utf-8') as f:
            f.seek(0)
            if 'libvirt-qemu:' not in f.read():
                f.write(line + '\n')
    conf = pathlib.Path('/etc/libvirt/qemu.conf')
    conf.parent.mkdir(exist_ok=True)
    conf.write_text('user = "root"\ngroup = "root"\n'
                    'stdio_handler = "file"\n', encoding='ascii')
    rules = pathlib.Path(os.environ['VDPAD_SRC'], 'scripts/udev')
    os.makedirs('/run/udev/rules.d', exist_ok=True)
    for file in rules.glob('*.rules'):
        pathlib.Path('/run/udev/rules.d', file.name).write_text(
            file.read_text(encoding='utf-8'), encoding='utf-8')
    run('/lib/systemd/systemd-udevd --daemon')
    run('dbus-daemon --system --fork')
    run('udevadm trigger --action=add -s pci -s vdpa -s net')
    run('udevadm settle', timeout=LIMIT)
    run('libvirtd --daemon', env=dict(
        os.environ, LIBVIRT_LOG_OUTPUTS='3:file:/run/libvirtd.log'))

    said = []

    def answers():
        try:
            return virsh('nodedev-list', '--cap', 'pci')
        except CommandError as e:
            said[:] = [str(e)]
            return None
    try:
        wait_for(answers, 'an answer of libvirtd', LIMIT)
    except AssertionError as e:
        log = pathlib.Path('/run/libvirtd.log')
        raise AssertionError('%s: %s%s' % (
            e, said, log.exists() and log.read_text())) from None


def node_device(name):
    """The XML of a vDPA device's node device, None if there is none."""
    for node in virsh('nodedev-list', '--cap', 'vdpa').split():
        try:
            tree = ET.fromstring(virsh('nodedev-dumpxml', node))
        except CommandError:
            continue       # Gone meanwhile.
        if os.path.basename(tree.findtext('path')) == name:
            return tree
    return None


def chardev(name):
    tree = node_device(name)
    return tree is not None and tree.findtext("capability[@type='vdpa']/"
                                              "chardev")


def pci_node(bdf):
    return 'pci_' + bdf.replace(':', '_').replace('.', '_')


@pytest.fixture
def one(daemon, policy, pf):
    # So that a new device goes to the other driver first: bound late.
    run('modprobe virtio_vdpa')
    policy('num-vfs=1 vdpa-type=vhost mac=02:00:00:00:01:00')
    daemon.wait(lambda: list(daemon.states().values()) == ['ready'],
                'a ready device', LIMIT)
    return 'vdpa:' + pf.vf(0)


def properties(netdev):
    shown = run('udevadm', 'info', '--query=property',
                '/sys/class/net/' + netdev)
    return dict(line.split('=', 1) for line in shown.splitlines())


def test_representors_are_unmanaged(daemon, one):
    """And followed, since udev renames them behind the daemon's back."""
    def settled():
        rep = daemon.device(one)['representor']
        try:
            shown = properties(rep) if rep else {}
        except CommandError:
            return None        # Renamed meanwhile.
        return shown if shown.get('USEC_INITIALIZED') else None

    run('udevadm settle', timeout=LIMIT)
    shown = wait_for(settled, 'the representor in udev', LIMIT)
    assert shown['NM_UNMANAGED'] == '1'
    assert shown['VDPAD_REPRESENTOR'] == '1'
    uplink = next(p for p in daemon.json('pf/list'))['uplink']
    assert 'NM_UNMANAGED' not in properties(uplink)
    daemon.wait(lambda: daemon.device(one)['port']
                == daemon.device(one)['representor'], 'its port', LIMIT)


def test_node_device(daemon, one, pf):
    path = daemon.device(one)['chardev']
    wait_for(lambda: chardev(one) == path, 'the char device in libvirt', LIMIT)
    assert node_device(one).findtext('parent') == pci_node(pf.vf(0))

    # Somebody unbinds it; the daemon binds it again, and libvirt is told.
    write(VDPA / 'drivers/vhost_vdpa/unbind', one)
    daemon.wait(lambda: driver(one) == 'vhost_vdpa'
                and daemon.states()[one] == 'ready', 'bound again', LIMIT)
    path = daemon.device(one)['chardev']
    wait_for(lambda: chardev(one) == path, 'the char device in libvirt', LIMIT)


def test_nova_finds_the_char_device(daemon, one, pf, peer):
    path = daemon.device(one)['chardev']
    wait_for(lambda: chardev(one) == path, 'the char device in libvirt', LIMIT)
    assert peer.call('vdpa_path', pf.vf(0)) == path


def version(words):
    """Of "libvirtd (libvirt) 9.0.0" and the like."""
    return next(w for w in run(words).split() if w[0].isdigit())


def test_why_knows_the_versions(daemon, one):
    """The programs are not run to find out."""
    def seen(check):
        return next((r['result'], r['seen']) for r in daemon.json('why')
                    if r['check'] == check)

    # Has libvirt look at QEMU.
    virsh('domcapabilities', '--emulatorbin', '/usr/bin/qemu-system-x86_64',
          '--virttype', 'qemu')
    assert seen('qemu') == (
        'ok', '/usr/bin/qemu-system-x86_64 is %s, as libvirt has noted'
        % version('qemu-system-x86_64 --version'))
    pid = int(run('pidof libvirtd').split()[0])
    assert seen('libvirt') == ('ok', 'it is %s (libvirtd, pid %d)' % (
        version('libvirtd --version'), pid))


def test_domain(daemon, one, pf):
    """A domain with the exported element is valid, and while it runs the
    device is in use."""
    element = daemon.appctl('export/libvirt', one)
    path = daemon.device(one)['chardev']
    file = pathlib.Path('/run/guest.xml')
    file.write_text(DOMAIN % element, encoding='ascii')
    virsh('define', '--validate', str(file))
    try:
        interface = ET.fromstring(virsh('dumpxml', 'guest')).find(
            'devices/interface')
        assert interface.get('type') == 'vdpa'
        assert interface.find('source').get('dev') == path
        assert interface.find('mac').get('address') == daemon.device(one)[
            'mac']

        virsh('start', '--paused', 'guest')
        pid = int(pathlib.Path('/run/libvirt/qemu/guest.pid').read_text())
        daemon.wait(lambda: [u['pid'] for u in
                             daemon.device(one)['in_use_by']] == [pid],
                    'the holder is seen', LIMIT)
        row = check(daemon, 'guest-mac', one)
        assert row['result'] == 'ok', row
        text = daemon.refused('teardown', 'test')
        assert 'in use by pid %d' % pid in text
        assert subprocess.run(['kill', '-0', str(pid)], check=False
                              ).returncode == 0
        virsh('destroy', 'guest')
    finally:
        virsh('destroy', 'guest', check=False)
        virsh('undefine', 'guest')
    daemon.wait(lambda: daemon.device(one)['in_use_by'] == [],
                'nobody holds it', LIMIT)

    # Without <mac> libvirt makes one up.
    file.write_text(DOMAIN % re.sub(r'<mac .*/>', '', element),
                    encoding='ascii')
    virsh('define', str(file))
    try:
        mac = ET.fromstring(virsh('dumpxml', 'guest')).find(
            'devices/interface/mac').get('address')
        assert mac != daemon.device(one)['mac']
        virsh('start', '--paused', 'guest')
        daemon.wait(lambda: daemon.device(one)['in_use_by'],
                    'the holder is seen', LIMIT)
        row = check(daemon, 'guest-mac', one)
        assert row['result'] == 'fail', row
        assert mac in row['seen'] and daemon.device(one)['mac'] in row['seen']
        assert 'export/libvirt' in row['remedy']
    finally:
        virsh('destroy', 'guest', check=False)
        virsh('undefine', 'guest')
    daemon.wait(lambda: daemon.device(one)['in_use_by'] == [],
                'nobody holds it', LIMIT)
    daemon.appctl('teardown', 'test')
    daemon.wait(lambda: pf.numvfs() == 0, 'removal', LIMIT)
    wait_for(lambda: node_device(one) is None, 'libvirt forgets it', LIMIT)

# SPDX-License-Identifier: Apache-2.0
"""why: each fault is put into a host where all is well, and exactly the check
that is meant for it must fail.

One Open vSwitch, one card and one set of devices serve all cases.  The daemon
sets them up and is then started anew with --dry-run, so that it sees every
fault and mends none."""

import json
import os
import pathlib
import subprocess

import pytest

import twinlib
from conftest import Daemon, assert_no_reports
from twinlib import Namespace, VdpaDevice, run, wait_for, write

# What comes of the others in the end; how much time has passed decides too.
SYMPTOMS = ['traffic']

OWN_MAC = '02:00:00:00:e0:00'
WHY_LIMIT = 40


class Host:
    """A PF with two containers and a device for a guest."""

    def __init__(self, ovs):
        self.ovs = ovs
        self.pf = twinlib.Pf(0)
        self.other = twinlib.Pf(1)
        self.spaces = []
        self.daemon = Daemon(ovs)

    def set_up(self):
        pf, vsctl = self.pf, self.ovs.vsctl
        kernel_config('none')
        (self.ovs.dir / 'ovs-vdpad.record').unlink(missing_ok=True)
        run('ip link set %s up' % pf.wire)
        self.daemon.start()
        vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
              'external_ids:vdpa-policy-pods=pf=%s#0-1 num-vfs=3 '
              'vdpa-type=virtio mac=%s' % (pf.bdf, OWN_MAC),
              'external_ids:vdpa-policy-vms=pf=%s#2 vdpa-type=vhost' % pf.bdf)
        self.daemon.wait_ready(3)
        run('ip link set %s up' % pf.netdev)
        vsctl('add-port', 'br-int', pf.netdev)
        for i in range(2):
            self.spaces.append(Namespace(
                'w%d' % i, self.daemon.device(self.name(i))['netdev'],
                '192.0.2.%d/24' % (i + 1)))
        self.ping()
        self.daemon.stop()
        self.daemon.start('--dry-run')

    def tear_down(self):
        for space in self.spaces:
            space.delete()
        self.daemon.stop()
        assert_no_reports(self.daemon.log())
        for bridge in self.ovs.vsctl('list-br').split():
            self.ovs.vsctl('del-br', bridge)
        self.ovs.vsctl('clear', 'Open_vSwitch', '.', 'external_ids')
        for pf in (self.pf, self.other):
            pf.defaults()

    def name(self, i):
        """Of device i."""
        return 'vdpa:' + self.pf.vf(i)

    def ping(self):
        self.spaces[0].ping('192.0.2.2', count=30)

    def why(self, *words):
        return self.daemon.json('why', *words)

    def failing(self, *words):
        """What fails, as {(device, check): row}; devices by number."""
        names = {self.name(i): i for i in range(3)}
        return {(names.get(r['device'], r['device']), r['check']): r
                for r in self.why(*words)
                if r['result'] == 'fail' and r['check'] not in SYMPTOMS}

    def reattach(self, i=0, bridge='br-int'):
        """The port of device i as the daemon made it, made anew."""
        rep = self.pf.rep(i)
        mac = run('ip -n w%d -j link show eth0' % i) if i < 2 else None
        ids = ['external_ids:vdpa-owner=ovs-vdpad',
               'external_ids:vdpa-device="%s"' % self.name(i)]
        if mac:
            ids.append('external_ids:attached-mac="%s"'
                       % json.loads(mac)[0]['address'])
        # Not in one go: Open vSwitch would keep what it has of the netdev.
        self.ovs.vsctl('--if-exists', 'del-port', rep)
        self.ovs.vsctl('add-port', bridge, rep, '--', 'set', 'Port', rep,
                       ids[0], '--', 'set', 'Interface', rep, *ids)


@pytest.fixture(scope='module')
def host(session_ovs):
    host = Host(session_ovs)
    host.set_up()
    yield host
    host.tear_down()


def hold(chardev, limit='unlimited'):
    """Holds a char device, as a VM whose guest has no driver does."""
    words = ['sh', '-c', 'exec 3<>"$1"; echo; exec cat <&0', 'holder', chardev]
    words = ['prlimit', '--memlock=%s' % limit] + words
    holder = subprocess.Popen(words, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    holder.stdout.readline()
    return holder


def let_go(holder):
    holder.stdin.close()
    holder.wait()


def switch_off_offload(host, dev):
    """The driver refuses while there are rules."""
    def is_off():
        host.ovs.appctl('revalidator/purge')
        run('ethtool -K %s hw-tc-offload off' % dev, check=False)
        return 'hw-tc-offload: off' in run('ethtool -k ' + dev)
    wait_for(is_off, 'the feature is off')


class Case:
    """A fault: how it is made and undone, and the checks that must fail."""

    def __init__(self, name, make, undo, *failing, remedy=None):
        self.name, self.make, self.undo = name, make, undo
        self.failing, self.remedy = set(failing), remedy


def ip(words):
    return lambda h: run('ip ' + words.format(pf=h.pf, rep=h.pf.rep(0)))


def sh(words):
    return lambda h: run(words.format(pf=h.pf, rep=h.pf.rep(0)))


def vsctl(*words):
    return lambda h: h.ovs.vsctl(*[w.format(pf=h.pf, rep=h.pf.rep(0))
                                   for w in words])


def drive(h, i, what):
    """Binds device i to vhost_vdpa, or unbinds it."""
    if what == 'bind':
        write(twinlib.VDPA / 'devices' / h.name(i) / 'driver_override',
              'vhost_vdpa')
    write(twinlib.VDPA / 'drivers/vhost_vdpa' / what, h.name(i))


def kernel_config(without):
    """Has the kernel's configuration lack one option."""
    names = ['NET_CLS_FLOWER', 'NET_SCH_INGRESS', 'NET_ACT_MIRRED',
             'NET_ACT_VLAN', 'NET_ACT_PEDIT', 'NET_ACT_TUNNEL_KEY',
             'NET_SWITCHDEV', 'PCI_IOV']
    path = pathlib.Path('/boot/config-' + os.uname().release)
    path.write_text('#\n' + ''.join('CONFIG_%s=m\n' % n for n in names
                                    if n != without))


CAPABILITIES = pathlib.Path('/var/cache/libvirt/qemu/capabilities')
LIBRARY = pathlib.Path('/usr/lib/x86_64-linux-gnu/libvirt.so.0')


def emulator(version):
    """Has libvirt have noted a QEMU of that version, as it writes it."""
    CAPABILITIES.mkdir(parents=True, exist_ok=True)
    (CAPABILITIES / 'test.xml').write_text(
        '<qemuCaps>\n  <emulator>/usr/bin/qemu-test</emulator>\n'
        '  <version>%d</version>\n</qemuCaps>\n' % version)


def library(release):
    """Has that libvirt installed; it is not loaded by anybody."""
    LIBRARY.unlink(missing_ok=True)
    LIBRARY.symlink_to('libvirt.so.0.%d.0' % release)


def selinux(h, context=None):
    """Has the host look as if SELinux were enforcing, with that label on the
    char device; without one as it was."""
    if context:
        run('mount -t tmpfs tmpfs /sys/fs')
        os.mkdir('/sys/fs/selinux')
        pathlib.Path('/sys/fs/selinux/enforce').write_text('1')
        os.setxattr(h.daemon.device(h.name(2))['chardev'], 'security.selinux',
                    context.encode())
    else:
        run('umount /sys/fs')


def hide_module(h, name=None):
    """Has the host look as if it had no such module, neither loaded nor on
    disk; without a name as it was."""
    disk = '/lib/modules/' + os.uname().release
    if name:
        os.makedirs('/run/module', exist_ok=True)
        run('mount --bind /sys/module /run/module')
        run('mount -t tmpfs tmpfs /sys/module')
        run('mount -t tmpfs tmpfs ' + disk)
        for module in os.listdir('/run/module'):
            if module != name:
                os.symlink('/run/module/' + module, '/sys/module/' + module)
    else:
        run('umount %s /sys/module /run/module' % disk)
    h.daemon.appctl('resync')


def reattach(h):
    h.reattach()


CASES = [
    Case('hw-offload is off',
         vsctl('set', 'Open_vSwitch', '.', 'other_config:hw-offload=false'),
         vsctl('set', 'Open_vSwitch', '.', 'other_config:hw-offload=true'),
         (None, 'hw-offload'), remedy='other_config:hw-offload=true'),
    Case('ovs-vswitchd is gone', lambda h: h.ovs.kill('ovs-vswitchd'),
         lambda h: h.ovs.start(), (None, 'hw-offload-effective'),
         remedy='systemctl start openvswitch-switch'),
    Case('tc-policy is skip_hw',
         vsctl('set', 'Open_vSwitch', '.', 'other_config:tc-policy=skip_hw'),
         vsctl('remove', 'Open_vSwitch', '.', 'other_config', 'tc-policy'),
         (None, 'tc-policy'), remedy='ovs-vsctl remove'),
    Case('uplink is down', ip('link set {pf.netdev} down'),
         ip('link set {pf.netdev} up'),
         *[(i, 'uplink-up') for i in range(3)],
         remedy='ip link set dev p0 up'),
    Case('uplink has no carrier', ip('link set {pf.wire} down'),
         ip('link set {pf.wire} up'), *[(i, 'uplink-up') for i in range(3)]),
    Case('uplink without hw-tc-offload',
         sh('ethtool -K {pf.netdev} hw-tc-offload off'),
         sh('ethtool -K {pf.netdev} hw-tc-offload on'),
         *[(i, 'uplink-hw-tc-offload') for i in range(3)],
         remedy='ethtool -K p0 hw-tc-offload on'),
    Case('no vDPA device', lambda h: run('vdpa dev del ' + h.name(2)),
         lambda h: VdpaDevice(h.pf, 2).bind('vhost_vdpa'),
         (2, 'vdpa-device')),
    Case('no driver', lambda h: drive(h, 2, 'unbind'),
         lambda h: drive(h, 2, 'bind'), (2, 'vdpa-driver')),
    Case('representor is down', ip('link set {rep} down'),
         ip('link set {rep} up'), (0, 'representor-up'),
         remedy='ip link set dev pf0vf0 up'),
    Case('representor without hw-tc-offload',
         lambda h: switch_off_offload(h, h.pf.rep(0)),
         sh('ethtool -K {rep} hw-tc-offload on'),
         (0, 'representor-hw-tc-offload'),
         remedy='ethtool -K pf0vf0 hw-tc-offload on'),
    Case('representor renamed while attached',
         lambda h: (run('ip link set %s down' % h.pf.rep(0)),
                    run('ip link set %s name other0' % h.pf.rep(0)),
                    run('ip link set other0 up')),
         lambda h: (run('ip link set other0 down'),
                    run('ip link set other0 name %s' % h.pf.rep(0)),
                    run('ip link set %s up' % h.pf.rep(0)), reattach(h)),
         (0, 'port-name'), remedy='ovs-vsctl del-port pf0vf0'),
    Case('representor in another namespace', ip('link set {rep} netns w0'),
         lambda h: (run('ip -n w0 link set %s netns 1' % h.pf.rep(0)),
                    run('ip link set %s up' % h.pf.rep(0)), reattach(h)),
         (0, 'representor'), remedy='another network namespace'),
    Case('representor in no bridge', vsctl('del-port', '{rep}'), reattach,
         (0, 'bridge')),
    Case('representor in another bridge',
         lambda h: (h.ovs.vsctl('add-br', 'br-x'), h.reattach(bridge='br-x')),
         lambda h: (h.reattach(), h.ovs.vsctl('del-br', 'br-x')),
         (0, 'bridge'), remedy='ovs-vsctl del-port pf0vf0'),
    Case('port of a type that is unknown',
         vsctl('--no-wait', 'set', 'Interface', '{rep}', 'type=nonsense'),
         reattach, (0, 'ofport')),
    Case('hw-offload-priority is none',
         vsctl('set', 'Interface', '{rep}',
               'other_config:hw-offload-priority=none'),
         vsctl('remove', 'Interface', '{rep}', 'other_config',
               'hw-offload-priority'), (0, 'hw-offload-priority')),
    Case('ingress qdisc is gone', sh('tc qdisc del dev {rep} ingress'),
         reattach, (0, 'ingress-qdisc')),
    Case('clsact in place of the ingress qdisc',
         lambda h: (run('tc qdisc del dev %s ingress' % h.pf.rep(0)),
                    run('tc qdisc add dev %s clsact' % h.pf.rep(0))),
         lambda h: (run('tc qdisc del dev %s clsact' % h.pf.rep(0)),
                    reattach(h)),
         (0, 'ingress-qdisc'), remedy='tc qdisc del dev pf0vf0 clsact'),
    Case('filters of another program',
         sh('tc filter add dev {rep} ingress prio 40000 protocol ip flower '
            'ip_proto 89 action drop'),
         sh('tc filter del dev {rep} ingress prio 40000 protocol ip flower'),
         (0, 'foreign-filters'), remedy='tc filter show dev pf0vf0 ingress'),
    Case('no link in the device', lambda h: h.pf.knob('vdpa_link', 'N'),
         lambda h: h.pf.knob('vdpa_link', 'Y'),
         *[(i, 'vdpa-link') for i in range(3)], remedy='representor'),
    Case('no module for flower', lambda h: hide_module(h, 'cls_flower'),
         hide_module, (None, 'flower-modules'),
         remedy='CONFIG_NET_CLS_FLOWER'),
    Case('no module for containers', lambda h: hide_module(h, 'virtio_vdpa'),
         hide_module, *[(i, check) for i in range(2)
                        for check in ('vdpa-modules', 'state')]),
    Case('uplink in no bridge', vsctl('del-port', '{pf.netdev}'),
         vsctl('add-port', 'br-int', '{pf.netdev}'),
         *[(i, 'uplink-port') for i in range(3)], remedy='ovs-vsctl add-port'),
    Case('a bond of Open vSwitch',
         vsctl('del-port', '{pf.netdev}', '--', 'add-bond', 'br-int', 'obond',
               '{pf.netdev}', 'p1'),
         vsctl('del-port', 'obond', '--', 'add-port', 'br-int',
               '{pf.netdev}'),
         *[(i, 'uplink-port') for i in range(3)], remedy='del-port obond'),
    Case('another MTU on the uplink', ip('link set {pf.netdev} mtu 1400'),
         ip('link set {pf.netdev} mtu 1500'),
         *[(i, 'mtu') for i in range(3)],
         remedy='ip link set dev p0 mtu 1500'),
    Case('a logical port without a guest',
         lambda h: h.ovs.vsctl('set', 'Interface', h.pf.rep(2),
                               'external_ids:iface-id=vm3'),
         lambda h: h.ovs.vsctl('remove', 'Interface', h.pf.rep(2),
                               'external_ids', 'iface-id'),
         (2, 'vdpa-holder')),
    Case('kernel without flower', lambda h: kernel_config('NET_CLS_FLOWER'),
         lambda h: kernel_config('none'), (None, 'kernel-config'),
         remedy='Ubuntu'),
    Case('libvirt without vdpa', lambda h: library(6008),
         lambda h: library(9000), (None, 'libvirt'), remedy='newer libvirt'),
    Case('QEMU without vhost-vdpa', lambda h: emulator(5000001),
         lambda h: emulator(7002022), (None, 'qemu'), remedy='newer QEMU'),
    Case('a char device that SELinux keeps from guests',
         lambda h: selinux(h, 'system_u:object_r:device_t:s0'), selinux,
         (2, 'chardev-label'), remedy='restorecon -v /dev/vhost-vdpa-'),
    Case('representor with a small MTU', ip('link set {rep} mtu 1400'),
         ip('link set {rep} mtu 1500'), (0, 'mtu'),
         remedy='ip link set dev pf0vf0 mtu 1500'),
    Case('another MAC address',
         vsctl('set', 'Interface', '{rep}',
               'external_ids:attached-mac="02:00:00:00:00:99"'),
         reattach, (0, 'mac')),
]


def assert_becomes(host, failing, what, *words):
    """The set of failing checks becomes this one.  The daemon learns of some
    changes by events, and of some only when it looks."""
    seen = {}

    def is_reached():
        nonlocal seen
        seen = host.failing(*words)
        return set(seen) == failing

    try:
        wait_for(is_reached, what, WHY_LIMIT)
    except AssertionError:
        assert set(seen) == failing, '%s\n%s' % (
            json.dumps(list(seen.values()), indent=1),
            host.daemon.appctl('why'))
    return seen


def test_all_is_well(host):
    assert not host.failing(), host.daemon.appctl('why')


@pytest.mark.parametrize('case', CASES, ids=lambda c: c.name.replace(' ', '-'))
def test_fault(host, case):
    assert_becomes(host, set(), 'all is well before')
    try:
        case.make(host)
        seen = assert_becomes(host, case.failing, 'exactly the checks meant')
        for row in seen.values():
            assert row['seen'] and row['remedy']
            # Of what was made in two steps one may have been seen before.
            if case.remedy:
                wait_for(lambda: all(
                    case.remedy in r['remedy']
                    for r in host.failing().values()), case.remedy, WHY_LIMIT)
    finally:
        case.undo(host)
    assert_becomes(host, set(), 'all is well again')


def test_programs_of_guests(host):
    """What runs guests, and what could keep it from devices, is found."""
    library(9000)
    emulator(7002022)

    def becomes(check, result, text):
        """What was looked at less than a moment ago why takes as it is."""
        seen = {}

        def is_so():
            seen.update(next(r for r in host.why() if r['check'] == check))
            return seen['result'] == result and text in seen['seen']
        try:
            wait_for(is_so, check, WHY_LIMIT)
        except AssertionError:
            assert (seen['result'], seen['seen']) == (result, text)

    becomes('kernel', 'ok', 'it is ' + os.uname().release)
    becomes('libvirt', 'ok', 'it is 9.0.0 (%s.9000.0)' % LIBRARY)
    becomes('qemu', 'ok',
            '/usr/bin/qemu-test is 7.2.22, as libvirt has noted')
    context = 'system_u:object_r:vhost_device_t:s0'
    selinux(host, context)
    try:
        becomes('chardev-label', 'ok', 'SELinux is enforcing, and %s is '
                'labelled %s' % (host.daemon.device(host.name(2))['chardev'],
                                 context))
    finally:
        selinux(host)
    # Of AppArmor there is what the kernel of this machine says.
    path = pathlib.Path('/sys/module/apparmor/parameters/enabled')
    is_on = path.exists() and path.read_text() == 'Y\n'
    becomes('chardev-label', 'ok', "AppArmor is on: libvirt's profile of "
            'guests is not installed' if is_on else 'neither SELinux nor')


def test_held_without_a_driver(host):
    """Somebody holds the device, and nothing in a guest drives it."""
    holder = hold(host.daemon.device(host.name(2))['chardev'])
    try:
        assert_becomes(host, {(2, 'vdpa-negotiated')}, 'nothing negotiates')
    finally:
        let_go(holder)
    assert_becomes(host, set(), 'all is well again')


def test_holder_without_memory(host):
    """Who holds the device may not pin a guest's memory."""
    holder = hold(host.daemon.device(host.name(2))['chardev'], 8 << 20)
    try:
        seen = assert_becomes(host, {(2, 'memlock')}, 'too little')
        assert 'prlimit --pid %d' % holder.pid in str(seen.values())
    finally:
        let_go(holder)
    assert_becomes(host, set(), 'all is well again')


@pytest.fixture
def traffic(host):
    """Packets between the containers for as long as a test takes."""
    ping = subprocess.Popen(
        ['ip', 'netns', 'exec', 'w0', 'ping', '-q', '-i', '0.05',
         '192.0.2.2'], stdout=subprocess.DEVNULL)
    yield
    ping.terminate()
    ping.wait()


@pytest.fixture
def at_work(host):
    """A daemon that may offer filters to the card; it mends nothing of
    these."""
    host.daemon.stop()
    host.daemon.start()
    host.daemon.wait_ready(3)
    yield
    host.daemon.stop()
    host.daemon.start('--dry-run')


def flows_of(host, *words):
    """Checks of single flows that fail."""
    checks = ('rules', 'hw-table', 'kernel-flows')
    return {k[1]: r for k, r in host.failing(*words).items()
            if k[1] in checks}


def test_refused_rules(host, at_work, traffic):
    """The card refuses every rule; only the driver knows why."""
    name = host.name(0)
    host.pf.knob('rule_fail', '-1 95 refused by a test')
    try:
        host.ovs.appctl('revalidator/purge')
        seen = wait_for(lambda: flows_of(host, name), 'rules in software',
                        WHY_LIMIT)
        assert set(seen) == {'rules'}
        assert '--probe' in seen['rules']['remedy']
        wait_for(lambda: 'refused by a test' in str(
            flows_of(host, name, '--probe')), "the driver's words",
            WHY_LIMIT)
    finally:
        host.pf.knob('rule_fail', '0 5')
    host.ovs.appctl('revalidator/purge')
    wait_for(lambda: not flows_of(host, name), 'all in hardware', WHY_LIMIT)


def test_full_table(host, at_work, traffic):
    name = host.name(0)
    host.pf.knob('rule_limit', 1)
    try:
        host.ovs.appctl('revalidator/purge')
        wait_for(lambda: 'hw-table' in flows_of(host, name, '--probe'),
                 'the table is full', WHY_LIMIT)
    finally:
        host.pf.knob('rule_limit', 0)
    host.ovs.appctl('revalidator/purge')
    wait_for(lambda: not flows_of(host, name), 'all in hardware', WHY_LIMIT)


def test_connection_tracking(host, traffic):
    """A kernel without NET_TC_SKB_EXT cannot offload it."""
    name = host.name(0)
    host.ovs.run('ovs-ofctl', 'add-flow', 'br-int',
                 'priority=100,ip,actions=ct(table=1)')
    host.ovs.run('ovs-ofctl', 'add-flow', 'br-int', 'table=1,actions=NORMAL')
    try:
        seen = wait_for(lambda: flows_of(host, name), 'flows out of TC',
                        WHY_LIMIT)
        assert 'CONFIG_NET_TC_SKB_EXT' in str(seen)
    finally:
        host.ovs.run('ovs-ofctl', 'del-flows', 'br-int')
        host.ovs.run('ovs-ofctl', 'add-flow', 'br-int', 'actions=NORMAL')
    wait_for(lambda: not flows_of(host, name), 'all in hardware', WHY_LIMIT)


def test_legacy_mode(host):
    """A device that somebody made on a PF in legacy mode."""
    pf = host.other
    pf.numvfs(1)
    device = VdpaDevice(pf, 0)
    run('ip link set %s up' % pf.wire)
    run('ip link set %s up' % pf.netdev)
    run('ethtool -K %s hw-tc-offload on' % pf.netdev)
    host.ovs.vsctl('add-port', 'br-int', pf.netdev)
    try:
        assert_becomes(host, {(device.name, 'eswitch-mode')},
                       'the mode is what is wrong', device.name)
    finally:
        host.ovs.vsctl('del-port', pf.netdev)
        run('ip link set %s down' % pf.netdev)
        device.delete()
        pf.numvfs(0)


@pytest.fixture(scope='module')
def bonded(host):
    """The uplink in a bond that is what it should be."""
    pfs = [host.pf, host.other]
    host.other.mode('switchdev')
    run('ethtool -K p1 hw-tc-offload on')
    host.ovs.vsctl('del-port', 'p0')
    run('ip link add bond7 type bond mode active-backup miimon 50')
    # First: see quiet_port().
    host.ovs.vsctl('add-port', 'br-int', 'bond7')
    for pf in pfs:
        run('ip link set %s up' % pf.wire)
        run('ip link set %s down' % pf.netdev)
        run('ip link set %s master bond7' % pf.netdev)
    run('ip link set bond7 up')
    yield
    host.ovs.vsctl('del-port', 'bond7')
    run('ip link del bond7')
    run('ip link set p0 up')
    host.other.mode('legacy')
    host.ovs.vsctl('add-port', 'br-int', 'p0')


def remake(mode):
    def change(host):
        for name in ('p0', 'p1'):
            run('ip link set %s nomaster' % name)
        run('ip link set bond7 down')
        run('ip link set bond7 type bond mode ' + mode)
        for name in ('p0', 'p1'):
            run('ip link set %s down' % name)
            run('ip link set %s master bond7' % name)
        run('ip link set bond7 up')
    return change


def other_mode(mode):
    def change(host):
        run('ip link set p1 nomaster')
        host.other.mode(mode)
        run('ip link set p1 down')
        run('ip link set p1 master bond7')
        run('ethtool -K p1 hw-tc-offload on')
    return change


def quiet_port(host):
    """Has p1 in the bond, as the one that is not active, before Open vSwitch
    has the bond; nothing is heard of p1 since then."""
    run('ip link set p1 nomaster')
    wait_for(lambda: 'ingress' not in run('tc qdisc show dev p1'),
             'p1 is out of the block')
    host.ovs.vsctl('del-port', 'bond7')
    run('ip link set p1 down')
    run('ip link set p1 master bond7')
    status = pathlib.Path('/sys/class/net/p1/bonding_slave/mii_status')
    wait_for(lambda: status.read_text() == 'up\n', 'p1 is a working port')
    # What is answered in the second turn follows what came before the first.
    for _ in range(2):
        host.ovs.appctl('version')
    host.ovs.vsctl('add-port', 'br-int', 'bond7')


def follow(check):
    """Does what why says about the check."""
    def undo(host):
        remedies = {r['remedy'] for r in host.why()
                    if r['check'] == check and r['result'] == 'fail'}
        for remedy in remedies:
            run('sh', '-c', remedy)
    return undo


BOND_CASES = [
    Case('bond mode', remake('balance-rr'), remake('active-backup'),
         *[(i, 'bond-mode') for i in range(3)],
         remedy='type bond mode active-backup'),
    Case('hw-tc-offload of a port',
         lambda h: switch_off_offload(h, 'p1'),
         sh('ethtool -K p1 hw-tc-offload on'),
         *[(i, 'bond-hw-tc-offload') for i in range(3)],
         remedy='ethtool -K p1 hw-tc-offload on'),
    Case('a port in legacy mode', other_mode('legacy'),
         other_mode('switchdev'), *[(i, 'lag') for i in range(3)],
         remedy='devlink dev eswitch set pci/0001:08:00.1 mode switchdev'),
    Case('the uplink itself in the bridge',
         vsctl('del-port', 'bond7', '--', 'add-port', 'br-int', 'p0'),
         vsctl('del-port', 'p0', '--', 'add-port', 'br-int', 'bond7'),
         *[(i, 'uplink-port') for i in range(3)], remedy='ovs-vsctl del-port'),
    Case('a port outside of the block', quiet_port, follow('lag'),
         *[(i, 'lag') for i in range(3)],
         remedy='ip link set dev p1 nomaster && ip link set dev p1 down && '
         'ip link set dev p1 master bond7'),
]


@pytest.mark.parametrize('case', BOND_CASES,
                         ids=lambda c: c.name.replace(' ', '-'))
def test_bond(host, bonded, case):
    test_fault(host, case)

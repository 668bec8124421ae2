# SPDX-License-Identifier: Apache-2.0
"""What tests in the VM need to drive the simulated card.

Everything goes through the interfaces that an administrator has: iproute2,
devlink, vdpa, sysfs, and the card's knobs in debugfs.  Nothing here knows
ovs-vdpad.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

DOMAIN_BUS = '0001:08'
KNOBS = pathlib.Path('/sys/kernel/debug/twin')
PCI = pathlib.Path('/sys/bus/pci/devices')
VDPA = pathlib.Path('/sys/bus/vdpa')
LIMIT = 60

# What uses this clears databases and takes cards over: never on a host.  Only
# the VM has the mount that its test/twin/vm/stage2 comes from.
if (os.environ.get('TWIN') != '1' or ' /run/twin/host 9p '
        not in pathlib.Path('/proc/self/mounts').read_text()):
    raise SystemExit('only inside the VM of scripts/twin')


class CommandError(Exception):
    """A command failed; its output is the message."""

    def __init__(self, args, result):
        self.code = result.returncode
        self.stderr = result.stderr
        super().__init__('%s: exit %d: %s%s' % (
            ' '.join(args), result.returncode, result.stdout, result.stderr))


def run(*args, check=True, timeout=LIMIT, **kwargs):
    """Runs a command given as words or one string of words; its output."""
    if len(args) == 1:
        args = args[0].split()
    args = [str(a) for a in args]
    result = subprocess.run(args, stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.PIPE, timeout=timeout,
                            check=False, **kwargs)
    if check and result.returncode:
        raise CommandError(args, result)
    return result.stdout


def fails(*args, **kwargs):
    """Runs a command that has to fail; what it said on standard error."""
    try:
        run(*args, **kwargs)
    except CommandError as e:
        return e.stderr
    raise AssertionError('succeeded: %s' % ' '.join(map(str, args)))


def wait_for(condition, what, limit=LIMIT, pause=0.05):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('not within %d s: %s' % (limit, what))
        time.sleep(pause)


def wait_uptime(seconds=12):
    """See test/twin/wait-uptime."""
    def up():
        return float(open('/proc/uptime').read().split()[0]) >= seconds
    wait_for(up, 'uptime of %d s' % seconds)


def write(path, text):
    """Writes to a sysfs or debugfs file; OSError if the kernel refuses."""
    fd = os.open(str(path), os.O_WRONLY)
    try:
        os.write(fd, str(text).encode())
    finally:
        os.close(fd)


class Pf:
    """One physical function of the card."""

    def __init__(self, index):
        self.index = index
        self.bdf = '%s:00.%d' % (DOMAIN_BUS, index)
        self.dev = 'pci/' + self.bdf
        self.sysfs = PCI / self.bdf
        self.knobs = KNOBS / self.bdf
        self.netdev = 'p%d' % index
        self.wire = 'wire%d' % index

    def numvfs(self, n=None):
        if n is not None:
            write(self.sysfs / 'sriov_numvfs', n)
        return int((self.sysfs / 'sriov_numvfs').read_text())

    def mode(self, mode=None):
        if mode is not None:
            run('devlink', 'dev', 'eswitch', 'set', self.dev, 'mode', mode)
        shown = json.loads(run('devlink -j dev eswitch show ' + self.dev))
        return shown['dev'][self.dev]['mode']

    def vf(self, i):
        """Address of VF number i."""
        return os.path.basename(os.readlink(self.sysfs / ('virtfn%d' % i)))

    def rep(self, i):
        """Name of its representor."""
        return 'pf%dvf%d' % (self.index, i)

    def nic(self, i):
        """Name of the VF's own netdev."""
        return 'p%dv%d' % (self.index, i)

    def port(self, i):
        """Name of its devlink port."""
        return '%s/%d' % (self.dev, (self.index << 16) + i + 1)

    def knob(self, name, value=None):
        if value is not None:
            write(self.knobs / name, value)
        return (self.knobs / name).read_text().strip()

    def state(self):
        """The state knob's lines as (key, value)."""
        text = self.knob('state')
        return dict(line.split(' ', 1) for line in text.splitlines()
                    if not line.startswith('vf '))

    def defaults(self):
        """Puts every knob back, takes everything down."""
        for name in ('rule_fail', 'mode_fail', 'numvfs_fail', 'vf_bind_fail',
                     'function_fail', 'vdpa_add_fail'):
            self.knob(name, '0 5')
        for name in ('rule_limit', 'mode_delay_ms', 'numvfs_delay_ms',
                     'vf_bind_delay_ms', 'rep_delay_ms', 'devlink_delay_ms',
                     'vdpa_delay_ms', 'vdpa_del_block'):
            self.knob(name, 0)
        for name in ('rule_miss', 'no_vxlan', 'no_geneve'):
            self.knob(name, 'N')
        self.knob('cpu_hit', 'Y')
        self.knob('vdpa_link', 'Y')
        self.knob('rep_counts_all', 'Y')
        self.knob('mode_order', 'any')
        wait_for(lambda: self.knob('reset') == '0', 'end of the reset')
        self.numvfs(0)
        self.mode('legacy')


class VdpaDevice:
    """A vDPA device made on a VF."""

    def __init__(self, pf, vf, name=None, **attrs):
        self.pf = pf
        self.vf = pf.vf(vf)
        self.name = name or 'vdpa:' + self.vf
        words = [w for k, v in attrs.items() for w in (k, str(v))]
        run('vdpa', 'dev', 'add', 'name', self.name, 'mgmtdev',
            'pci/' + self.vf, *words)
        self.sysfs = VDPA / 'devices' / self.name

    def bind(self, driver):
        """driver: vhost_vdpa or virtio_vdpa."""
        write(self.sysfs / 'driver_override', driver)
        if (self.sysfs / 'driver').exists():
            write(self.sysfs / 'driver/unbind', self.name)
        write(VDPA / 'drivers' / driver / 'bind', self.name)

    def netdev(self):
        """Name of its netdev when bound to virtio_vdpa."""
        return wait_for(
            lambda: [p.name for p in PCI.glob(self.vf + '/virtio*/net/*')],
            'netdev of ' + self.name)[0]

    def chardev(self):
        """Path of its node when bound to vhost_vdpa."""
        names = wait_for(
            lambda: [p.name for p in self.sysfs.glob('vhost-vdpa-*')],
            'character device of ' + self.name)
        return '/dev/' + names[0]

    def delete(self):
        run('vdpa dev del ' + self.name)


class Namespace:
    """A network namespace with one of our netdevs in it, as eth0."""

    def __init__(self, name, netdev, address, mtu=None):
        self.name = name
        self.netdev = netdev
        run('ip netns add ' + name)
        run('ip link set %s netns %s name eth0' % (netdev, name))
        self.ip('addr add %s dev eth0' % address)
        if mtu:
            self.ip('link set eth0 mtu %d' % mtu)
        self.ip('link set eth0 up')

    def ip(self, words):
        return run('ip -n %s %s' % (self.name, words))

    def exec(self, *args, **kwargs):
        if len(args) == 1:
            args = args[0].split()
        return run('ip', 'netns', 'exec', self.name, *args, **kwargs)

    def ping(self, address, count=3, limit=LIMIT, size=56):
        """Waits for the first answer, then wants all of count."""
        def first():
            try:
                return self.exec('ping -c 1 -W 2 -s %d %s' % (size, address))
            except CommandError:
                return None
        wait_for(first, 'answer to ping from ' + address, limit)
        return self.exec('ping -c %d -i 0.05 -W 5 -s %d %s' % (count, size,
                                                            address))

    def delete(self):
        """Gives the netdev back, under its old name, if it still exists."""
        for words in ('down', 'netns 1 name ' + self.netdev):
            run('ip -n %s link set eth0 %s' % (self.name, words), check=False)
        run('ip netns del ' + self.name)


def filters(dev):
    """The flower filters on a netdev's ingress, as tc's JSON has them."""
    shown = json.loads(run('tc', '-s', '-j', 'filter', 'show', 'dev', dev,
                           'ingress') or '[]')
    return [f for f in shown if 'options' in f]


def hw_packets(filter_):
    """Packets that hardware has counted for one of filters()."""
    return max((a.get('stats', {}).get('hw_packets', 0)
                for a in filter_['options'].get('actions', [])), default=0)


def make_pair(pf, cleanup, **attrs):
    """Two virtio netdevs in two namespaces, behind VFs 0 and 1.  cleanup takes
    what is to be called at the end, last first."""
    pf.mode('switchdev')
    pf.numvfs(2)
    spaces = []
    for i in range(2):
        dev = VdpaDevice(pf, i, mac='02:00:00:00:00:0%d' % i, **attrs)
        cleanup(dev.delete)
        dev.bind('virtio_vdpa')
        ns = Namespace('ns%d' % i, dev.netdev(), '10.0.0.1%d/24' % i)
        cleanup(ns.delete)
        spaces.append(ns)
        run('ip link set %s up' % pf.rep(i))
        run('tc qdisc add dev %s ingress' % pf.rep(i))
    return spaces


def redirect(src, dst, *words):
    """A filter, of which words are the rest, from one netdev to another."""
    run('tc', 'filter', 'add', 'dev', src, 'ingress', *words, 'action',
        'mirred', 'egress', 'redirect', 'dev', dst)


def connect(pf):
    """Everything between VFs 0 and 1 in hardware."""
    for a, b in ((0, 1), (1, 0)):
        redirect(pf.rep(a), pf.rep(b), 'prio', '1', 'protocol', 'all',
                 'flower', 'skip_sw')


class Ovs:
    """An OVS of its own, all in tmpfs, without any help of systemd."""

    vswitchd = '/usr/lib/openvswitch-switch/ovs-vswitchd'
    schema = '/usr/share/openvswitch/vswitch.ovsschema'

    def __init__(self, rundir='/run/twin/ovs', hw_offload=True):
        self.dir = pathlib.Path(rundir)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.env = dict(os.environ, OVS_RUNDIR=rundir, OVS_LOGDIR=rundir,
                        OVS_DBDIR=rundir)
        run('modprobe openvswitch')
        self.create_db()
        self.start_db()
        self.vsctl('--no-wait', 'init')
        if hw_offload:
            self.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
                       'other_config:hw-offload=true')
        self.start()

    def create_db(self):
        """Makes an empty database file, in place of any former one."""
        (self.dir / 'conf.db').unlink(missing_ok=True)
        self.run('ovsdb-tool', 'create', self.dir / 'conf.db', self.schema)

    def start_db(self):
        self.run('ovsdb-server', self.dir / 'conf.db', '--detach',
                 '--pidfile', '--log-file', '-vconsole:off',
                 '--remote=punix:%s/db.sock' % self.dir)

    def kill(self, name, signo=signal.SIGKILL):
        """Ends ovs-vswitchd or ovsdb-server by a signal."""
        pid = int((self.dir / (name + '.pid')).read_text())
        os.kill(pid, signo)
        wait_for(lambda: not os.path.exists('/proc/%d' % pid),
                 'end of ' + name)

    def run(self, *args, **kwargs):
        return run(*args, env=self.env, **kwargs)

    def vsctl(self, *args):
        return self.run('ovs-vsctl', *args)

    def appctl(self, *args, **kwargs):
        return self.run('ovs-appctl', *args, **kwargs)

    def start(self):
        wait_uptime()
        self.run(self.vswitchd, '--detach', '--pidfile', '--log-file',
                 '-vconsole:off')

    def offloaded(self, *needles):
        """Flows in hardware whose text has all of needles."""
        flows = self.appctl('dpctl/dump-flows', '-m', 'type=offloaded')
        return [f for f in flows.splitlines()
                if 'offloaded:yes' in f and all(n in f for n in needles)]

    def stop(self):
        for name in ('ovs-vswitchd', 'ovsdb-server'):
            pidfile = self.dir / (name + '.pid')
            if not pidfile.exists():
                continue
            words = ['exit', '--cleanup'] if name == 'ovs-vswitchd' else [
                'exit']
            pid = pidfile.read_text().strip()
            self.appctl('-t', name, *words, check=False)
            wait_for(lambda p=pid: not os.path.exists('/proc/' + p),
                     'end of ' + name)

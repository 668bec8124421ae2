# SPDX-License-Identifier: Apache-2.0
"""What the programs in the two machines have in common: the cables between
them, meeting at steps by files in a folder that they share, OVN, and the
daemon.  The first argument is the machine's name, a or b; OVN's databases are
on a."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / 'system'), str(HERE.parent / 'consumers')]

from conftest import BUILD, Daemon, assert_no_reports  # noqa: E402, F401
from twinlib import (CommandError, Ovs, Pf, filters,  # noqa: E402
                     hw_packets, run, wait_for)

MEET = pathlib.Path('/run/meet')
LIMIT = 240
SIDE = sys.argv[1]
OTHER = 'b' if SIDE == 'a' else 'a'
NUMBER = {'a': 1, 'b': 2}


def say(text):
    print('[%6.1f s] %s' % (float(open('/proc/uptime').read().split()[0]),
                            text), flush=True)


def meet(step):
    """Waits until the other host is here, too."""
    say('meet: ' + step)
    (MEET / ('%s.%s' % (step, SIDE))).touch()

    def there():
        assert not (MEET / ('failed.' + OTHER)).exists(), 'the other failed'
        return (MEET / ('%s.%s' % (step, OTHER))).exists()
    wait_for(there, 'the other host at "%s"' % step, LIMIT)


def netdev_of(mac):
    for link in json.loads(run('ip -j link')):
        if link.get('address') == mac:
            return link['ifname']
    raise AssertionError('no netdev has ' + mac)


def plug_cables(pf):
    """The far end of the card's cable is the other machine's card; the other
    cable is for the databases."""
    run('modprobe -a virtio_pci virtio_net')
    nic = netdev_of('52:54:00:00:01:0%d' % NUMBER[SIDE])
    run('modprobe -a cls_matchall act_mirred sch_ingress')
    run('ethtool -K %s gro off' % nic)
    run('ip link set %s promisc on' % nic)
    for dev, to in ((nic, pf.wire), (pf.wire, nic)):
        run('ip link set %s up mtu 2000' % dev)
        run('tc qdisc add dev %s ingress' % dev)
        run('tc', 'filter', 'add', 'dev', dev, 'ingress', 'matchall',
            'action', 'mirred', 'egress', 'redirect', 'dev', to)
    db = netdev_of('52:54:00:00:02:0%d' % NUMBER[SIDE])
    run('ip addr add 10.99.0.%d/24 dev %s' % (NUMBER[SIDE], db))
    run('ip link set %s up' % db)


class Central:
    """OVN's two databases and ovn-northd."""

    def __init__(self, ovs):
        self.env = dict(ovs.env, OVN_RUNDIR=str(ovs.dir))
        for name, extra in (('nb', []),
                            ('sb', ['--remote=ptcp:6642:10.99.0.1'])):
            db = ovs.dir / ('ovn%s.db' % name)
            run('ovsdb-tool', 'create', db,
                '/usr/share/ovn/ovn-%s.ovsschema' % name, env=self.env)
            run('ovsdb-server', db, '--detach', '-vconsole:off',
                '--pidfile=ovn%s.pid' % name, '--unixctl=ovn%s.ctl' % name,
                '--remote=punix:%s/ovn%s_db.sock' % (ovs.dir, name), *extra,
                env=self.env)
        run('ovn-northd', '--detach', '--pidfile', '-vconsole:off',
            '--ovnnb-db=unix:%s/ovnnb_db.sock' % ovs.dir,
            '--ovnsb-db=unix:%s/ovnsb_db.sock' % ovs.dir, env=self.env)

    def nbctl(self, *words):
        return run('ovn-nbctl', *words, env=self.env)

    def add_port(self, port, mac, address):
        """Adds a logical port, with port security, to the switch "ls"."""
        self.nbctl('lsp-add', 'ls', port,
                   '--', 'lsp-set-addresses', port, mac + ' ' + address,
                   '--', 'lsp-set-port-security', port, mac + ' ' + address)

    def chassis_of(self, port):
        """Name of the host on which a logical port is up."""
        try:
            shown = run('ovn-sbctl', '--bare', '--columns=chassis', 'find',
                        'Port_Binding', 'logical_port=' + port, 'up=true',
                        env=self.env).strip()
            return run('ovn-sbctl', 'get', 'Chassis', shown, 'name',
                       env=self.env).strip().strip('"') if shown else None
        except CommandError:
            return None


class Host:
    """An Open vSwitch with OVN's controller and the daemon; 'policies' are
    (name, "#RANGES" or "", further words)."""

    def __init__(self, encapsulation, policies, attach='declared'):
        self.pf = Pf(0)
        plug_cables(self.pf)
        meet('cables')
        self.ovs = Ovs(rundir='/run/openvswitch', hw_offload=False)
        self.central = Central(self.ovs) if SIDE == 'a' else None
        meet('databases')
        self.set('system-id=host-' + SIDE,
                 'ovn-remote=tcp:10.99.0.1:6642',
                 'ovn-encap-type=' + encapsulation,
                 'ovn-encap-ip=192.168.7.%d' % NUMBER[SIDE],
                 'vdpa-attach=' + attach,
                 *('vdpa-policy-%s="pf=%s%s num-vfs=2 %s"' % (
                     name, self.pf.bdf, selector, words)
                   for name, selector, words in policies))
        self.daemon = Daemon(self.ovs)
        self.daemon.start()
        self.daemon.wait_ready(2)
        run('ip addr add 192.168.7.%d/24 dev p0' % NUMBER[SIDE])
        # Simulated cards are born with the same address.
        run('ip link set p0 address 02:00:00:00:07:0%d up mtu 2000'
            % NUMBER[SIDE])
        # hw-offload is set by now: the first tunnel port finds it in effect.
        run('ovn-controller', '--detach', '--pidfile', '-vconsole:off',
            env=dict(self.ovs.env, OVN_RUNDIR=str(self.ovs.dir)))

    def set(self, *pairs):
        self.ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
                       *('external_ids:' + p for p in pairs))

    def declare(self, port, mac):
        """Asks for a logical port by our keys; its device's name."""
        self.set('vdpa-port-%s="policy=test mac=%s"' % (port, mac))

        def device():
            for d in self.daemon.json('device/list'):
                if d['iface_id'] == port and d['state'] == 'ready':
                    return d
            return None
        return wait_for(device, 'device of ' + port, LIMIT)

    def withdraw(self, port):
        self.ovs.vsctl('--no-wait', 'remove', 'Open_vSwitch', '.',
                       'external_ids', 'vdpa-port-' + port)


def in_hardware(rep):
    """Filters on a representor that hardware counts, other than ARP's."""
    return [f for f in filters(rep)
            if f['options'].get('in_hw') and hw_packets(f) > 5
            and f['protocol'] == 'ip']


def offloaded(host, device, space, address):
    """Both ways: out of the device, and in from the tunnel."""
    space.ping(address, count=30, limit=LIMIT)
    return in_hardware(device['representor']) and host.ovs.offloaded(
        'tunnel(', 'eth_type(0x0800)')


def verdict(host, device):
    return host.daemon.device(device['name'])['offload']['verdict']


def failed_checks(host, device):
    """Those checks of why that fail for a device or for the host."""
    return [w for w in host.daemon.json('why', device['name'])
            if w['result'] == 'fail']


class Pinger:
    """Five packets a second from a network namespace to an address."""

    def __init__(self, space, address):
        self.process = subprocess.Popen(
            ['ip', 'netns', 'exec', space, 'ping', '-D', '-i', '0.2',
             address], stdout=subprocess.PIPE, text=True)

    def stop(self):
        """How many were sent, how many answered (a second answer to the same
        one does not count), and the longest time in seconds between
        answers."""
        self.process.send_signal(signal.SIGINT)
        text = self.process.communicate(timeout=LIMIT)[0]
        at = {}
        for line in text.splitlines():
            answer = re.match(r'\[([\d.]+)\] .*icmp_seq=(\d+) .*ttl=', line)
            if answer:
                at.setdefault(int(answer[2]), float(answer[1]))
        times = sorted(at.values())
        assert times, text
        return (int(re.search(r'(\d+) packets transmitted', text)[1]),
                len(times), max(b - a for a, b in zip(times, times[1:])))


def play(main):
    """Runs a program that returns its Host; the other one is told when it
    fails, and whoever reads its output how things were."""
    try:
        host = main()
        meet('end')
        host.daemon.stop()
        assert_no_reports(host.daemon.log())
    except BaseException:
        (MEET / ('failed.' + SIDE)).touch()
        log = pathlib.Path('/run/openvswitch/vdpad.out')
        print(log.read_text()[-4000:] if log.exists() else 'no log',
              flush=True)
        os.system('ovs-vsctl show; ip -s link; ip neigh; '
                  'ping -c 2 192.168.7.%d; ovs-appctl dpctl/dump-flows -m'
                  % NUMBER[OTHER])
        raise

# SPDX-License-Identifier: Apache-2.0
"""One of two hosts on which OVN makes a logical switch over vDPA devices.

usage: ovn_host.py a|b geneve|vxlan

Host a has OVN's databases.  Both do the same steps and meet between them, by
files in a folder that they share.  The daemon is told of ports by our keys
alone; what it did is judged by ovn-sbctl, ovs-vsctl, tc and ping."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'system'))

from conftest import Daemon  # noqa: E402
from twinlib import (CommandError, Namespace, Ovs, Pf, filters,  # noqa: E402
                     hw_packets, run, wait_for)

MEET = pathlib.Path('/run/meet')
LIMIT = 240
SIDE = sys.argv[1]
OTHER = 'b' if SIDE == 'a' else 'a'
NUMBER = {'a': 1, 'b': 2}
PORT_MAC = '02:00:00:00:0%d:0a'
MOVED_MAC = '02:00:00:00:03:0a'


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
    def __init__(self, encapsulation):
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
                 'vdpa-attach=declared',
                 'vdpa-policy-test="pf=%s num-vfs=2 vdpa-type=virtio"'
                 % self.pf.bdf)
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


def main():
    host = Host(sys.argv[2])
    if host.central:
        host.central.nbctl('ls-add', 'ls')
        for port, mac, address in (
                ('lsp-a', PORT_MAC % 1, '10.0.0.1'),
                ('lsp-b', PORT_MAC % 2, '10.0.0.2'),
                ('lsp-m', MOVED_MAC, '10.0.0.3')):
            host.central.nbctl(
                'lsp-add', 'ls', port, '--', 'lsp-set-addresses', port,
                '%s %s' % (mac, address), '--', 'lsp-set-port-security', port,
                '%s %s' % (mac, address))
    device = host.declare('lsp-' + SIDE, PORT_MAC % NUMBER[SIDE])
    space = Namespace('c', device['netdev'], '10.0.0.%d/24' % NUMBER[SIDE],
                      mtu=1400)
    if host.central:
        for side in 'ab':
            wait_for(lambda s=side: host.central.chassis_of('lsp-' + s)
                     == 'host-' + s, 'lsp-%s is bound' % side, LIMIT)
    meet('bound')

    # Across hosts, in hardware on both sides.
    far = '10.0.0.%d' % NUMBER[OTHER]
    wait_for(lambda: offloaded(host, device, space, far),
             'rules in hardware on host ' + SIDE, LIMIT)
    wait_for(lambda: space.ping(far, count=30, limit=LIMIT)
             and verdict(host, device) == 'offloaded',
             'verdict on host ' + SIDE, LIMIT)
    say('offloaded: ' + json.dumps(
        host.daemon.device(device['name'])['offload']))
    meet('offloaded')

    # A logical port that moves: unplugged on b, plugged on a.
    if SIDE == 'b':
        moved = host.declare('lsp-m', MOVED_MAC)
        second = Namespace('m', moved['netdev'], '10.0.0.3/24', mtu=1400)
        second.ping('10.0.0.1', limit=LIMIT)
        meet('before')
        wait_for((MEET / 'pinging').exists, 'a pings', LIMIT)
        second.delete()
        host.withdraw('lsp-m')
        (MEET / 'unplugged').touch()
        meet('after')
    else:
        meet('before')
        # Five packets a second, of which some are lost on the way.
        lossy = subprocess.Popen(
            ['ip', 'netns', 'exec', 'c', 'ping', '-q', '-i', '0.2', '-c',
             '100', '10.0.0.3'], stdout=subprocess.PIPE, text=True)
        (MEET / 'pinging').touch()
        wait_for((MEET / 'unplugged').exists, 'b unplugs', LIMIT)
        began = time.monotonic()
        moved = host.declare('lsp-m', MOVED_MAC)
        second = Namespace('m', moved['netdev'], '10.0.0.3/24', mtu=1400)
        second.ping('10.0.0.2', count=1, limit=LIMIT)
        say('lsp-m moved: traffic after %.1f s' % (time.monotonic() - began))
        assert host.central.chassis_of('lsp-m') == 'host-a'
        wait_for(lambda: offloaded(host, moved, second, '10.0.0.2'),
                 'rules of the moved port in hardware', LIMIT)
        lost = re.search(r'(\d+) packets transmitted, (\d+) received',
                         lossy.communicate(timeout=LIMIT)[0])
        say('lost while it moved: %d of %s' % (
            int(lost[1]) - int(lost[2]), lost[1]))
        assert int(lost[2]) > 0
        meet('after')

    # Connection tracking cannot be offloaded on this kernel.
    if host.central:
        host.central.nbctl('acl-add', 'ls', 'from-lport', '1000', 'ip4',
                           'allow-related')
        host.central.nbctl('--wait=hv', '--timeout=120', 'sync')
    meet('acl')
    for _ in range(3):
        space.ping(far, count=30, limit=LIMIT)
    wait_for(lambda: space.ping(far, count=30, limit=LIMIT)
             and verdict(host, device) != 'offloaded',
             'another verdict with connection tracking', LIMIT)
    say('with connection tracking: ' + verdict(host, device))
    failed = [w for w in host.daemon.json('why', device['name'])
              if w['result'] == 'fail']
    say('why: ' + json.dumps(failed))
    assert any('connection tracking' in w['seen'] for w in failed), failed
    meet('end')
    host.daemon.stop()
    assert 'ERROR: ' not in host.daemon.log(), host.daemon.log()


try:
    main()
except BaseException:
    (MEET / ('failed.' + SIDE)).touch()
    log = pathlib.Path('/run/openvswitch/vdpad.out')
    print(log.read_text()[-4000:] if log.exists() else 'no log', flush=True)
    os.system('ovs-vsctl show; ip -s link; ip neigh; ping -c 2 192.168.7.%d; '
              'ovs-appctl dpctl/dump-flows -m' % NUMBER[OTHER])
    raise

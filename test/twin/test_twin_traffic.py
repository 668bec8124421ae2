# SPDX-License-Identifier: Apache-2.0
"""The simulated card does what its README says: rules, and the packets that
they switch."""
import json
import subprocess

import pytest

from twinlib import (Namespace, Ovs, VdpaDevice, connect, fails, filters,
                     hw_packets, make_pair, redirect, run, wait_for)

pytest_plugins = ['twin_fixtures']


def test_offload(pf, pair):
    connect(pf)
    pair[0].ping('10.0.0.11', count=5)
    for i in range(2):
        (f,) = filters(pf.rep(i))
        assert f['options']['in_hw'] and hw_packets(f) >= 5
    text = run('tc -s filter show dev %s ingress' % pf.rep(0))
    assert 'Sent hardware' in text and 'Sent software 0 bytes' in text
    # The host's CPU saw none of it.
    stats = run('ip -s stats show dev %s group offload subgroup cpu_hit' %
                pf.rep(0), check=False)
    assert 'cpu_hit' in stats


def test_representor_counters(pf, pair):
    """What its own are of, and whether there is CPU_HIT."""
    def received():
        shown = json.loads(run('ip -j -s link show dev ' + pf.rep(0)))
        return shown[0]['stats64']['rx']['packets']

    def hit():
        return run('ip -j stats show dev %s group offload subgroup cpu_hit' %
                   pf.rep(0), check=False)
    connect(pf)
    before = received()
    pair[0].ping('10.0.0.11', count=20)
    assert received() >= before + 20
    assert json.loads(hit())[0]['stats64']['rx']['packets'] < 10
    pf.knob('rep_counts_all', 'N')
    assert received() < 10
    pf.knob('cpu_hit', 'N')
    assert 'stats64' not in hit()


def test_slow_path(pf, pair):
    """Without rules the representors are the way."""
    for i in range(2):
        run('tc qdisc del dev %s ingress' % pf.rep(i))
    run('ip link add name br0 type bridge')
    try:
        run('ip link set br0 up')
        for i in range(2):
            run('ip link set %s master br0' % pf.rep(i))
        pair[0].ping('10.0.0.11')
    finally:
        run('ip link del dev br0')


def test_queues(pf, cleanup):
    pair = make_pair(pf, cleanup, max_vqp=4)
    connect(pf)
    for ns in pair:
        ns.exec('ethtool -L eth0 combined 4')
    for size in (56, 400, 1400):
        pair[0].ping('10.0.0.11', count=10, size=size)
    pair[0].exec('ethtool -L eth0 combined 1')
    pair[0].ping('10.0.0.11', count=5)
    assert 'received_desc' in run('vdpa dev vstats show vdpa:%s qidx 8' %
                                  pf.vf(0))


def test_wire(pf, cleanup):
    """Two ends of the uplink, by rules and without."""
    pf.mode('switchdev')
    pf.numvfs(1)
    far = Namespace('far', pf.wire, '10.0.1.2/24')
    cleanup(far.delete)
    run('ip link set %s up' % pf.netdev)
    run('ip addr add 10.0.1.1/24 dev ' + pf.netdev)
    cleanup(lambda: run('ip addr flush dev ' + pf.netdev))
    far.ping('10.0.1.1')
    dev = VdpaDevice(pf, 0, mac='02:00:00:00:00:01')
    cleanup(dev.delete)
    dev.bind('virtio_vdpa')
    near = Namespace('near', dev.netdev(), '10.0.1.3/24')
    cleanup(near.delete)
    run('ip link set %s up' % pf.rep(0))
    run('ethtool -K %s hw-tc-offload on' % pf.netdev)
    cleanup(lambda: run('ethtool -K %s hw-tc-offload off' % pf.netdev))
    for name in (pf.netdev, pf.rep(0)):
        run('tc qdisc add dev %s ingress' % name)
        cleanup(lambda n=name: run('tc qdisc del dev %s ingress' % n))
    # VLAN 7 outside, none inside.
    run('tc filter add dev %s ingress protocol all flower skip_sw '
        'action vlan push id 7 pipe action mirred egress redirect dev %s' %
        (pf.rep(0), pf.netdev))
    run('tc filter add dev %s ingress protocol 802.1q flower skip_sw '
        'vlan_id 7 action vlan pop pipe action mirred egress redirect dev %s'
        % (pf.netdev, pf.rep(0)))
    far.ip('link add link eth0 name eth0.7 type vlan id 7')
    far.ip('addr flush dev eth0')
    far.ip('addr add 10.0.1.2/24 dev eth0.7')
    far.ip('link set eth0.7 up')
    near.ping('10.0.1.2', count=5)
    assert hw_packets(filters(pf.netdev)[0]) >= 5
    far.ip('link del eth0.7')


@pytest.mark.parametrize('kind', ['vxlan', 'geneve'])
def test_tunnel(pf, cleanup, kind):
    pf.mode('switchdev')
    pf.numvfs(1)
    far = Namespace('far', pf.wire, '10.0.2.2/24', mtu=1600)
    cleanup(far.delete)
    run('ip link set %s up mtu 1600' % pf.netdev)
    run('ip addr add 10.0.2.1/24 dev ' + pf.netdev)
    cleanup(lambda: run('ip addr flush dev ' + pf.netdev))
    far.ping('10.0.2.1')
    port = {'vxlan': 4789, 'geneve': 6081}[kind]
    far.ip('link add tun type %s id 42 remote 10.0.2.1 dstport %d' %
           (kind, port))
    far.ip('addr add 10.9.0.2/24 dev tun')
    far.ip('link set tun up')
    run('ip link add tun0 type %s external dstport %d' % (kind, port))
    cleanup(lambda: run('ip link del tun0'))
    run('ip link set tun0 up')
    dev = VdpaDevice(pf, 0, mac='02:00:00:00:00:01')
    cleanup(dev.delete)
    dev.bind('virtio_vdpa')
    near = Namespace('near', dev.netdev(), '10.9.0.1/24', mtu=1400)
    cleanup(near.delete)
    run('ip link set %s up' % pf.rep(0))
    for name in ('tun0', pf.rep(0)):
        run('tc qdisc add dev %s ingress' % name)
    run('tc filter add dev %s ingress protocol all flower skip_sw action '
        'tunnel_key set src_ip 10.0.2.1 dst_ip 10.0.2.2 id 42 dst_port %d '
        'nocsum pipe action mirred egress redirect dev tun0' %
        (pf.rep(0), port))
    run('tc filter add dev tun0 ingress protocol all flower enc_src_ip '
        '10.0.2.2 enc_dst_ip 10.0.2.1 enc_key_id 42 enc_dst_port %d action '
        'tunnel_key unset pipe action mirred egress redirect dev %s' %
        (port, pf.rep(0)))
    near.ping('10.9.0.2', count=5)
    for name in ('tun0', pf.rep(0)):
        (f,) = filters(name)
        assert f['options']['in_hw']
        assert hw_packets(f) >= 5
    sent = int(run('cat /sys/class/net/tun0/statistics/tx_packets'))
    near.ping('10.9.0.2', count=5)
    assert int(run('cat /sys/class/net/tun0/statistics/tx_packets')) == sent


def test_rewrite(pf, pair):
    """What a router does: Ethernet addresses and TTL, checksums right."""
    connect_ttl = ('pedit ex munge eth dst set 02:00:00:00:00:0%d munge ip '
                   'ttl set 17 pipe action csum ip pipe')
    for a, b in ((0, 1), (1, 0)):
        redirect(pf.rep(a), pf.rep(b), 'prio', '2', 'protocol', 'arp',
                 'flower', 'skip_sw')
        run('tc filter add dev %s ingress prio 1 protocol ip flower skip_sw '
            'action %s action mirred egress redirect dev %s' %
            (pf.rep(a), connect_ttl % b, pf.rep(b)))
    assert 'ttl=17' in pair[0].ping('10.0.0.11')


def test_refused_rules(pf, pair):
    rep = pf.rep(0)
    cases = {
        'flower skip_sw ct_state +trk action drop': 'twin: unsupported match',
        'flower skip_sw action mirred egress redirect dev lo':
            'is not on this switch',
        'flower skip_sw action pass': 'twin: unsupported action',
        'flower skip_sw action police rate 1mbit burst 10k conform-exceed '
        'drop/pipe action drop': 'police unsupported',
    }
    for words, text in cases.items():
        error = fails('tc filter add dev %s ingress protocol ip %s' %
                      (rep, words))
        assert text in error, words
    error = fails('tc filter add dev %s ingress chain 1 protocol ip flower '
                  'skip_sw action drop' % rep)
    assert 'only chain 0' in error
    run('ethtool -K %s hw-tc-offload off' % rep)
    error = fails('tc filter add dev %s ingress protocol ip flower skip_sw '
                  'action drop' % rep)
    assert pair and error


def test_many_rules(pf, pair):
    rep = pf.rep(0)
    n = 5000
    batch = ''.join(
        'filter add dev %s ingress protocol ip prio 1 flower skip_sw dst_ip '
        '10.%d.%d.%d action drop\n' % (rep, i >> 16, i >> 8 & 255, i & 255)
        for i in range(n))
    subprocess.run(['tc', '-b', '-'], input=batch, text=True, check=True,
                   timeout=300)
    assert pf.state()['rules'] == str(n)
    run('tc filter del dev %s ingress' % rep)
    wait_for(lambda: pf.state()['rules'] == '0', 'empty table')
    assert pair


def test_legacy_switching(pf, cleanup):
    """VFs reach each other, the host and the wire by MAC address."""
    pf.numvfs(2)
    run('ip link set %s up' % pf.netdev)
    run('ip addr add 10.0.3.9/24 dev ' + pf.netdev)
    cleanup(lambda: run('ip addr flush dev ' + pf.netdev))
    spaces = []
    for i in range(2):
        spaces.append(Namespace('nic%d' % i, pf.nic(i),
                                '10.0.3.%d/24' % (i + 1)))
        cleanup(spaces[i].delete)
    far = Namespace('far', pf.wire, '10.0.3.5/24')
    cleanup(far.delete)
    for address in ('10.0.3.2', '10.0.3.9', '10.0.3.5'):
        spaces[0].ping(address)
    far.ping('10.0.3.9')


def test_lag(pfs, cleanup):
    """A bond's shared block: rules in both, failover at once."""
    for pf in pfs:
        pf.mode('switchdev')
        pf.numvfs(1)
        run('ethtool -K %s hw-tc-offload on' % pf.netdev)
        cleanup(lambda p=pf: run('ethtool -K %s hw-tc-offload off' %
                                 p.netdev))
    run('ip link add bond0 type bond mode active-backup miimon 50')
    cleanup(lambda: run('ip link del bond0'))
    for pf in pfs:
        run('ip link set %s down' % pf.netdev)
        run('ip link set %s master bond0' % pf.netdev)
        run('ip link set %s up' % pf.wire)
        cleanup(lambda p=pf: run('ip link set %s down' % p.wire))
    run('ip link set bond0 up')
    run('ip link add far type bridge')
    cleanup(lambda: run('ip link del far'))
    run('ip link set far up')
    run('ip addr add 10.0.4.2/24 dev far')
    for pf in pfs:
        run('ip link set %s master far' % pf.wire)
    dev = VdpaDevice(pfs[0], 0, mac='02:00:00:00:00:01')
    cleanup(dev.delete)
    dev.bind('virtio_vdpa')
    near = Namespace('near', dev.netdev(), '10.0.4.1/24')
    cleanup(near.delete)
    rep = pfs[0].rep(0)
    run('ip link set %s up' % rep)
    run('tc qdisc add dev %s ingress' % rep)
    for name in ('bond0', 'p0', 'p1'):
        run('tc qdisc add dev %s ingress_block 22 ingress' % name)
        cleanup(lambda n=name: run('tc qdisc del dev %s ingress_block 22 '
                                   'ingress' % n, check=False))
    redirect(rep, 'bond0', 'protocol', 'all', 'flower', 'skip_sw')
    run('tc filter add block 22 protocol all flower action mirred egress '
        'redirect dev ' + rep)
    near.ping('10.0.4.2')
    assert 'in_hw_count 2' in run('tc -s filter show block 22')
    active = '/sys/class/net/bond0/bonding/active_slave'
    first = open(active).read().strip()
    run('ip link set wire%s down' % first[-1])
    wait_for(lambda: open(active).read().strip() not in ('', first),
             'failover')
    # The far bridge learns the new way from the first packet.
    near.ping('10.0.4.2')
    assert hw_packets(filters(rep)[0]) >= 6


def test_ovs(pf, cleanup):
    pair = make_pair(pf, cleanup)
    for i in range(2):
        run('tc qdisc del dev %s ingress' % pf.rep(i))
    ovs = Ovs()
    cleanup(ovs.stop)
    ovs.vsctl('add-br', 'br-int', '--', 'add-port', 'br-int', pf.rep(0),
              '--', 'add-port', 'br-int', pf.rep(1))
    pair[0].ping('10.0.0.11')
    wait_for(lambda: ovs.offloaded('in_port(pf0vf0)', 'eth_type(0x0800)'),
             'offloaded flow')
    pair[0].ping('10.0.0.11', count=20)
    wait_for(lambda: any(hw_packets(f) >= 10 for f in filters(pf.rep(0))),
             'packets counted by hardware')
    ovs.vsctl('del-br', 'br-int')


def test_guest(pf, cleanup, guest):
    """A program on /dev/vhost-vdpa-N maps memory and answers in hardware."""
    pf.mode('switchdev')
    pf.numvfs(2)
    far = VdpaDevice(pf, 0, mac='02:00:00:00:00:0a')
    cleanup(far.delete)
    far.bind('vhost_vdpa')
    near = VdpaDevice(pf, 1, mac='02:00:00:00:00:0b')
    cleanup(near.delete)
    near.bind('virtio_vdpa')
    ns = Namespace('near', near.netdev(), '10.0.5.1/24')
    cleanup(ns.delete)
    for i in range(2):
        run('ip link set %s up' % pf.rep(i))
        run('tc qdisc add dev %s ingress' % pf.rep(i))
    connect(pf)
    with subprocess.Popen([guest, far.chardev(), '10.0.5.2'], text=True,
                          stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as program:
        assert program.stdout.readline() == 'ready 02:00:00:00:00:0a\n'
        ns.ping('10.0.5.2', count=100)
        program.stdin.close()
        assert int(program.stdout.read().split()[3]) >= 100
        assert program.wait(60) == 0
    assert hw_packets(filters(pf.rep(0))[0]) >= 100

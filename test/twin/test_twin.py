# SPDX-License-Identifier: Apache-2.0
"""The simulated card does what its README says."""
import errno
import json
import os
import pathlib
import socket
import struct
import subprocess
import time

import pytest

from twinlib import (CommandError, Namespace, Ovs, PCI, Pf, VdpaDevice,
                     fails, filters, hw_packets, run, wait_for, write)


@pytest.fixture(scope='session', autouse=True)
def modules():
    run('modprobe -a vhost_vdpa virtio_vdpa virtio_net cls_flower act_mirred '
        'act_vlan act_tunnel_key act_pedit act_csum act_gact sch_ingress '
        'vxlan geneve bonding')


@pytest.fixture(name='pf')
def fixture_pf():
    pf = Pf(0)
    yield pf
    pf.defaults()


@pytest.fixture(name='pfs')
def fixture_pfs():
    pfs = [Pf(0), Pf(1)]
    yield pfs
    for pf in pfs:
        pf.defaults()


@pytest.fixture(name='cleanup')
def fixture_cleanup():
    """Functions to call, last first, before the card is taken down."""
    calls = []
    yield calls.append
    for call in reversed(calls):
        call()


@pytest.fixture(name='pair')
def fixture_pair(pf, cleanup):
    """Two virtio netdevs in two namespaces, behind VFs 0 and 1."""
    return make_pair(pf, cleanup)


def make_pair(pf, cleanup, **attrs):
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
    run('tc', 'filter', 'add', 'dev', src, 'ingress', *words, 'action',
        'mirred', 'egress', 'redirect', 'dev', dst)


def connect(pf):
    """Everything between VFs 0 and 1 in hardware."""
    for a, b in ((0, 1), (1, 0)):
        redirect(pf.rep(a), pf.rep(b), 'prio', '1', 'protocol', 'all',
                 'flower', 'skip_sw')


def test_numvfs_and_modes(pfs):
    for pf in pfs:
        assert pf.mode() == 'legacy'
        assert pf.numvfs(3) == 3
        assert (PCI / pf.vf(2) / 'device').read_text() == '0x101e\n'
        assert run('cat /sys/class/net/%s/address' % pf.nic(0))
        pf.mode('switchdev')
        assert pf.mode() == 'switchdev'
        name = pathlib.Path('/sys/class/net', pf.rep(2), 'phys_port_name')
        assert name.read_text() == 'pf%dvf2\n' % pf.index
        assert 'hw-tc-offload: on' in run('ethtool -k ' + pf.rep(2))
        assert 'hw-tc-offload: off' in run('ethtool -k ' + pf.netdev)
        assert 'driver: twin_rep' in run('ethtool -i ' + pf.rep(2))
        pf.mode('legacy')
        assert not os.path.exists('/sys/class/net/' + pf.rep(2))
    ids = {run('cat /sys/class/net/%s/phys_switch_id' % pf.netdev)
           for pf in pfs}
    assert len(ids) == 1


def test_most_vfs(pfs):
    for pf in pfs:
        pf.mode('switchdev')
        pf.numvfs(127)
    assert len(run('vdpa mgmtdev show').split('max_supported_vqs')) == 255
    assert run('devlink port show').count('pcivf') == 254


def test_more_vfs_than_there_are(pf):
    with pytest.raises(OSError) as e:
        pf.numvfs(128)
    assert e.value.errno == errno.ERANGE


def test_eswitch_attributes(pf):
    shown = run('devlink dev eswitch show ' + pf.dev)
    assert 'mode legacy inline-mode none encap-mode basic' in shown
    pf.mode('switchdev')
    run('devlink dev eswitch set %s inline-mode link' % pf.dev)
    run('devlink dev eswitch set %s encap-mode none' % pf.dev)
    shown = run('devlink dev eswitch show ' + pf.dev)
    assert 'inline-mode link encap-mode none' in shown
    run('devlink dev eswitch set %s encap-mode basic' % pf.dev)


def test_function_address(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    run('devlink port function set %s hw_addr 02:11:22:33:44:55' % pf.port(0))
    assert '02:11:22:33:44:55' in run('devlink port show ' + pf.port(0))
    # It is the vDPA device's default and, after a bind, the netdev's.
    dev = VdpaDevice(pf, 0)
    assert 'mac 02:11:22:33:44:55' in run('vdpa dev config show ' + dev.name)
    dev.delete()
    vf = pf.vf(0)
    write(PCI / vf / 'driver/unbind', vf)
    assert 'pci/' + vf not in run('vdpa mgmtdev show')
    write('/sys/bus/pci/drivers/twin/bind', vf)
    assert 'pci/' + vf in run('vdpa mgmtdev show')
    address = run('cat /sys/class/net/%s/address' % pf.nic(0))
    assert address == '02:11:22:33:44:55\n'
    error = fails('devlink port function set %s hw_addr 01:00:00:00:00:01' %
                  pf.port(0))
    assert 'Non-unicast' in error


def test_vfio(pf):
    run('modprobe vfio-pci')
    pf.numvfs(1)
    vf = pf.vf(0)
    write(PCI / vf / 'driver_override', 'vfio-pci')
    write(PCI / vf / 'driver/unbind', vf)
    write('/sys/bus/pci/drivers_probe', vf)
    assert (PCI / vf / 'driver').resolve().name == 'vfio-pci'
    group = (PCI / vf / 'iommu_group').resolve().name
    assert os.path.exists('/dev/vfio/' + group)
    assert run('vdpa mgmtdev show') == ''
    # Back again; a missing override reads "(null)".
    write(PCI / vf / 'driver_override', '\n')
    write(PCI / vf / 'driver/unbind', vf)
    write('/sys/bus/pci/drivers_probe', vf)
    assert 'pci/' + vf in run('vdpa mgmtdev show')


def test_vdpa_attributes(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    mgmt = 'mgmtdev pci/' + pf.vf(0)
    assert 'max_supported_vqs 65' in run('vdpa mgmtdev show pci/' + pf.vf(0))
    assert 'Invalid argument' in fails('vdpa dev add name x max_vqp 33 ' +
                                       mgmt)
    fails('vdpa dev add name x mtu 67 ' + mgmt)
    dev = VdpaDevice(pf, 0, 'x', mac='02:00:00:00:00:07', mtu=9000, max_vqp=4)
    shown = run('vdpa dev config show x')
    assert 'mac 02:00:00:00:00:07' in shown
    assert 'max_vq_pairs 4 mtu 9000' in shown
    assert 'max_vqs 9 ' in run('vdpa dev show x')
    assert 'No space left' in fails('vdpa dev add name y ' + mgmt)
    assert dev.sysfs.resolve().parent.name == pf.vf(0)
    dev.bind('vhost_vdpa')
    assert os.path.exists(dev.chardev())
    # The mode takes the device along.
    pf.mode('legacy')
    assert not dev.sysfs.exists()
    assert 'pci/' + pf.vf(0) in run('vdpa mgmtdev show')


def test_vdpa_without_address(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    run('devlink port function set %s hw_addr 02:11:22:33:44:55' % pf.port(0))
    # As with mlx5, addresses do not outlive their VFs.
    pf.numvfs(0)
    pf.numvfs(1)
    VdpaDevice(pf, 0, 'x')
    assert 'mac' not in run('vdpa dev config show x')


def set_vdpa_mac(name, mac):
    """VDPA_CMD_DEV_ATTR_SET, which Debian's vdpa command does not know."""
    def attr(kind, data):
        size = 4 + len(data)
        return struct.pack('HH', size, kind) + data + bytes(-size % 4)

    def request(family, command, *attrs):
        body = struct.pack('BBH', command, 1, 0) + b''.join(attrs)
        sock.send(struct.pack('IHHII', 16 + len(body), family, 5, 1, 0) + body)
        return sock.recv(65536)

    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16) as sock:
        reply = request(16, 3, attr(2, b'vdpa\0'))
        at = 20
        while True:
            size, kind = struct.unpack_from('HH', reply, at)
            if kind == 1:
                family, = struct.unpack_from('H', reply, at + 4)
                break
            at += size + -size % 4
        sock.recv(65536)
        reply = request(family, 8, attr(4, name.encode() + b'\0'),
                        attr(10, bytes.fromhex(mac.replace(':', ''))))
        return struct.unpack_from('i', reply, 16)[0]


def test_set_mac(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    VdpaDevice(pf, 0, 'x', mac='02:00:00:00:00:07')
    assert set_vdpa_mac('x', '02:00:00:00:00:08') == 0
    assert 'mac 02:00:00:00:00:08' in run('vdpa dev config show')
    assert set_vdpa_mac('y', '02:00:00:00:00:08') == -errno.ENODEV


def test_link_follows_representor(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    dev = VdpaDevice(pf, 0, mac='02:00:00:00:00:07')
    dev.bind('vhost_vdpa')
    assert 'link down' in run('vdpa dev config show')
    run('ip link set %s up' % pf.rep(0))
    assert 'link up' in run('vdpa dev config show')


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


def test_rule_knobs(pf, pair):
    rep = pf.rep(0)
    pf.knob('rule_fail', '1 12 no room for this')
    add = 'tc filter add dev %s ingress protocol ip prio %d flower skip_sw ' \
          'dst_ip 10.0.0.%d action drop'
    assert 'twin: no room for this' in fails(add % (rep, 1, 1))
    pf.knob('rule_fail', '1 12')
    assert 'Cannot allocate memory' in fails(add % (rep, 1, 1))
    run(add % (rep, 1, 1))
    assert pf.knob('rule_fail').startswith('0 12')
    pf.knob('rule_limit', 3)
    run(add % (rep, 1, 2))
    run(add % (rep, 1, 3))
    assert 'table is full' in fails(add % (rep, 1, 4))
    assert pf.state()['rules'] == '3'
    run('tc filter del dev %s ingress' % rep)
    wait_for(lambda: pf.state()['rules'] == '0', 'empty table')
    pf.knob('rule_limit', 0)
    # In hardware, and yet everything crosses the representor.
    pf.knob('rule_miss', 'Y')
    for a, b in ((0, 1), (1, 0)):
        redirect(pf.rep(a), pf.rep(b), 'prio', '1', 'protocol', 'all',
                 'flower')
    pair[0].ping('10.0.0.11')
    (f,) = filters(rep)
    assert f['options']['in_hw'] and hw_packets(f) == 0


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


def test_mode_knobs(pf):
    pf.knob('mode_fail', '1 16 firmware says no')
    error = fails('devlink dev eswitch set %s mode switchdev' % pf.dev)
    assert 'twin: firmware says no' in error
    pf.mode('switchdev')
    pf.mode('legacy')
    pf.knob('mode_order', 'with-vfs')
    assert 'needs VFs' in fails('devlink dev eswitch set %s mode switchdev' %
                                pf.dev)
    pf.numvfs(1)
    pf.mode('switchdev')
    pf.mode('legacy')
    pf.knob('mode_order', 'without-vfs')
    assert 'while VFs' in fails('devlink dev eswitch set %s mode switchdev' %
                                pf.dev)
    pf.numvfs(0)
    pf.knob('mode_delay_ms', 1500)
    start = time.monotonic()
    pf.mode('switchdev')
    assert time.monotonic() - start >= 1.4


def test_vf_knobs(pf):
    pf.knob('numvfs_fail', '1 12')
    with pytest.raises(OSError) as e:
        pf.numvfs(1)
    assert e.value.errno == errno.ENOMEM
    pf.knob('numvfs_delay_ms', 1000)
    start = time.monotonic()
    pf.numvfs(1)
    assert time.monotonic() - start >= 0.9
    pf.numvfs(0)
    pf.knob('numvfs_delay_ms', 0)
    pf.knob('vf_bind_fail', '1 5')
    pf.numvfs(2)
    assert not (PCI / pf.vf(0) / 'driver').exists()
    assert (PCI / pf.vf(1) / 'driver').exists()
    pf.numvfs(0)
    pf.knob('vf_bind_delay_ms', 1500)
    pf.numvfs(1)
    assert not os.path.exists('/sys/class/net/' + pf.nic(0))
    wait_for(lambda: os.path.exists('/sys/class/net/' + pf.nic(0)),
             'late netdev')
    wait_for(lambda: 'pci/' + pf.vf(0) in run('vdpa mgmtdev show'),
             'late management device')


def test_late_representors(pf):
    pf.mode('switchdev')
    pf.knob('rep_delay_ms', 1500)
    pf.numvfs(1)
    assert 'netdev' not in run('devlink port show ' + pf.port(0))
    wait_for(lambda: 'netdev pf0vf0' in run('devlink port show ' +
                                            pf.port(0)), 'representor')
    pf.numvfs(0)
    pf.numvfs(1)
    pf.numvfs(0)


def test_slow_requests(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    VdpaDevice(pf, 0, 'x')
    pf.knob('devlink_delay_ms', 1000)
    pf.knob('vdpa_delay_ms', 1000)
    for words in ('devlink dev eswitch show ' + pf.dev, 'vdpa dev show'):
        start = time.monotonic()
        run(words)
        assert time.monotonic() - start >= 0.9, words


def test_function_knob(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    pf.knob('function_fail', '1 1 not yours')
    error = fails('devlink port function set %s hw_addr 02:00:00:00:00:01' %
                  pf.port(0))
    assert 'twin: not yours' in error and 'not permitted' in error


def test_vdpa_knobs(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    pf.knob('vdpa_add_fail', '1 110')
    with pytest.raises(CommandError, match='timed out'):
        VdpaDevice(pf, 0, 'x')
    dev = VdpaDevice(pf, 0, 'x')
    pf.knob('vdpa_del_block', 1)
    with subprocess.Popen(['vdpa', 'dev', 'del', 'x']) as stuck:
        wait_for(lambda: 'D (disk sleep)' in
                 open('/proc/%d/status' % stuck.pid).read(), 'stuck delete')
        assert dev.sysfs.exists()
        pf.knob('vdpa_del_block', 0)
        assert stuck.wait(60) == 0
    assert not dev.sysfs.exists()


def test_reset(pf):
    pf.mode('switchdev')
    pf.numvfs(2)
    run('devlink port function set %s hw_addr 02:11:22:33:44:55' % pf.port(0))
    VdpaDevice(pf, 0, 'x')
    before = pathlib.Path('/sys/class/net/pf0vf0/ifindex').read_text()
    n = int(pf.knob('resets'))
    pf.knob('reset', 1)
    wait_for(lambda: int(pf.knob('resets')) == n + 1, 'end of the reset')
    assert pf.numvfs() == 2 and pf.mode() == 'switchdev'
    after = pathlib.Path('/sys/class/net/pf0vf0/ifindex').read_text()
    assert after != before
    assert run('vdpa dev show') == ''
    assert 'pci/' + pf.vf(1) in run('vdpa mgmtdev show')
    assert '02:11:22:33:44:55' in run('devlink port show ' + pf.port(0))


def test_function_level_reset(pf):
    pf.mode('switchdev')
    pf.numvfs(1)
    VdpaDevice(pf, 0, 'x')
    write(PCI / pf.vf(0) / 'reset', 1)
    assert run('vdpa dev show') == ''
    assert 'pci/' + pf.vf(0) in run('vdpa mgmtdev show')


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


@pytest.fixture(name='guest', scope='session')
def fixture_guest(tmp_path_factory):
    """The compiled guest-like program."""
    program = tmp_path_factory.mktemp('guest') / 'vdpa-guest'
    source = pathlib.Path(__file__).parent.parent / 'tools/vdpa-guest.c'
    run('cc', '-std=gnu11', '-O1', '-o', program, source)
    return str(program)


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


def test_held_device(pf, guest):
    """A delete waits, unkillably, until the holder lets go."""
    pf.mode('switchdev')
    pf.numvfs(1)
    dev = VdpaDevice(pf, 0, 'x')
    dev.bind('vhost_vdpa')
    with subprocess.Popen([guest, '--hold', dev.chardev()], text=True,
                          stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline().startswith('ready')
        with subprocess.Popen(['vdpa', 'dev', 'del', 'x']) as stuck:
            wait_for(lambda: 'D (disk sleep)' in
                     open('/proc/%d/status' % stuck.pid).read(),
                     'stuck delete')
            holder.stdin.close()
            assert stuck.wait(60) == 0
    assert not dev.sysfs.exists()


def test_second_kernel_implementations():
    run('modprobe -a netdevsim vdpa_sim_net')
    write('/sys/bus/netdevsim/new_device', '5 1')
    try:
        run('devlink dev eswitch set netdevsim/netdevsim5 mode switchdev')
        assert 'vdpasim_net' in run('vdpa mgmtdev show')
        run('vdpa dev add name sim mgmtdev vdpasim_net')
        run('vdpa dev del sim')
    finally:
        write('/sys/bus/netdevsim/del_device', '5')
        run('modprobe -r netdevsim vdpa_sim_net')


def test_unload_and_load():
    for _ in range(3):
        pf = Pf(0)
        pf.mode('switchdev')
        pf.numvfs(4)
        VdpaDevice(pf, 0).bind('virtio_vdpa')
        run('rmmod twin')
        assert not (PCI / pf.bdf).exists()
        run('modprobe twin pfs=1 vfs=8')
        assert (pf.sysfs / 'sriov_totalvfs').read_text() == '8\n'
        assert not (PCI / Pf(1).bdf).exists()
        run('rmmod twin')
        run('modprobe twin')

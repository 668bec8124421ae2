# SPDX-License-Identifier: Apache-2.0
"""The simulated card does what its README says: VFs, modes, vDPA devices."""
import errno
import os
import pathlib
import socket
import struct
import subprocess

import pytest

from twinlib import PCI, Pf, VdpaDevice, fails, run, wait_for, write

pytest_plugins = ['twin_fixtures']


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

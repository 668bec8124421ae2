# SPDX-License-Identifier: Apache-2.0
"""The pictures of the kernel against what iproute2 shows of it, on kernels'
implementations that nobody made for this project: netdevsim (devlink,
e-switch, representors) and vdpa_sim_net (vDPA without a parent VF); and on
the simulated card."""

import json

import pytest

from conftest import BUILD
from twinlib import VdpaDevice, run, wait_for, write

SIM = 'netdevsim/netdevsim7'


def picture(class_):
    """The rows of a class, each as a dict of text."""
    rows = []
    for line in run(BUILD / 'test/kernel-probe', 'observe',
                    class_).splitlines():
        head, _, rest = line.partition(':')
        assert head == class_ and 'error' not in rest.split()[:1], line
        words = [w.partition('=') for w in rest.split() if '=' in w]
        rows.append({key: value for key, _, value in words})
    return rows


def by(rows, key):
    return {row[key]: row for row in rows}


def ip_links():
    return {l['ifname']: l for l in json.loads(run('ip -j -d link show'))}


@pytest.fixture
def netdevsim():
    run('modprobe netdevsim')
    write('/sys/bus/netdevsim/new_device', '7 2')
    yield
    write('/sys/bus/netdevsim/del_device', '7')
    run('modprobe -r netdevsim')


@pytest.fixture
def vdpasim():
    run('modprobe -a vdpa_sim_net vhost_vdpa')
    yield 'vdpasim_net'
    run('vdpa dev del sim0', check=False)
    run('modprobe -r vdpa_sim_net')


def compare_ports(dev):
    """devlink port show of one instance against the picture."""
    ports = {k: v for k, v in json.loads(
        run('devlink -j port show'))['port'].items()
        if k.startswith(dev + '/')}
    seen = {h: r for h, r in by(picture('dlport'), 'handle').items()
            if h.startswith(dev + '/')}
    assert set(seen) == set(ports)
    flavours = {'physical': '0', 'pcipf': '3', 'pcivf': '4', 'virtual': '5'}
    for handle, port in ports.items():
        row = seen[handle]
        assert row['flavour'] == flavours[port['flavour']], handle
        if port['flavour'] == 'pcivf':
            assert row['vf'] == str(port['vfnum'])
            assert row['pf'] == str(port['pfnum'])
        if 'netdev' in port:
            assert port['netdev'] in row.values(), (row, port)
    return seen


def compare_links():
    links = ip_links()
    rows = by(picture('link'), 'name')
    assert set(rows) == set(links)
    for name, link in links.items():
        row = rows[name]
        assert row['ifindex'] == str(link['ifindex'])
        assert row['mtu'] == str(link['mtu'])
        assert row.get('port_name', '') == link.get('phys_port_name', '')
        # ip cuts identifiers of 32 bytes, as netdevsim's.
        switch_id = link.get('phys_switch_id', '')
        assert row.get('switch_id', '').startswith(switch_id)
        assert bool(switch_id) == bool(row.get('switch_id', ''))
    return rows


def test_netdevsim(netdevsim):
    assert by(picture('eswitch'), 'handle')[SIM]['mode'] == '0'
    compare_ports(SIM)
    compare_links()

    write('/sys/bus/netdevsim/devices/netdevsim7/sriov_numvfs', '3')
    run('devlink', 'dev', 'eswitch', 'set', SIM, 'mode', 'switchdev')
    wait_for(lambda: run('devlink port show').count('pcivf') == 3,
             'ports of the VFs')
    assert by(picture('eswitch'), 'handle')[SIM]['mode'] == '1'
    seen = compare_ports(SIM)
    assert sorted(r['vf'] for r in seen.values()
                  if r['flavour'] == '4') == ['0', '1', '2']
    compare_links()


def test_vdpa_sim(vdpasim):
    mgmt = json.loads(run('vdpa -j mgmtdev show'))['mgmtdev']
    rows = by(picture('mgmtdev'), 'handle')
    assert {h.strip('/') for h in rows} == set(mgmt)

    run('vdpa dev add name sim0 mgmtdev %s mac 02:11:22:33:44:55 mtu 1300'
        % vdpasim)
    dev = json.loads(run('vdpa -j dev show'))['dev']['sim0']
    row = by(picture('vdpa'), 'name')['sim0']
    assert row['max_vqs'] == str(dev['max_vqs'])
    assert row['max_vq_size'] == str(dev['max_vq_size'])
    assert row['mac'] == '02:11:22:33:44:55'
    assert row['mtu'] == '1300'
    bus = by(picture('vbus'), 'name')['sim0']
    assert bus['driver'] == 'vhost_vdpa'
    assert bus['parent'] == ''
    assert bus['chardev'].startswith('vhost-vdpa-')

    run('vdpa dev del sim0')
    assert 'sim0' not in by(picture('vdpa'), 'name')
    assert 'sim0' not in by(picture('vbus'), 'name')


def test_simulated_card(pf):
    pf.numvfs(8)
    pf.mode('switchdev')
    run('modprobe -a vdpa vhost_vdpa virtio_vdpa cls_flower act_mirred')
    for i in range(8):
        VdpaDevice(pf, i, mac='02:00:00:00:99:%02x' % i)
    compare_ports(pf.dev)
    compare_links()
    rows = by(picture('vdpa'), 'name')
    assert set(rows) == set(json.loads(run('vdpa -j dev show'))['dev'])
    assert rows['vdpa:' + pf.vf(5)]['mac'] == '02:00:00:00:99:05'

    run('tc qdisc add dev pf0vf0 ingress')
    for prio in range(1, 4):
        flags = 'skip_hw' if prio == 3 else ''
        run(*('tc filter add dev pf0vf0 ingress prio %d protocol ip flower %s '
             'dst_ip 192.0.2.%d action mirred egress redirect dev pf0vf1' % (
                 prio, flags, prio)).split())
    index = str(ip_links()['pf0vf0']['ifindex'])
    flow = by(picture('flow'), 'ifindex')[index]
    assert (flow['hw_flows'], flow['sw_flows']) == ('2', '1')
    assert index in by(picture('qdisc'), 'ifindex')
    features = by(picture('feature'), 'name')
    for name in ('p0', 'pf0vf0'):
        on = 'hw-tc-offload: on' in run('ethtool -k ' + name)
        assert features[name]['active'] == str(int(on))

# SPDX-License-Identifier: Apache-2.0
"""The pictures of the kernel against what iproute2 and ethtool show of it, on
implementations that nobody made for this project: netdevsim (devlink,
e-switch, representors) and vdpa_sim_net (vDPA without a parent VF); and on
the simulated card."""

import json
import re

import pytest

from conftest import BUILD
from twinlib import (VDPA, CommandError, Namespace, VdpaDevice, filters, run,
                     wait_for, write)

SIM = 'netdevsim/netdevsim7'
FLAVOURS = {'physical': '0', 'cpu': '1', 'dsa': '2', 'pcipf': '3',
            'pcivf': '4', 'virtual': '5', 'unused': '6', 'pcisf': '7'}
# Of enum devlink_eswitch_mode, _inline_mode and _encap_mode; '-1': not told.
MODES = {'legacy': '0', 'switchdev': '1'}
INLINES = {None: '-1', 'none': '0', 'link': '1', 'network': '2',
           'transport': '3'}
ENCAPS = {None: '-1', 'none': '0', 'basic': '1'}
# Of virtio_net.h and virtio_config.h.
FEATURES = {'CSUM': 0, 'MTU': 3, 'MAC': 5, 'STATUS': 16, 'CTRL_VQ': 17,
            'MQ': 22, 'CTRL_MAC_ADDR': 23, 'ANY_LAYOUT': 27, 'VERSION_1': 32,
            'ACCESS_PLATFORM': 33}


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


def show(*words):
    return json.loads(run(*words))


def features(names):
    return hex(sum(1 << FEATURES[name] for name in names))


def compare_eswitches():
    """All devlink instances."""
    info = show('devlink -j dev info')['info']
    rows = by(picture('eswitch'), 'handle')
    assert set(rows) == set(info)
    for handle, row in rows.items():
        try:
            mode = show('devlink -j dev eswitch show ' + handle)['dev'][handle]
        except CommandError:
            mode = {}      # VFs have none.
        running = info[handle].get('versions', {}).get('running', {})
        assert row == {
            'handle': handle, 'driver': info[handle]['driver'],
            'mode': MODES[mode['mode']] if mode else '-1',
            'inline': INLINES[mode.get('inline-mode')],
            'encap': ENCAPS[mode.get('encap-mode')],
            'fw': running.get('fw.version', running.get('fw', ''))}, mode
    return rows


def compare_ports():
    """All devlink ports."""
    ports = show('devlink -j port show')['port']
    ifindexes = {l['ifname']: str(l['ifindex'])
                 for l in show('ip -j link show')}
    rows = by(picture('dlport'), 'handle')
    assert set(rows) == set(ports)
    for handle, port in ports.items():
        netdev = port.get('netdev', '')
        expected = {
            'handle': handle, 'flavour': FLAVOURS[port['flavour']],
            'controller': str(port.get('controller', -1)),
            'pf': str(port.get('pfnum', -1)),
            'vf': str(port.get('vfnum', -1)),
            'sf': str(port.get('sfnum', -1)),
            'external': str(int(port.get('external', False))),
            'ifindex': ifindexes.get(netdev, '0'), 'ifname': netdev}
        if 'hw_addr' in port.get('function', {}):
            expected['hw_addr'] = port['function']['hw_addr']
        assert rows[handle] == expected
    return rows


def compare_links():
    """All netdevs, their counters apart, which go on."""
    links = {l['ifname']: l for l in show('ip -s -j -d link show')}
    ifindexes = {'': 0, **{n: l['ifindex'] for n, l in links.items()}}
    rows = by(picture('link'), 'name')
    assert set(rows) == set(links)
    for name, link in links.items():
        row = rows[name]
        flags = int(row['flags'], 16)
        # ip cuts identifiers of 32 bytes, as netdevsim's.
        switch_id = link.get('phys_switch_id', '')
        assert row['switch_id'].startswith(switch_id)
        assert bool(switch_id) == bool(row['switch_id'])
        assert [bool(flags & 1), bool(flags & 1 << 16)] == [
            'UP' in link['flags'], 'LOWER_UP' in link['flags']]
        assert int(row['rx_packets']) <= link['stats64']['rx']['packets'] + 50
        assert {k: row[k] for k in ('ifindex', 'kind', 'mtu', 'master',
                                    'port_name', 'parent', 'mac')} == {
            'ifindex': str(link['ifindex']),
            'kind': link.get('linkinfo', {}).get('info_kind', ''),
            'mtu': str(link['mtu']),
            'master': str(ifindexes[link.get('master', '')]),
            'port_name': link.get('phys_port_name', ''),
            'parent': '%s/%s' % (link.get('parentbus', ''),
                                 link.get('parentdev', '')),
            'mac': link['address']}
    return rows


def compare_features():
    """hw-tc-offload of all netdevs."""
    rows = by(picture('feature'), 'name')
    for name in (l['ifname'] for l in show('ip -j link show')):
        word = re.search(r'hw-tc-offload: (\w+)( \[fixed\])?',
                         run('ethtool -k ' + name))
        if word[2]:
            assert name not in rows or rows[name]['supported'] == '0'
        else:
            assert rows[name]['supported'] == '1', name
            assert rows[name]['active'] == str(int(word[1] == 'on'))
    return rows


def compare_vdpa():
    """All management devices and vDPA devices, as the family shows them."""
    shown = show('vdpa -j mgmtdev show')['mgmtdev']
    rows = {h.lstrip('/'): r for h, r in by(picture('mgmtdev'),
                                           'handle').items()}
    assert set(rows) == set(shown)
    for handle, m in shown.items():
        assert m['supported_classes'] == ['net']
        assert rows[handle]['classes'] == '0x2'
        assert rows[handle]['max_vqs'] == str(m['max_supported_vqs'])
        assert rows[handle]['features'] == features(m['dev_features'])

    shown = show('vdpa -j dev show')['dev']
    rows = by(picture('vdpa'), 'name')
    assert set(rows) == set(shown)
    for name, d in shown.items():
        row = rows[name]
        config = show('vdpa -j dev config show ' + name)['config'][name]
        link = {k.strip(): v for k, v in config.items()}.get('link')
        assert d['type'] == 'network'
        expected = {
            'name': name, 'id': '1', 'vendor': str(d['vendor_id']),
            'max_vqs': str(d['max_vqs']), 'config': '1',
            'max_vq_size': str(d['max_vq_size'])}
        for key, of in (('mac', 'mac'), ('mtu', 'mtu'),
                        ('max_vqp', 'max_vq_pairs')):
            if of in config:
                expected[key] = str(config[of])
        if link:
            assert int(row.pop('status')) & 1 == (link == 'up')
        if 'negotiated_features' in config:
            expected['negotiated'] = features(config['negotiated_features'])
        assert row.pop('mgmtdev').lstrip('/') == d['mgmtdev']
        assert row == expected, config
    return rows


@pytest.fixture
def netdevsim():
    run('modprobe netdevsim')
    write('/sys/bus/netdevsim/new_device', '7 2')
    yield
    write('/sys/bus/netdevsim/del_device', '7')
    run('modprobe -r netdevsim')


@pytest.fixture
def vdpasim():
    run('modprobe -a vdpa_sim_net vhost_vdpa virtio_vdpa virtio_net')
    yield 'vdpasim_net'
    run('vdpa dev del sim0', check=False)
    run('modprobe -r vdpa_sim_net')


def compare_devlink_and_links():
    return (compare_eswitches(), compare_ports(), compare_links(),
            compare_features())


def test_netdevsim(netdevsim):
    assert compare_devlink_and_links()[0][SIM]['mode'] == '0'

    write('/sys/bus/netdevsim/devices/netdevsim7/sriov_numvfs', '3')
    run('devlink', 'dev', 'eswitch', 'set', SIM, 'mode', 'switchdev')
    wait_for(lambda: run('devlink port show').count('pcivf') == 3,
             'ports of the VFs')
    eswitches, ports, links, _ = compare_devlink_and_links()
    assert eswitches[SIM]['mode'] == '1'
    reps = [r['ifname'] for r in ports.values()
            if r['handle'].startswith(SIM) and r['flavour'] == '4']
    assert sorted(links[r]['port_name'] for r in reps) == [
        'pf0vf0', 'pf0vf1', 'pf0vf2']

    # What an administrator may do to them.
    run('ip link add br9 type bridge')
    run('ip link set %s master br9 mtu 1400 up' % reps[0])
    run('ip link set %s address 02:00:00:00:77:01 name renamed' % reps[1])
    run('ethtool -K %s hw-tc-offload on' % reps[2])
    links, offload = compare_devlink_and_links()[2:]
    assert links['br9']['kind'] == 'bridge'
    assert links[reps[0]]['master'] == links['br9']['ifindex']
    assert offload[reps[2]]['active'] == '1'
    run('ip link del br9')

    write('/sys/bus/netdevsim/devices/netdevsim7/sriov_numvfs', '0')
    compare_devlink_and_links()


def test_vdpa_sim(vdpasim):
    assert compare_vdpa() == {}
    run('vdpa dev add name sim0 mgmtdev %s mac 02:11:22:33:44:55 mtu 1300'
        % vdpasim)
    row = compare_vdpa()['sim0']
    assert row['mac'] == '02:11:22:33:44:55' and row['mtu'] == '1300'
    bus = by(picture('vbus'), 'name')['sim0']
    assert bus['driver'] == 'vhost_vdpa' and bus['parent'] == ''
    assert bus['chardev'] == [
        p.name for p in (VDPA / 'devices/sim0').glob('vhost-vdpa-*')][0]

    # Without a parent VF the virtio device is below the vDPA device.
    write(VDPA / 'drivers/vhost_vdpa/unbind', 'sim0')
    bus = by(picture('vbus'), 'name')['sim0']
    assert (bus['driver'], bus['chardev']) == ('', '')
    write(VDPA / 'devices/sim0/driver_override', 'virtio_vdpa')
    write(VDPA / 'drivers/virtio_vdpa/bind', 'sim0')
    netdev = wait_for(lambda: [
        p.name for p in (VDPA / 'devices/sim0').glob('virtio*/net/*')],
        'its netdev')[0]
    bus = by(picture('vbus'), 'name')['sim0']
    assert (bus['driver'], bus['override'], bus['netdev'], bus['away']) == (
        'virtio_vdpa', 'virtio_vdpa', netdev, '0')
    assert compare_links()[netdev]['mac'] == '02:11:22:33:44:55'
    assert int(compare_vdpa()['sim0']['negotiated'], 16) & 1 << 32

    space = Namespace('away', netdev, '192.0.2.1/24')
    bus = by(picture('vbus'), 'name')['sim0']
    assert (bus['netdev'], bus['away']) == ('', '1')
    space.delete()

    run('vdpa dev del sim0')
    assert compare_vdpa() == {}
    assert picture('vbus') == []


def link_index(name):
    return show('ip -j link show dev ' + name)[0]['ifindex']


def sums(dev):
    """What a row of class "flow" has to say, from tc's own figures: of each
    filter the action that counted most, as Open vSwitch does."""
    total = dict.fromkeys(('hw_flows', 'sw_flows', 'hw_packets', 'hw_bytes',
                           'sw_packets', 'sw_bytes'), 0)
    for f in filters(dev):
        stats = max((a['stats'] for a in f['options']['actions']),
                    key=lambda s: s['packets'])
        hw = stats.get('hw_packets', 0), stats.get('hw_bytes', 0)
        total['hw_flows' if f['options'].get('in_hw') else 'sw_flows'] += 1
        total['hw_packets'] += hw[0]
        total['hw_bytes'] += hw[1]
        total['sw_packets'] += stats['packets'] - hw[0]
        total['sw_bytes'] += stats['bytes'] - hw[1]
    return {k: str(v) for k, v in total.items()}


def test_simulated_card(pf):
    pf.numvfs(8)
    pf.mode('switchdev')
    run('modprobe -a vdpa vhost_vdpa virtio_vdpa')
    run('devlink', 'port', 'function', 'set', pf.port(3), 'hw_addr',
        '02:00:00:00:00:77')
    for i in range(8):
        words = {} if i == 6 else {'mac': '02:00:00:00:99:%02x' % i}
        if i % 2:
            words.update(mtu=1400, max_vqp=i)
        VdpaDevice(pf, i, **words)
    compare_devlink_and_links()
    rows = compare_vdpa()
    assert rows['vdpa:' + pf.vf(5)]['mac'] == '02:00:00:00:99:05'
    assert rows['vdpa:' + pf.vf(5)]['max_vqp'] == '5'
    assert 'mac' not in rows['vdpa:' + pf.vf(6)]

    functions = by(picture('pci'), 'bdf')
    assert functions[pf.bdf]['numvfs'] == '8'
    for i in range(8):
        vf = functions[pf.vf(i)]
        assert (vf['pf'], vf['vf_index']) == (pf.bdf, str(i))
        assert vf['id'] == '15b3:101e'


def test_filters_of_the_card(pf):
    pf.numvfs(2)
    pf.mode('switchdev')
    run('modprobe -a cls_flower act_mirred act_pedit sch_ingress')
    spaces = [Namespace('c%d' % i, pf.nic(i), '192.0.2.%d/24' % (i + 1))
              for i in range(2)]
    try:
        for i, rep in enumerate((pf.rep(0), pf.rep(1))):
            run('ip link set %s up' % rep)
            run('tc qdisc add dev %s ingress' % rep)
            to = pf.rep(1 - i)
            run('tc filter add dev %s ingress prio 1 protocol arp flower '
                'skip_hw action mirred egress redirect dev %s' % (rep, to))
            run('tc filter add dev %s ingress prio 2 protocol ip flower '
                'ip_proto icmp action mirred egress redirect dev %s' % (
                    rep, to))
            run('tc filter add dev %s ingress prio 3 protocol ip flower '
                'skip_hw ip_proto udp action mirred egress redirect dev %s'
                % (rep, to))
        spaces[0].ping('192.0.2.2', count=5)

        index = str(link_index(pf.rep(0)))

        def equal_sums():
            row = by(picture('flow'), 'ifindex')[index]
            row.pop('ifindex')
            return row if row == sums(pf.rep(0)) else None
        row = wait_for(equal_sums, 'equal sums while nothing passes')
        assert (row['hw_flows'], row['sw_flows']) == ('1', '2')
        assert int(row['hw_packets']) >= 5
        assert int(row['sw_packets']) >= 1          # ARP.
        qdiscs = by(picture('qdisc'), 'ifindex')
        assert {str(link_index(pf.rep(i))) for i in range(2)} <= set(qdiscs)
    finally:
        for space in spaces:
            space.delete()

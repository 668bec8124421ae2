# SPDX-License-Identifier: Apache-2.0
"""OpenStack's os-vif plugs the representors of our devices, as nova-compute
has it do for vnic_type=vdpa; with vdpa-attach=none the daemon keeps out of its
way."""

import subprocess

import pytest

from conftest import PeerError, check, interface
from twinlib import run, wait_for

PORT = '11111111-0000-4000-8000-%012d'
VM = '22222222-0000-4000-8000-000000000001'
MAC = '02:00:00:00:00:01'


class Plug:
    def __init__(self, peer, pf, index):
        self.peer = peer
        self.vf = pf.vf(index)
        self.port = PORT % index

    def plug(self, bridge='br-int'):
        self.peer.call('plug', bridge, self.vf, self.port, MAC, VM)

    def unplug(self, bridge='br-int'):
        self.peer.call('unplug', bridge, self.vf, self.port, MAC, VM)


def ports(ovs, bridge='br-int'):
    return ovs.vsctl('list-ports', bridge).split()


def test_plug_and_unplug(two, ovs, peer, pf):
    name, vif = 'vdpa:' + pf.vf(0), Plug(peer, pf, 0)
    vif.plug()
    two.wait(lambda: two.device(name)['port'] == pf.rep(0), 'the port is seen')
    device = two.device(name)
    assert device['bridge'] == 'br-int'
    assert device['iface_id'] == vif.port
    assert device['state'] == 'ready'

    # What os-vif wrote stands; nothing of ours has been added but, perhaps,
    # the verdict, and nothing is planned.
    two.appctl('resync')
    two.wait_settled()
    ids, ofport = interface(ovs, pf.rep(0))
    ids.pop('vdpa-offload', None)
    assert ids == {'iface-id': vif.port, 'attached-mac': MAC, 'vm-uuid': VM,
                   'iface-status': 'active'}
    assert ofport and ofport > 0
    port = next(p for p in two.json('port/list') if p['device'] == name)
    assert port['owner'] == 'foreign'
    assert port['made_by'] == 'os-vif'
    assert port['consumer_keys'] == {'iface-status': 'active', 'vm-uuid': VM}
    assert check(two, 'stale-ports')['result'] == 'ok'

    vif.unplug()
    assert ports(ovs) == []
    two.wait(lambda: two.device(name)['port'] is None, 'the port is gone')
    two.appctl('resync')
    two.wait_settled()
    assert ports(ovs) == []
    assert two.states()[name] == 'ready'
    vif.unplug()      # Twice is no mistake.


def test_tear_down_before_unplug(two, ovs, peer, pf):
    """os-vif does not find the representor any more, and its row stays: it is
    told, and left to whoever made it."""
    vif = Plug(peer, pf, 1)
    vif.plug()
    two.wait(lambda: two.device('vdpa:' + pf.vf(1))['port'] == pf.rep(1),
             'the port is seen')
    two.appctl('teardown', 'test')
    two.wait(lambda: pf.numvfs() == 0, 'removal')
    with pytest.raises(PeerError):
        vif.unplug()
    with pytest.raises(PeerError):
        vif.plug()
    row = two.wait(lambda: (lambda r: r['result'] != 'ok' and r)(
        check(two, 'stale-ports')), 'the row is told')
    assert 'port %s of bridge br-int, made by os-vif' % pf.rep(1) in row['seen']
    assert row['remedy'].endswith('ovs-vsctl del-port ' + pf.rep(1))
    two.appctl('resync')
    two.wait_settled()
    assert ports(ovs) == [pf.rep(1)]

    # The same device once more: the row serves again.
    two.appctl('resume', 'test')
    two.wait_ready(2)
    two.wait(lambda: two.device('vdpa:' + pf.vf(1))['iface_id'] == vif.port,
             'the port is back')
    vif.unplug()
    assert ports(ovs) == []


def test_port_on_another_bridge(two, ovs, peer, pf):
    """os-vif leaves it there and says that all is well."""
    name, vif = 'vdpa:' + pf.vf(0), Plug(peer, pf, 0)
    ovs.vsctl('add-br', 'br-other', '--', 'add-br', 'br-int', '--',
              'add-port', 'br-other', pf.rep(0))
    vif.plug()
    assert ports(ovs) == [] and ports(ovs, 'br-other') == [pf.rep(0)]
    two.wait(lambda: two.device(name)['iface_id'] == vif.port,
             'the port is seen')
    row = check(two, 'consumer-bridge', name)
    assert row['result'] == 'fail', row
    assert 'br-other' in row['seen'] and 'br-int' in row['seen']
    two.appctl('resync')
    two.wait_settled()
    assert ports(ovs, 'br-other') == [pf.rep(0)]


def test_rename_while_plugged(two, ovs, peer, pf):
    """os-vif then unplugs the new name, and the old row stays for ever."""
    name, vif = 'vdpa:' + pf.vf(0), Plug(peer, pf, 0)
    vif.plug()
    two.wait(lambda: two.device(name)['port'] == pf.rep(0), 'the port is seen')
    run('ip link set dev %s down' % pf.rep(0))
    run('ip link set dev %s name renamed0' % pf.rep(0))
    try:
        vif.unplug()
        assert ports(ovs) == [pf.rep(0)]
        two.wait(lambda: two.device(name)['representor'] == 'renamed0',
                 'the new name')
        row = two.wait(lambda: (lambda r: r['result'] != 'ok' and r)(
            check(two, 'stale-ports')), 'the row is told')
        assert 'port %s of bridge br-int' % pf.rep(0) in row['seen']
        assert 'ovs-vsctl del-port ' + pf.rep(0) in row['remedy']
    finally:
        run('ip link set dev renamed0 name ' + pf.rep(0))
    # Found again under its old name.
    wait_for(lambda: (interface(ovs, pf.rep(0))[1] or 0) > 0, 'its ofport')
    vif.unplug()
    assert ports(ovs) == []


def specs_of(daemon, *policy):
    """The [pci] device_spec values that are exported."""
    return [line.split(' = ', 1)[1]
            for line in daemon.appctl('export/nova', *policy).splitlines()
            if line.startswith('device_spec = ')]


def as_nova_sees(pf, index):
    """A VF with a vDPA device, in nova's inventory."""
    return {'address': pf.vf(index), 'vendor_id': '15b3',
            'product_id': '101e', 'dev_type': 'vdpa', 'parent_addr': pf.bdf}


def test_nova_counts_the_exported_devices(two, peer, pf):
    """nova's own matching of [pci] device_spec, fed from export/nova."""
    specs = specs_of(two, 'test')
    assert len(specs) == 2
    for i in range(2):
        assert peer.call('assignable', specs, as_nova_sees(pf, i))
        assert not peer.call('assignable', specs[1 - i:2 - i],
                             as_nova_sees(pf, i))


def test_nova_and_several_policies(daemon, ovs, policy, pf, peer):
    """Each policy's VFs, by ranges, and no others; also those whose devices
    are not there yet, which are named."""
    ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
              'external_ids:vdpa-attach=none')
    pf.knob('vdpa_add_fail', '-1 5')
    policy('num-vfs=6 vdpa-type=vhost', 'gold', pf.bdf + '#0-1,4')
    policy('num-vfs=6 vdpa-type=vhost', 'silver', pf.bdf + '#2')
    policy('num-vfs=6 vdpa-type=virtio', 'pods', pf.bdf + '#3')
    daemon.wait(lambda: pf.numvfs() == 6
                and list(daemon.states().values()) == ['failed'] * 5,
                'five devices that cannot be made')

    def matched(*name):
        specs = specs_of(daemon, *name)
        return [i for i in range(6)
                if peer.call('assignable', specs, as_nova_sees(pf, i))]

    def named_as_missing(*name):
        text = daemon.appctl('export/nova', *name)
        return [i for i in range(6) if '#   vdpa:%s: ' % pf.vf(i) in text]

    assert matched('gold') == named_as_missing('gold') == [0, 1, 4]
    assert matched('silver') == named_as_missing('silver') == [2]
    assert matched() == named_as_missing() == [0, 1, 2, 4]
    assert 'vdpa-type=vhost' in daemon.refused('export/nova', 'pods')
    assert 'nosuch' in daemon.refused('export/nova', 'nosuch')

    pf.knob('vdpa_add_fail', '0 5')
    daemon.appctl('reconcile')
    daemon.wait_ready(5)
    assert matched() == [0, 1, 2, 4] and not named_as_missing()


def test_plug_during_tear_down(two, ovs, peer, pf):
    """os-vif plugs a representor that is about to go: its row is told and
    kept, and serves again when the device is back."""
    name, vif = 'vdpa:' + pf.vf(0), Plug(peer, pf, 0)
    peer.call('load')
    # The way back begins with the mode, which takes the representors along.
    pf.knob('mode_delay_ms', 20000)
    with subprocess.Popen(['ovs-appctl', '-t', 'ovs-vdpad', 'teardown',
                           'test'], env=ovs.env) as teardown:
        two.wait(lambda: any(p['state'] == 'removing'
                             for p in two.json('pf/list')),
                 'removal has begun')
        vif.plug()
        assert ports(ovs) == [pf.rep(0)]
        assert teardown.wait(120) == 0
    two.wait(lambda: pf.numvfs() == 0, 'removal')
    row = two.wait(lambda: (lambda r: r['result'] != 'ok' and r)(
        check(two, 'stale-ports')), 'the row is told')
    assert 'port %s of bridge br-int, made by os-vif' % pf.rep(0) in row['seen']
    with pytest.raises(PeerError):
        vif.plug()
    two.wait_settled()
    assert ports(ovs) == [pf.rep(0)]

    pf.knob('mode_delay_ms', 0)
    two.appctl('resume', 'test')
    two.wait_ready(2)
    vif.plug()
    two.wait(lambda: two.device(name)['iface_id'] == vif.port,
             'the port serves again')
    wait_for(lambda: (interface(ovs, pf.rep(0))[1] or 0) > 0, 'its ofport')
    vif.unplug()
    assert ports(ovs) == []


def test_the_object_that_nova_plugs(two, peer, pf):
    """What these tests hand to os-vif is what nova makes of such a port."""
    ours, novas = peer.call('facts', 'br-int', pf.vf(0), PORT % 0, MAC)
    assert ours == novas

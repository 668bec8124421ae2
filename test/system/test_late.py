# SPDX-License-Identifier: Apache-2.0
# level: full
"""What comes too late, or stays when it should have gone."""

import signal

from conftest import ports, remove_id, vdpa_dev
from twinlib import PCI, write

PATIENCE = 60


def driver_of(bdf):
    link = PCI / bdf / 'driver'
    return link.resolve().name if link.exists() else None


def test_representor_is_not_there(daemon, ovs, pf, policy):
    """Waiting ends with a reason, and the device becomes ready all the same
    when the representor comes."""
    pf.knob('rep_delay_ms', (PATIENCE + 30) * 1000)
    policy('num-vfs=1 vdpa-type=vhost')
    daemon.wait(lambda: 'waiting' in daemon.states().values()
                and 'representor' in daemon.json('device/list')[0]['reason'],
                'waiting, and what for')
    daemon.wait(lambda: 'blocked' in daemon.states().values(),
                'the end of waiting', 2 * PATIENCE)
    device = daemon.json('device/list')[0]
    assert 'the representor of VF' in device['reason'], device
    assert ports(ovs) == []
    daemon.wait_ready(1)
    assert ports(ovs) == [pf.rep(0)]


def wait_vfio(daemon, pf, policy):
    """Two VFs with vfio-pci, as a policy wants."""
    policy('num-vfs=2 device-type=vfio-pci')
    daemon.wait(lambda: pf.numvfs() == 2 and all(
        driver_of(pf.vf(i)) == 'vfio-pci' for i in range(2)), 'vfio-pci')
    daemon.wait_settled()


def test_vfio_of_a_policy_that_has_gone(daemon, ovs, pf, policy):
    """The VFs go; made anew, they have the driver that the kernel finds."""
    wait_vfio(daemon, pf, policy)
    remove_id(ovs, 'vdpa-policy-test')
    daemon.wait(lambda: pf.numvfs() == 0, 'no VFs')
    daemon.wait_settled()
    policy('num-vfs=2 vdpa-type=vhost')
    daemon.wait_ready(2)
    assert driver_of(pf.vf(0)) == 'twin'


def test_vfio_on_vfs_of_others(daemon, ovs, pf, policy):
    """They get their network driver back from the policy that has gone; but
    what others give to vfio-pci, which might mean a guest, stays there:
    whoever wants vDPA devices on them is told what to do."""
    def drivers():
        return {driver_of(pf.vf(i)) for i in range(2)}

    pf.numvfs(2)
    wait_vfio(daemon, pf, policy)
    daemon.stop(signal.SIGKILL)
    daemon.start()
    daemon.wait_settled()
    assert drivers() == {'vfio-pci'}
    remove_id(ovs, 'vdpa-policy-test')
    daemon.wait(lambda: drivers() == {'twin'}, 'their network driver')
    daemon.wait_settled()
    assert pf.numvfs() == 2
    for i in range(2):
        write(PCI / pf.vf(i) / 'driver_override', 'vfio-pci')
        write(PCI / pf.vf(i) / 'driver/unbind', pf.vf(i))
        write('/sys/bus/pci/drivers_probe', pf.vf(i))
    policy('num-vfs=2 vdpa-type=vhost')
    unbind = '/sys/bus/pci/drivers/vfio-pci/unbind'
    daemon.wait(lambda: [d['state'] for d in daemon.json('device/list')
                         if unbind in (d['reason'] or '')] == ['blocked'] * 2,
                'the remedy')
    assert drivers() == {'vfio-pci'} and vdpa_dev() == {}
    for i in range(2):
        write(unbind, pf.vf(i))
    daemon.wait_ready(2)
    assert drivers() == {'twin'} and len(vdpa_dev()) == 2

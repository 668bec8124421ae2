# SPDX-License-Identifier: Apache-2.0
"""A process that is what nova-compute is to a host: it calls the real os-vif
and nova.  Imports take up to minutes under emulation, hence one process for
all tests, told what to do by lines of JSON on standard input, [NAME, ARGUMENT,
...], and answering each with one of {"value": ...} or {"error": ...}."""

import json
import os
import sys

OVSDB = 'unix:/run/openvswitch/db.sock'


class OsVif:
    """Plugs as nova does for vnic_type=vdpa."""

    def __init__(self):
        # pylint: disable=import-outside-toplevel
        from oslo_config import cfg
        import os_vif
        from os_vif import objects
        from vif_plug_ovs import privsep
        with open('/run/os-vif.conf', 'w', encoding='ascii') as f:
            f.write('[os_vif_ovs]\novsdb_connection=%s\n' % OVSDB)
        cfg.CONF(['--config-file', '/run/os-vif.conf'], project='nova')
        objects.register_all()
        os_vif.initialize()
        privsep.vif_plug.set_client_mode(False)
        self.os_vif = os_vif
        self.objects = objects

    def vif(self, bridge, vf, port_id, mac):
        o = self.objects
        return o.vif.VIFHostDevice(
            id=port_id, address=mac, dev_type='ethernet', dev_address=vf,
            plugin='ovs', has_traffic_filtering=False, preserve_on_delete=False,
            network=o.network.Network(
                id='437c6db5-4e6f-4b43-b64b-ed6a11ee5ba7', bridge=bridge,
                mtu=1500),
            port_profile=o.vif.VIFPortProfileOVSRepresentor(
                interface_id=port_id, representor_name='',
                representor_address=vf, datapath_offload=(
                    o.vif.DatapathOffloadRepresentor(
                        representor_name='', representor_address=vf))))

    def facts(self, bridge, vf, port_id, mac):
        """What os-vif goes by, in our object and in the one that nova makes
        of a port of vnic_type=vdpa."""
        # pylint: disable=import-outside-toplevel
        from nova.network import model, os_vif_util
        novas = os_vif_util.nova_to_osvif_vif(model.VIF(
            id=port_id, address=mac, type='ovs', vnic_type='vdpa',
            profile={'pci_slot': vf}, details={},
            network=model.Network(
                id='437c6db5-4e6f-4b43-b64b-ed6a11ee5ba7', bridge=bridge,
                label='net', subnets=[], mtu=1500)))
        return [[type(v).__name__, v.id, str(v.address), v.plugin, v.dev_type,
                 str(v.dev_address), v.network.bridge, v.network.mtu,
                 type(p).__name__, p.interface_id, p.representor_address,
                 type(p.datapath_offload).__name__,
                 p.datapath_offload.representor_address]
                for v in (self.vif(bridge, vf, port_id, mac), novas)
                for p in [v.port_profile]]

    def call(self, verb, bridge, vf, port_id, mac, vm):
        vm = self.objects.instance_info.InstanceInfo(uuid=vm, name='test')
        getattr(self.os_vif, verb)(self.vif(bridge, vf, port_id, mac), vm)


class Nova:
    """The parts of nova-compute that look for vDPA devices."""

    @staticmethod
    def assignable(specs, device):
        """Whether [pci] device_spec lines let nova hand out a device."""
        # pylint: disable=import-outside-toplevel
        from nova.pci import whitelist
        return whitelist.Whitelist(specs).device_assignable(device)

    @staticmethod
    def host():
        # pylint: disable=import-outside-toplevel
        from nova import config
        from nova.virt.libvirt import host
        config.parse_args(['nova-compute'], default_config_files=[])
        return host.Host('qemu:///system')


def main():
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)     # What the libraries print is no answer.
    sys.stdout = sys.stderr
    os_vif = host = None
    for line in sys.stdin:
        name, *words = json.loads(line)
        try:
            if name in ('plug', 'unplug'):
                os_vif = os_vif or OsVif()
                value = os_vif.call(name, *words)
            elif name == 'load':
                os_vif = os_vif or OsVif()
                value = None
            elif name == 'facts':
                os_vif = os_vif or OsVif()
                value = os_vif.facts(*words)
            elif name == 'assignable':
                value = Nova.assignable(*words)
            elif name == 'vdpa_path':
                host = host or Nova.host()
                value = host.get_vdpa_device_path(*words)
            else:
                raise ValueError(name)
            answer = {'value': value}
        except Exception as e:  # pylint: disable=broad-except
            answer = {'error': '%s: %s' % (type(e).__name__, e)}
        json.dump(answer, out)
        out.write('\n')
        out.flush()


main()

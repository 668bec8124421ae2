# SPDX-License-Identifier: Apache-2.0
"""Packets: through the card, through a char device, through a guest."""

import json
import os
import subprocess

import pytest

from conftest import BUILD
from twinlib import Namespace, filters, hw_packets, run, wait_for


@pytest.fixture
def spaces(daemon, pf, policy):
    """Two containers, each with the netdev of a vDPA device."""
    policy('num-vfs=2 vdpa-type=virtio mac=02:00:00:00:dd:00')
    daemon.wait_ready(2)
    made = []
    for i in range(2):
        netdev = daemon.device('vdpa:' + pf.vf(i))['netdev']
        made.append(Namespace('c%d' % i, netdev, '192.0.2.%d/24' % (i + 1)))
    yield made
    for space in made:
        space.delete()


def test_ping_in_hardware(daemon, ovs, pf, spaces):
    spaces[0].ping('192.0.2.2', count=30)
    for i in range(2):
        ours = [f for f in filters(pf.rep(i)) if f['options'].get('in_hw')]
        assert ours
        assert max(hw_packets(f) for f in ours) >= 20
    assert ovs.offloaded('dp:tc')

    device = daemon.device('vdpa:' + pf.vf(0))
    assert device['offload']['hw_flows'] >= 1
    assert device['offload']['hw_packets'] >= 20
    assert device['offload']['verdict'] == 'offloaded'
    status = daemon.json('status')
    assert status['hw_offload'] == {'configured': True, 'effective': True}


def test_software_is_told_from_hardware(daemon, pf, spaces):
    """The card refuses every rule: the verdict says software."""
    pf.knob('rule_fail', '1000000 95 refused by a test')
    spaces[0].ping('192.0.2.2', count=10)
    offload = daemon.device('vdpa:' + pf.vf(0))['offload']
    assert offload['hw_packets'] == 0
    assert offload['verdict'] in ('software', 'kernel')


def test_restart_loses_no_packet(daemon, pf, spaces):
    spaces[0].ping('192.0.2.2')
    ping = subprocess.Popen(
        ['ip', 'netns', 'exec', 'c0', 'ping', '-q', '-i', '0.1', '-c', '60',
         '192.0.2.2'], stdout=subprocess.PIPE, text=True)
    daemon.stop()
    daemon.start()
    daemon.wait_ready(2)
    assert '60 received' in ping.communicate(timeout=120)[0]


def test_guest_on_the_char_device(daemon, ovs, pf, policy):
    """A program that drives /dev/vhost-vdpa-N as a guest does."""
    policy('num-vfs=2 vdpa-type=vhost mac=02:00:00:00:ee:00')
    daemon.wait_ready(2)
    chardevs = [daemon.device('vdpa:' + pf.vf(i))['chardev']
                for i in range(2)]
    programs = [os.path.join(BUILD, 'test', 'vhost-guest'), *(
        c if c.startswith('/dev/') else '/dev/' + c for c in chardevs)]
    out = run(*programs, timeout=120)
    assert 'received 20 of 20' in out, out
    assert daemon.device('vdpa:' + pf.vf(0))['in_use_by'] == []


def test_nested_guest(daemon, ovs, pf, policy):
    """A real guest kernel behind QEMU's vhost-vdpa."""
    policy('num-vfs=2 vdpa-type=vhost mac=02:00:00:00:ef:00')
    daemon.wait_ready(2)
    device = daemon.device('vdpa:' + pf.vf(0))
    chardev = device['chardev']
    chardev = chardev if chardev.startswith('/dev/') else '/dev/' + chardev
    here = os.path.dirname(os.path.abspath(__file__))
    guest = subprocess.Popen(
        [os.path.join(here, 'nested-guest'), chardev, device['mac'],
         '192.0.2.9'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True)
    try:
        wait_for(lambda: daemon.device('vdpa:' + pf.vf(0))['in_use_by'],
                 'the guest holds the device', 120)
        run('ip address replace 192.0.2.1/24 dev br-int')
        run('ip link set br-int up')
        wait_for(lambda: not subprocess.run(
            ['ping', '-c', '1', '-W', '2', '192.0.2.9'], check=False,
            stdout=subprocess.DEVNULL).returncode,
            'an answer of the guest', 400)
    finally:
        guest.kill()
        out = guest.communicate()[0]
        print(json.dumps(out[-3000:]))

# SPDX-License-Identifier: Apache-2.0
"""Packets: through the card, through a char device, through a guest."""

import os
import subprocess

import pytest

from conftest import BUILD
from traffic import new_macs, spaces
from twinlib import Namespace, filters, hw_packets, run, wait_for


def test_ping_in_hardware(daemon, ovs, pf, spaces):
    spaces[0].ping('192.0.2.2', count=30)
    for i in range(2):
        ours = [f for f in filters(pf.rep(i)) if f['options'].get('in_hw')]
        assert ours
        assert max(hw_packets(f) for f in ours) >= 20
    assert ovs.offloaded('dp:tc')

    def judged():
        return daemon.device('vdpa:' + pf.vf(0))['offload']
    # A single burst is no evidence.
    daemon.wait(lambda: spaces[0].ping('192.0.2.2', count=20)
                and judged()['verdict'] == 'offloaded', 'a verdict')
    assert judged()['hw_flows'] >= 1
    assert judged()['hw_packets'] >= 20
    status = daemon.json('status')['hw_offload']
    assert status['configured'] and status['effective'], status
    assert status['remedy'] is None


def test_software_is_told_from_hardware(daemon, ovs, pf, spaces):
    """The card refuses every rule, then takes them again."""
    def verdict_after_traffic():
        spaces[0].ping('192.0.2.2', count=10)
        return daemon.device('vdpa:' + pf.vf(0))['offload']['verdict']

    def verdict_of_new_flows():
        # Those in use stay in software.
        ovs.appctl('revalidator/purge')
        return verdict_after_traffic()

    pf.knob('rule_fail', '1000000 95 refused by a test')
    daemon.wait(lambda: verdict_after_traffic() == 'software',
                'the verdict that hardware carries nothing')
    assert daemon.device('vdpa:' + pf.vf(0))['offload']['hw_packets'] == 0
    pf.knob('rule_fail', '0 5')
    daemon.wait(lambda: verdict_of_new_flows() == 'offloaded',
                'the verdict that hardware carries it again')


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
    mac = new_macs()
    policy('num-vfs=2 vdpa-type=vhost mac=' + mac, 'guest', pf.bdf + '#0')
    policy('num-vfs=2 vdpa-type=virtio mac=' + new_macs(), 'host',
           pf.bdf + '#1')
    daemon.wait_ready(2)
    near = daemon.device('vdpa:' + pf.vf(1))['netdev']
    space = Namespace('near', near, '192.0.2.1/24')
    with subprocess.Popen(
            [BUILD / 'test/vdpa-guest',
             daemon.device('vdpa:' + pf.vf(0))['chardev'], '192.0.2.2'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True) as guest:
        assert guest.stdout.readline().startswith('ready ' + mac)
        space.ping('192.0.2.2', count=20)
        guest.stdin.close()
        assert guest.wait(60) == 0
    space.delete()
    daemon.wait(lambda: daemon.device('vdpa:' + pf.vf(0))['in_use_by'] == [],
                'nobody holds it any more')


@pytest.fixture
def nested_guest(daemon, ovs):
    """Starts a guest behind a char device; what it prints goes to a file."""
    here = os.path.dirname(os.path.abspath(__file__))
    started = []

    def start(chardev, mac, address):
        console = ovs.dir / 'guest.out'
        with open(console, 'wb') as out:
            started.append(subprocess.Popen(
                [os.path.join(here, 'nested-guest'), chardev, mac, address],
                stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT))
        return started[0], console

    yield start
    for guest in started:
        guest.terminate()
        guest.wait(60)


def test_nested_guest(daemon, ovs, pf, policy, nested_guest):
    """A real guest kernel behind QEMU's vhost-vdpa."""
    policy('num-vfs=2 vdpa-type=vhost mac=' + new_macs())
    daemon.wait_ready(2)
    name = 'vdpa:' + pf.vf(0)
    device = daemon.device(name)

    def printed():
        return console.read_text(errors='replace')

    def says(text):
        assert guest.poll() is None, printed()[-3000:]
        return text in printed()

    # An emulated emulator may crash the guest's kernel before that has any
    # driver: at the third time it is no accident any more.
    for _ in range(3):
        guest, console = nested_guest(device['chardev'], device['mac'],
                                      '192.0.2.9')
        wait_for(lambda: guest.poll() is not None
                 or 'guest is up' in printed(), 'boot of the guest', 400)
        if not ('Kernel panic' in printed() and 'start_kernel' in printed()):
            break
    assert says('guest is up')
    wait_for(lambda: daemon.device(name)['in_use_by'],
             'the guest holds the device', 120)
    assert 'qemu' in daemon.device(name)['in_use_by'][0]['command']

    run('ip address replace 192.0.2.1/24 dev br-int')
    run('ip link set br-int up')
    wait_for(lambda: says('') and not subprocess.run(
        ['ping', '-c', '1', '-W', '2', '192.0.2.9'], check=False,
        stdout=subprocess.DEVNULL).returncode, 'an answer of the guest', 120)
    assert daemon.device(name)['state'] == 'ready'

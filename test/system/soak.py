# SPDX-License-Identifier: Apache-2.0
"""Runs inside the VM; see scripts/soak."""

import os
import random
import socket
import sys
import time

from conftest import (Daemon, Holder, assert_no_reports, remove_id, set_id,
                      vdpa_dev)
from traffic import Spaces, Traffic
from twinlib import CommandError, Ovs, Pf, run, wait_for, write

SECOND_PF = 1
DEVICES = 4
MAX_CLIENTS = 4
WARM_UP = 240       # Seconds.
# MiB that a helper, or the daemon, may grow by.  ASan's allocator goes on
# growing for half an hour; without it helpers grow by nothing.
HELPER_GROWTH, DAEMON_GROWTH = 16, 8
LINE = ('%5d s  %4d rounds  daemon %6.1f MiB, %3d descriptors; helpers %d, '
        '%6.1f MiB, %3d descriptors')


def children(pid):
    return [int(p) for p in open('/proc/%d/task/%d/children' % (
        pid, pid)).read().split()]


def resident(pid):
    with open('/proc/%d/status' % pid) as f:
        return next((int(line.split()[1]) for line in f
                     if line.startswith('VmRSS')), 0) / 1024


def weigh(pid):
    """Resident memory in MiB and descriptors of a process."""
    return resident(pid), len(os.listdir('/proc/%d/fd' % pid))


def heaviest(helpers):
    """Those of the helper processes, which may be replaced, by what they are
    for: of several for the same the most of each."""
    most = {}
    for name, figures in helpers:
        most[name] = tuple(map(max, figures, most.get(name, (0, 0))))
    return most


class Soak:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.ovs = Ovs(rundir='/run/openvswitch', hw_offload=False)
        self.pf, self.other = Pf(0), Pf(SECOND_PF)
        self.daemon = Daemon(self.ovs)
        self.spaces = self.traffic = self.holder = None
        self.clients = []   # That do not read.
        self.packets = {}   # [sent, lost] by what was done meanwhile.
        self.done = []      # Names of what was done, for the post-mortem.

    # What happens on the second port of the card.

    def wish(self):
        words = self.dice.choice([
            'num-vfs=4 vdpa-type=vhost', 'num-vfs=3 vdpa-type=virtio',
            'num-vfs=4 vdpa-type=vhost mtu=1400', 'num-vfs=0',
            'num-vfs=4 vdpa-type=none', 'num-vfs=4 vdpa-type=nonsense',
            'num-vfs=4 vdpa-type=vhost mac=stable max-vqp=2'])
        set_id(self.ovs, 'vdpa-policy-churn',
               'pf=%s %s' % (self.other.bdf, words))

    def port(self):
        set_id(self.ovs, 'vdpa-port-lp%d' % self.dice.randrange(3),
                    'policy=churn tag=%d' % self.dice.randrange(4095))

    def unport(self):
        remove_id(self.ovs, 'vdpa-port-lp%d' % self.dice.randrange(3))

    def reset(self):
        write(self.other.knobs / 'reset', '1')
        if not self.holder:     # Else it ends when that one leaves.
            self.wait_reset()

    def numvfs(self):
        if not self.holder:     # Else we would wait for it ourselves.
            try:
                self.other.numvfs(0)
            except OSError:
                pass

    def vf_driver(self):
        if not self.holder:
            try:
                write('/sys/bus/pci/drivers/twin/unbind', self.other.vf(0))
            except OSError:
                pass

    def hold(self):
        """A VM comes, or goes."""
        if self.holder:
            self.holder.leave()
            self.holder = None
            return
        held = [d for d in self.daemon.json('device/list')
                if d['chardev'] and d['pf'] == self.other.bdf]
        if held:
            try:
                self.holder = Holder(self.dice.choice(held)['chardev'])
            except OSError:
                pass

    def teardown(self):
        for words in (('teardown', 'churn'), ('resume', 'churn')):
            try:
                self.daemon.appctl(*words)
            except CommandError:
                pass    # In use, or no such policy now.

    # What happens around the daemon.

    def ovsdb(self):
        self.ovs.kill('ovsdb-server')
        self.ovs.start_db()

    def vswitchd(self):
        self.ovs.kill('ovs-vswitchd')
        self.ovs.start()
        self.account('vswitchd')
        self.traffic.wait_flow()

    def ask(self):
        for words in (['status'], ['device/list'], ['port/list'], ['why'],
                      ['verify'], ['resync'], ['metrics'], ['config/show'],
                      ['event/list', '-n', '1000'], ['plan']):
            self.daemon.appctl(*words, '--json')
        self.daemon.refused('device/show', 'nosuch')

    def half_a_client(self):
        """Connects, asks, never reads, and stays for some rounds."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect('%s/ovs-vdpad.%d.ctl' % (self.ovs.dir,
                                                self.daemon.process.pid))
        client.sendall(b'{"id":0,"method":"device/list","params":[]}' * 50)
        self.clients.append(client)
        if len(self.clients) > MAX_CLIENTS:
            self.clients.pop(0).close()

    def act(self, action):
        """Does it, unless the daemon answers by an error: it may say that
        what is asked for cannot be had just now."""
        self.done.append(action.__name__)
        try:
            action()
        except CommandError as e:
            if 'appctl' not in str(e):
                raise
        self.account(action.__name__)

    def account(self, what):
        """Books the packets since the last call.  Nothing that is done to
        the other port of the card, or to the daemon, may cost one."""
        figures = self.traffic.mark()
        sums = self.packets.setdefault(what, [0, 0])
        sums[0] += figures['sent']
        sums[1] += figures['lost']
        assert not figures['lost'] or what == 'vswitchd', (what, figures)

    def measure(self, rounds, start):
        """Of the daemon, of all helpers, and of each kind of these."""
        pid = self.daemon.process.pid
        daemon = weigh(pid)
        # A client is a descriptor of the daemon, and no leak.
        daemon = daemon[0], daemon[1] - len(self.clients)
        helpers = [(open('/proc/%d/comm' % p).read().strip(), weigh(p))
                   for p in children(pid)]
        print(LINE % (time.monotonic() - start, rounds, *daemon, len(helpers),
                      sum(f[0] for _, f in helpers),
                      sum(f[1] for _, f in helpers)), flush=True)
        return daemon, heaviest(helpers), len(helpers)

    def start(self):
        self.daemon.start()
        set_id(self.ovs, 'vdpa-policy-still',
                    'pf=%s num-vfs=2 vdpa-type=virtio mac=02:00:00:00:50:00'
                    % self.pf.bdf)
        self.daemon.wait_ready(2)
        self.spaces = Spaces(self.daemon, self.pf)
        self.traffic = Traffic(self.spaces, rate=20)
        self.traffic.wait_flow()

    def wait_reset(self):
        wait_for(lambda: self.other.knob('reset') == '0', 'the reset\'s end')

    def let_go(self):
        if self.holder:
            self.hold()
        self.wait_reset()

    def settle(self):
        """Everything as configured, with a fixed configuration."""
        self.let_go()
        for i in range(3):
            remove_id(self.ovs, 'vdpa-port-lp%d' % i)
        remove_id(self.ovs, 'vdpa-suspended')
        set_id(self.ovs, 'vdpa-policy-churn', 'pf=%s num-vfs=2 vdpa-type=vhost'
                    % self.other.bdf)
        self.daemon.appctl('reconcile')
        self.daemon.wait_ready(DEVICES)
        self.daemon.wait_settled()
        assert len(vdpa_dev()) == DEVICES
        self.account('settle')

    def run(self, minutes):
        start = time.monotonic()
        end = start + 60 * minutes
        usual = [self.wish, self.port, self.unport, self.wish, self.port,
                 self.reset, self.numvfs, self.vf_driver, self.hold,
                 self.hold, self.teardown, self.ask, self.half_a_client]
        rare = [self.ovsdb, self.vswitchd]
        rounds = 0
        first = None
        self.start()
        while time.monotonic() < end or not first:
            for _ in range(12):
                self.act(self.dice.choice(usual))
                self.daemon.is_up()
                rounds += 1
            # With a reset that waits for a VM no program on the host gets an
            # answer of generic netlink: Open vSwitch would not even start.
            self.let_go()
            self.account('let_go')
            self.act(self.dice.choice(rare))
            self.settle()
            last = self.measure(rounds, start)
            # The first rounds fill caches and the allocator's stores.
            if (not first and time.monotonic() - start
                    >= max(12 * minutes, WARM_UP)):
                first = last
        self.judge(first, last)

    def judge(self, first, last):
        """Compares what was measured when all caches and the allocator's
        stores were full with the end."""
        for what, (sent, lost) in sorted(self.packets.items()):
            print('%-13s %6d packets of a ready device sent, %d lost' % (
                what, sent, lost))
        grown = {'daemon': (last[0], first[0])}
        for name, most in last[1].items():
            # One that did not run then is held against the largest.
            grown[name] = most, first[1].get(name) or tuple(
                map(max, *first[1].values()))
        for name, (now, then) in sorted(grown.items()):
            print('%-13s grown by %.1f MiB, %d descriptors since it was warm'
                  % (name, now[0] - then[0], now[1] - then[1]))
            limit = DAEMON_GROWTH if name == 'daemon' else HELPER_GROWTH
            assert now[0] - then[0] < limit, name + ' grows'
            assert now[1] <= then[1] + 4 and now[1] < 100, name
        assert last[2] <= 16, 'helpers'
        assert_no_reports(self.daemon.log())

    def stop(self):
        if self.traffic:
            self.traffic.stop()
        if self.spaces:
            self.spaces.delete()
        if self.holder:
            self.holder.leave()
        for client in self.clients:
            client.close()
        self.daemon.stop()
        self.ovs.stop()
        for pf in (self.pf, self.other):
            pf.defaults()
        assert_no_reports(self.daemon.log())


def main():
    minutes, seed = (int(w) for w in sys.argv[1:3])
    soak = Soak(seed)
    try:
        soak.run(minutes)
    except BaseException:
        print('last done: %s' % ' '.join(soak.done[-30:]))
        print(soak.daemon.log()[-6000:])
        print(run('dmesg')[-2000:])
        raise
    finally:
        soak.stop()


if __name__ == '__main__':
    main()
